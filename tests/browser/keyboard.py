"""A page as somebody meets it who has a keyboard alone: where Tab leads, in which order, and whether one sees where."""

import itertools
from collections.abc import Sequence

import msgspec
from playwright.sync_api import Page

_STOPS_MAX = 400
_WITHIN_MAX = 6
"""So often Tab may stay within one field: a date has parts, and a button of its own."""
_BEGIN = """() => { window.everything = [...document.querySelectorAll("*")];
    document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute("tabindex"); }"""
_STOP = """() => { const at = document.activeElement;
    if (!at || at === document.body || at === document.documentElement) return null;
    const box = at.getBoundingClientRect(), style = getComputedStyle(at);
    return {place: window.everything.indexOf(at), name: window.called(at), tag: at.tagName.toLowerCase(),
        isFolded: at.tagName === "SUMMARY" && !at.parentElement.open,
        isMarked: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
        isInSight: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
            && box.right > 0 && box.left < innerWidth}; }"""
_CALLED = r"""() => { window.called = at => at.tagName.toLowerCase()
    + (at.id ? "#" + at.id : "") + (at.name ? "[" + at.name + "]" : "")
    + " " + (at.getAttribute("aria-label") || at.innerText || at.value || "").trim()
        .replace(/\s+/g, " ").slice(0, 40); }"""
_BY_MOUSE = """() => { const groups = new Set(), found = [];
    const all = "a[href], button, input, select, textarea, summary, [onclick], [tabindex]";
    for (const at of document.querySelectorAll(all)) {
        if (at.type === "hidden" || at.disabled || at.tabIndex < 0 || !at.checkVisibility()) continue;
        if (at.type === "radio") { const group = [...document.getElementsByName(at.name)];
            if (groups.has(at.name)) continue; groups.add(at.name);
            found.push((group.find(each => each.checked) || at)); continue; }
        found.push(at); }
    return found.map(window.called); }"""


class Stop(msgspec.Struct, frozen=True, rename="camel"):
    """Where the focus is: the element's place in the document, what it is called, and whether one sees it."""

    place: int
    name: str
    tag: str
    is_folded: bool
    is_marked: bool
    is_in_sight: bool


class Walk(msgspec.Struct, frozen=True):
    """What a walk over a page found: its stops, and what is wrong with it, each in words."""

    stops: Sequence[Stop]
    faults: Sequence[str]


def where(page: Page) -> str:
    """Return what the focus is at, or "" where it is nowhere."""
    page.evaluate(_CALLED)
    return str(page.evaluate("() => document.activeElement === document.body ? '' : called(document.activeElement)"))


def to(page: Page, name: str) -> None:
    """Go on by Tab to what is called so, or begins so."""
    for _ in range(_STOPS_MAX):
        page.keyboard.press("Tab")
        if where(page).startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def press(page: Page, name: str) -> None:
    """Go on by Tab to what is called so, and press Enter."""
    to(page, name)
    page.keyboard.press("Enter")


def walked(page: Page, *, unfolding: bool = True) -> Walk:
    """Go through a page by Tab to its end and by Shift-Tab back, unfolding by Enter what is folded."""
    page.evaluate(_CALLED)
    page.evaluate(_BEGIN)
    faults, stops = list[str](), _stops(page, "Tab", unfolding=unfolding)
    faults += [f"no focus is seen at {stop.name}" for stop in stops if not stop.is_marked]
    faults += [f"the focus is out of sight at {stop.name}" for stop in stops if not stop.is_in_sight]
    places = [stop.place for stop in stops]
    faults += [f"{after.name} comes after {before.name}" for before, after in _unordered(stops)]
    reached = {stop.name for stop in stops}
    faults += [f"only a mouse reaches {name}" for name in page.evaluate(_BY_MOUSE) if name not in reached]
    if len(stops) >= _STOPS_MAX:
        faults.append(f"there is no way on from {stops[-1].name}")
    back = [stop.place for stop in _stops(page, "Shift+Tab", unfolding=False)]
    if back != places[::-1]:
        faults.append(f"the way back is another: {len(places)} stops, then {len(back)}")
    return Walk(stops, faults)


def _unordered(stops: Sequence[Stop]) -> list[tuple[Stop, Stop]]:
    return [(before, after) for before, after in itertools.pairwise(stops) if after.place < before.place]


def _stops(page: Page, key: str, *, unfolding: bool) -> list[Stop]:
    """Return where a key leads, once around: behind the last stop comes the browser itself, or the first one."""
    stops, within = list[Stop](), 0
    while len(stops) < _STOPS_MAX:
        page.keyboard.press(key)
        stop = msgspec.convert(page.evaluate(_STOP), Stop | None)
        if stop is None and not stops:
            continue
        if stops and stop is not None and stop.place == stops[-1].place and within < _WITHIN_MAX:
            within += 1
            continue
        if stop is None or (stops and stop.place == stops[0].place):
            break
        within = 0
        if unfolding and stop.is_folded:
            page.keyboard.press("Enter")
        stops.append(stop)
    return stops
