"""What a recipe asks of parts, computed a second time: slowly, word by word from DESIGN 7, trying every sum.

Shares no code with `proto.stacking` but its records.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from proto.moment import Moment
from proto.stacking import Recipe, StackPart

Found = Counter[tuple[str, tuple[str, ...]]]
"""How often each code is said of which credentials."""
PARTS_MIN, PARTS_MAX = 2, 64


def carried(recipe: Recipe, parts: Sequence[StackPart]) -> tuple[int, int, int]:
    """Return what counts of the institution's own, what counts of others', and what others' carry, in hundredths."""
    own = [part for part in parts if not part.is_outside]
    others = [part for part in parts if part.is_outside]
    inside = sum(_most(own, name, recipe) for name in _names(own, recipe))
    given = sum(_most(others, name, recipe) for name in _names(others, recipe) - _names(own, recipe))
    outside = next(counts for counts in range(given, -1, -1) if _may_count(recipe, counts, inside))
    return inside, outside, given


def _names(parts: Sequence[StackPart], recipe: Recipe) -> set[str]:
    """Return the things that count once each: achievements, or credentials where repeats count."""
    return {_name(part, recipe) for part in parts}


def _name(part: StackPart, recipe: Recipe) -> str:
    return part.credential_id if recipe.allows_repeats else part.achievement


def _most(parts: Sequence[StackPart], name: str, recipe: Recipe) -> int:
    return max(part.ects_hundredths for part in parts if _name(part, recipe) == name)


def _may_count(recipe: Recipe, of_others: int, own: int) -> bool:
    if recipe.outside_hundredths_max is not None and of_others > recipe.outside_hundredths_max:
        return False
    if recipe.outside_share_max is None:
        return True
    if recipe.outside_share_max.endswith("%"):
        return of_others * 100 <= int(recipe.outside_share_max.removesuffix("%")) * (own + of_others)
    above, below = recipe.outside_share_max.split("/")
    return of_others * int(below) <= int(above) * (own + of_others)


def unmet(recipe: Recipe, parts: Sequence[StackPart], now: Moment) -> Found:
    """Return which conditions do not hold."""
    return _of_the_list(parts) + _of_each(recipe, parts, now) + _of_all(recipe, parts)


def _of_the_list(parts: Sequence[StackPart]) -> Found:
    found: Found = Counter()
    if len(parts) < PARTS_MIN or len(parts) > PARTS_MAX:
        found["part-count", ()] += 1
    for name, times in Counter(part.credential_id for part in parts).items():
        if times > 1:
            found["part-counted-twice", (name,)] += times - 1
    return found


def _of_each(recipe: Recipe, parts: Sequence[StackPart], now: Moment) -> Found:
    found: Found = Counter()
    for part in parts:
        wrong = {
            "part-not-active": not part.is_active,
            "issuer-not-accepted": bool(recipe.accepted_issuers) and part.issuer not in set(recipe.accepted_issuers),
            "part-too-old": recipe.age_days_max is not None and _age(part, now) > timedelta(days=recipe.age_days_max),
            "part-in-other-stack": recipe.exclusive and part.other_stacks != (),
            "eqf-unknown": recipe.eqf_level_min is not None and part.eqf_level is None,
            "eqf-too-low": (part.eqf_level or 8) < (recipe.eqf_level_min or 1),
        }
        found.update((code, (part.credential_id,)) for code, is_so in wrong.items() if is_so)
    return found


def _age(part: StackPart, now: Moment) -> timedelta:
    return datetime.fromisoformat(now) - datetime.fromisoformat(part.valid_from)


def _of_all(recipe: Recipe, parts: Sequence[StackPart]) -> Found:
    found: Found = Counter()
    inside, outside, _ = carried(recipe, parts)
    if inside + outside < recipe.ects_hundredths_min:
        found["credits-missing", ()] += 1
    for wanted in recipe.required_achievements:
        if not any(part.achievement == wanted for part in parts):
            found["achievement-missing", ()] += 1
    for group in recipe.groups:
        filled = [wanted for wanted in group.achievements if any(part.achievement == wanted for part in parts)]
        if len(filled) < group.needed:
            found["group-incomplete", ()] += 1
    return found


def declared_too_much(recipe: Recipe, parts: Sequence[StackPart], declared: int) -> Found:
    """Return what is wrong where a stack declares more than counts, though its parts carry it."""
    found: Found = Counter()
    inside, outside, given = carried(recipe, parts)
    last_said = {part.credential_id: part.ects_hundredths for part in parts}
    if declared <= inside + outside or declared > sum(last_said.values()):
        return found
    if outside < given:
        found["outside-beyond-limit", tuple(sorted(part.credential_id for part in parts if part.is_outside))] += 1
    if inside + given < declared:
        times = Counter(part.achievement for part in parts)
        again = sorted(part.credential_id for part in parts if times[part.achievement] > 1)
        found["credits-counted-once", tuple(again)] += 1
    return found
