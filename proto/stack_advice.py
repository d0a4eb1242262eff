"""What a learner can make of what she has: which to stack by a recipe, and what is missing. Pure (DESIGN 7).

The same conditions as when a stack is issued decide (`proto.stacking`), so that advice never promises what would be
refused.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from proto.events import Record
from proto.ids import CredentialId
from proto.moment import Moment
from proto.stacking import (
    PART_COUNT_MAX,
    PART_COUNT_MIN,
    Counted,
    Recipe,
    StackPart,
    Unmet,
    counted,
    unmet_by_parts,
    unmet_conditions,
)


class PartAdvice(Record, frozen=True, kw_only=True):
    """One credential that a learner has: whether it is one of the proposed parts, and why not where it cannot be.

    `counted_hundredths` is what it adds to the sum: nothing where another award of its achievement counts already, and
    of others' credentials no more than the recipe's limits let.
    """

    part: StackPart
    is_proposed: bool
    counted_hundredths: int = 0
    unmet: tuple[Unmet, ...] = ()


class Advice(Record, frozen=True, kw_only=True):
    """What the proposed parts carry, and every condition that they leave unmet; none: they can be stacked now."""

    parts: tuple[PartAdvice, ...]
    counted: Counted
    unmet: tuple[Unmet, ...]

    @property
    def proposed(self) -> tuple[CredentialId, ...]:
        """The proposed parts, sorted, as an event names them."""
        return tuple(sorted(item.part.credential_id for item in self.parts if item.is_proposed))


def advise(recipe: Recipe, parts: Sequence[StackPart], *, declared_hundredths: int, now: Moment) -> Advice:
    """Return which of `parts` to stack by `recipe` for a stack of so many credits, and what then is missing.

    Proposed are all that the recipe names, then others, the institution's own first and those with most credits, for as
    long as credits are missing; of one achievement the award with most credits. Parts that could never count are given
    with their reasons.
    """
    found = {part.credential_id: part for part in parts}  # each once, the last that is said of it
    refused = {name: tuple(unmet_by_parts(recipe, [part], now)) for name, part in found.items()}
    usable = [part for name, part in found.items() if not refused[name]]
    wanted = replace(recipe, ects_hundredths_min=max(declared_hundredths, recipe.ects_hundredths_min))
    proposed = _proposed(wanted, usable)
    return _advice(wanted, proposed, found.values(), now)


def preview(recipe: Recipe | None, parts: Sequence[StackPart], *, declared_hundredths: int, now: Moment) -> Advice:
    """Return what exactly these parts make of a stack of so many credits, part by part, and what is missing."""
    stated = recipe or Recipe()
    wanted = replace(stated, ects_hundredths_min=max(declared_hundredths, stated.ects_hundredths_min))
    return _advice(wanted, parts, parts, now)


def _advice(recipe: Recipe, proposed: Sequence[StackPart], parts: Iterable[StackPart], now: Moment) -> Advice:
    shares = _shares(recipe, proposed)
    return Advice(
        parts=tuple(
            PartAdvice(
                part=part,
                is_proposed=part.credential_id in shares,
                counted_hundredths=shares.get(part.credential_id, 0),
                unmet=tuple(unmet_by_parts(recipe, [part], now)),
            )
            for part in parts
        ),
        counted=counted(recipe, proposed),
        unmet=unmet_conditions(recipe, proposed, now=now),
    )


def _shares(recipe: Recipe, parts: Sequence[StackPart]) -> dict[CredentialId, int]:
    """Return what each part adds to the sum; own ones before others', since of how much they carry a share may be."""
    in_order = sorted(parts, key=lambda part: (part.is_outside, -part.ects_hundredths))
    totals = [counted(recipe, in_order[:number]).total for number in range(len(in_order) + 1)]
    return {part.credential_id: totals[at + 1] - totals[at] for at, part in enumerate(in_order)}


def _proposed(recipe: Recipe, usable: Sequence[StackPart]) -> list[StackPart]:
    """Return the parts that are proposed, those that the recipe names first, then as many as its credits need."""
    named = {*recipe.required_achievements, *(uri for group in recipe.groups for uri in group.achievements)}
    best = sorted(_of_different_achievements(recipe, usable), key=lambda part: (-part.ects_hundredths, part.valid_from))
    chosen = [part for part in best if part.achievement in named][:PART_COUNT_MAX]
    others = [part for part in best if part.achievement not in named]
    others.sort(key=lambda part: part.is_outside)  # own ones first: of how much they carry, a share may be others'
    for part in others:
        if len(chosen) < PART_COUNT_MAX and _adds(recipe, chosen, part):
            chosen.append(part)
    for part in (*others, *usable):  # a stack has two parts, even where one carries all that counts
        if len(chosen) < PART_COUNT_MIN and part not in chosen:
            chosen.append(part)
    return chosen


def _adds(recipe: Recipe, chosen: Sequence[StackPart], part: StackPart) -> bool:
    """Tell whether credits are missing, and a part brings some that count."""
    before = counted(recipe, chosen).total
    return before < recipe.ects_hundredths_min and counted(recipe, [*chosen, part]).total > before


def _of_different_achievements(recipe: Recipe, usable: Iterable[StackPart]) -> Iterable[StackPart]:
    """Yield the award with most credits of each achievement, the institution's own before those of others."""
    if recipe.allows_repeats:
        return usable
    best: dict[str, StackPart] = {}
    for part in usable:
        known = best.get(part.achievement)
        if known is None or (part.is_outside, -part.ects_hundredths) < (known.is_outside, -known.ects_hundredths):
            best[part.achievement] = part
    return best.values()
