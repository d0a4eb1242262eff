"""What a browser finds of one page: what axe-core holds against it, how wide, how heavy, how many sheets on paper.

The page is opened without scripts; only then may axe-core run, which is not the page's own. Pictures are kept where
a folder is given.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from playwright.sync_api import CDPSession, ConsoleMessage, Page, Request, Response

WIDTHS = (320, 390, 1280)
_PICTURE_HEIGHT_MAX = 15_000
_FOLDED_MAX = 40
"""What has more to unfold is long, and is judged as it opens."""
_JUDGED_ENOUGH = 3
"""In so many pages are letters of the same look judged, colour by colour, which is most of what axe-core does."""
_HEIGHT = 844
_RUN = """options => axe.run(document, options).then(found => found.violations.map(
    rule => rule.id + ": " + rule.nodes.map(node => node.target.join(" ")).join(", ")))"""
_RUN_COLOURS = """async ({judged, enough}) => {
    const looks = new Map();
    const look = element => {
        const style = getComputedStyle(element), behind = [];
        for (let each = element; each; each = each.parentElement) {
            const {backgroundColor, backgroundImage, opacity} = getComputedStyle(each);
            behind.push(`${backgroundColor} ${backgroundImage} ${opacity}`);
        }
        const drawn = behind.filter(each => each !== "rgba(0, 0, 0, 0) none 1").join(" < ");
        return [style.color, style.fontSize, style.fontWeight, style.textShadow, drawn].join(" | ");
    };
    for (const element of document.querySelectorAll("body, body *")) {
        const hasLetters = element.matches("input, textarea, select")
            || [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim());
        if (!hasLetters || !element.getClientRects().length) continue;
        const seen = look(element);
        if (!looks.has(seen)) looks.set(seen, element);
    }
    const fresh = [...looks.keys()].filter(each => (judged[each] ?? 0) < enough);
    if (!fresh.length) return {fresh, faults: []};
    const found = await axe.run(
        {include: fresh.map(each => looks.get(each))}, {runOnly: ["color-contrast"], resultTypes: ["violations"]});
    return {fresh, faults: found.violations.map(
        rule => rule.id + ": " + rule.nodes.map(node => node.target.join(" ")).join(", "))};
}"""
_UNFOLD = """most => { const folded = [...document.querySelectorAll("details")];
    if (folded.length <= most) folded.forEach(each => each.open = true) }"""
_LINKS = """() => [...document.links].filter(link => !link.getAttribute("href").startsWith("#"))
    .map(link => link.href.split("#")[0])"""
_STICKING_OUT = """() => [...document.querySelectorAll("section, form, .card")]
    .filter(card => card.scrollWidth > card.clientWidth + 1)
    .map(card => card.className + " " + card.innerText.slice(0, 40))"""
_TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(element => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
        && !element.closest(".table, pre, svg, .skip"))
    .map(element => element.tagName + "." + element.className).slice(0, 5).join(" ")"""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one page.

    `wide` are widths at which it, or a card of it, is too narrow for what is in it, and for what; `sheets` how many a
    verdict takes on paper, 0 for other pages; `html` the page as it came, with its folded parts; `url` where it is.
    """

    status: int
    axe: tuple[str, ...]
    wide: tuple[str, ...]
    weight: int
    outside: tuple[str, ...]
    sheets: int
    text: str
    html: str
    url: str
    links: tuple[str, ...]
    refused: tuple[str, ...]


class Lens:
    """One page of a browser, and the traffic that it causes."""

    def __init__(self, page: Page, axe: str, folder: Path | None) -> None:
        self._page, self._axe, self._folder = page, axe, folder
        self._scripts: CDPSession = page.context.new_cdp_session(page)
        self._judged: Counter[str] = Counter()
        self._asked: list[str] = []
        self._answers: list[Response] = []
        self._refused: list[str] = []
        page.on("request", self._ask)
        page.on("response", self._answer)
        page.on("console", self._hear)

    def _ask(self, request: Request) -> None:
        self._asked.append(request.url)

    def _answer(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._answers.append(response)

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self._refused.append(message.text)

    def look(self, name: str, opened: Callable[[Page], object]) -> Look:
        """Open a page, judge it and keep its pictures."""
        page = self._page
        self._asked.clear()
        self._answers.clear()
        self._refused.clear()
        page.context.clear_cookies()
        page.emulate_media(color_scheme="light", media="screen")
        page.set_viewport_size({"width": WIDTHS[0], "height": _HEIGHT})
        self._run_scripts(may=False)
        opened(page)
        came = page.content()
        self._run_scripts(may=True)
        self._picture(f"{name}-320")
        page.evaluate(_UNFOLD, _FOLDED_MAX)
        page.evaluate(self._axe)
        rest = page.evaluate(_RUN, {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}})
        light = self._colour_faults()
        wide = tuple(filter(None, map(self._too_wide, WIDTHS)))
        page.emulate_media(color_scheme="dark")
        dark = self._colour_faults()
        self._picture(f"{name}-1280-dark")
        sheets = self._sheets(name) if page.locator(".paper").count() else 0
        last = self._answers[-1] if self._answers else None
        return Look(
            status=last.status if last else 200,
            axe=(*rest, *light, *(f"dark {item}" for item in dark)),
            wide=wide,
            weight=int(last.request.sizes()["responseBodySize"]) if last else 0,
            outside=tuple(
                url for url in self._asked if not url.startswith(("http://127.0.0.1:", "http://localhost:", "data:"))
            ),
            sheets=sheets,
            text=page.locator("body").inner_text(),
            html=came,
            url=page.url,
            links=tuple(page.evaluate(_LINKS)),
            refused=tuple(self._refused),
        )

    def _colour_faults(self) -> list[str]:
        """Return what axe-core holds against the colours of letters whose look few pages before this one had."""
        found = self._page.evaluate(_RUN_COLOURS, {"judged": self._judged, "enough": _JUDGED_ENOUGH})
        self._judged.update(found["fresh"])
        faults: list[str] = found["faults"]
        return faults

    def _run_scripts(self, *, may: bool) -> None:
        self._scripts.send("Emulation.setScriptExecutionDisabled", {"value": not may})

    def _too_wide(self, width: int) -> str:
        self._page.set_viewport_size({"width": width, "height": _HEIGHT})
        scrolled = self._page.evaluate("document.documentElement.scrollWidth")
        sticking_out = self._page.evaluate(_STICKING_OUT)
        if scrolled <= width and not sticking_out:
            return ""
        return f"{width}: {scrolled} {self._page.evaluate(_TOO_WIDE)} {sticking_out}"

    def _sheets(self, name: str) -> int:
        self._page.emulate_media(color_scheme="light", media="print")
        path = None if self._folder is None else self._folder / f"{name}.pdf"
        sheets = self._page.pdf(path=path, format="A4").count(b"/Type /Page\n")
        self._page.emulate_media(media="screen")
        return sheets

    def _picture(self, name: str) -> None:
        if self._folder is None:
            return
        height = self._page.evaluate("document.documentElement.scrollHeight")
        self._page.screenshot(path=self._folder / f"{name}.png", full_page=height < _PICTURE_HEIGHT_MAX)
