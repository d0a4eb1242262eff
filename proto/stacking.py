"""Recipes of stacks, evaluated over given parts in exact integers. Knows no clock, no log and no learner (DESIGN 7)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from proto.event_fields import AchievementField, DidField, EctsField, EqfField
from proto.events import Record
from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment, to_ms
from proto.number_words import number_of

PART_COUNT_MIN = 2
PART_COUNT_MAX = 64
AGE_DAYS_MAX = 36_525
_MS_PER_DAY = 86_400_000
_ECTS_PER_CREDIT = 100
_DIGITS_MAX, _DECIMALS = 6, 2
SHARE_PATTERN = r"^([0-9]{1,3}%|[1-9][0-9]{0,2}/[1-9][0-9]{0,2})\Z"
_WHOLE_PERCENT = 100

UnmetCode = Literal[
    "part-count",
    "part-counted-twice",
    "part-not-active",
    "credits-missing",
    "credits-counted-once",
    "achievement-missing",
    "group-incomplete",
    "eqf-too-low",
    "eqf-unknown",
    "issuer-not-accepted",
    "part-too-old",
    "part-in-other-stack",
    "outside-beyond-limit",
    "part-not-on-log",
]


class Group(Record, frozen=True, kw_only=True):
    """Some achievements of which `needed` are required: elective modules, say."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    achievements: Annotated[tuple[AchievementField, ...], Meta(min_length=1, max_length=PART_COUNT_MAX)]
    needed: Annotated[int, Meta(ge=1, le=PART_COUNT_MAX)]

    def __post_init__(self) -> None:
        if len(set(self.achievements)) != len(self.achievements):
            raise ValueError(f"The group {self.name!r} names an achievement twice")
        if self.needed > len(self.achievements):
            raise ValueError(f"The group {self.name!r} needs {self.needed} of {len(self.achievements)} achievements")


class Recipe(Record, frozen=True, kw_only=True):
    """What parts a stack needs. Everything stated must hold; what is not stated is not asked.

    Groups and required achievements name no achievement in common, so that which part fills which place is never a
    matter of choice.
    """

    ects_hundredths_min: EctsField = 0
    required_achievements: Annotated[tuple[AchievementField, ...], Meta(max_length=PART_COUNT_MAX)] = ()
    groups: Annotated[tuple[Group, ...], Meta(max_length=16)] = ()
    eqf_level_min: EqfField | None = None
    accepted_issuers: Annotated[tuple[DidField, ...], Meta(max_length=64)] = ()
    age_days_max: Annotated[int, Meta(ge=1, le=AGE_DAYS_MAX, description="Oldest part, by valid_from")] | None = None
    exclusive: Annotated[bool, Meta(description="A part may not also count in another live stack of this issuer")] = (
        False
    )

    allows_repeats: Annotated[
        bool, Meta(description="Parts of the same achievement each count; otherwise the one with most credits does")
    ] = False
    outside_hundredths_max: (
        Annotated[EctsField, Meta(description="So many credits of other institutions count at most")] | None
    ) = None
    outside_share_max: (
        Annotated[
            str,
            Meta(
                pattern=SHARE_PATTERN,
                max_length=7,
                description="Such a share of what counts may come from other institutions at most: `60%` or `1/3`",
            ),
        ]
        | None
    ) = None

    def __post_init__(self) -> None:
        named = [*self.required_achievements, *(uri for group in self.groups for uri in group.achievements)]
        if len(set(named)) != len(named):
            raise ValueError(
                "The recipe names an achievement in two places: each may stand in one group or be required"
            )
        if self.outside_share_max is not None and not 0 <= share_of(self.outside_share_max) <= 1:
            raise ValueError("outside_share_max is a part of the whole, as in 60% or 1/3")


class StackPart(Record, frozen=True, kw_only=True):
    """What an evaluation needs to know of one credential that is offered as a part."""

    credential_id: CredentialId
    achievement: AchievementUri
    issuer: Did
    ects_hundredths: int
    valid_from: Moment
    is_active: bool
    eqf_level: int | None = None
    other_stacks: tuple[CredentialId, ...] = ()
    """Live stacks of the stacking issuer that already count this credential."""
    is_outside: bool = False
    """Another institution than the stacking one issued it."""


class Unmet(NamedTuple):
    """One condition that does not hold: a stable code, a sentence for a person, and the parts that it concerns.

    `achievements` are those that would meet it: the one that is required, or what of a group is not given.
    """

    code: UnmetCode
    detail: str
    credentials: tuple[CredentialId, ...] = ()
    achievements: tuple[AchievementUri, ...] = ()


def unmet_conditions(recipe: Recipe, parts: Sequence[StackPart], *, now: Moment) -> tuple[Unmet, ...]:
    """Return every condition of `recipe` that `parts` leave unmet at `now`, in the recipe's order; empty means fit."""
    return (
        *_unmet_by_count(parts),
        *unmet_by_parts(recipe, parts, now),
        *_unmet_by_credits(recipe, parts),
        *_unmet_by_achievements(recipe, parts),
    )


def share_of(text: str) -> Fraction:
    """Return a share that matches `SHARE_PATTERN` as an exact number: `60%`, `1/3`."""
    if text.endswith("%"):
        return Fraction(int(text[:-1]), _WHOLE_PERCENT)
    numerator, _, denominator = text.partition("/")
    return Fraction(int(numerator), int(denominator))


class Counted(Record, frozen=True, kw_only=True):
    """What parts carry towards a stack, in hundredths of ECTS; `outside` is what counts of other institutions'."""

    inside: int
    outside: int
    outside_given: int
    """What others' parts carry before the recipe's limits."""

    @property
    def total(self) -> int:
        """What counts in all."""
        return self.inside + self.outside


def counted(recipe: Recipe | None, parts: Iterable[StackPart]) -> Counted:
    """Return the credits that parts carry towards a stack.

    The same credential counts once, and so does the same achievement, with the most credits that it was awarded with,
    unless the recipe `allows_repeats`; of an achievement that both have, the own part counts. Of what others issued
    counts as much as the recipe's limits let; a share is one of what counts in all.
    """
    inside: dict[str, int] = {}
    outside: dict[str, int] = {}
    allows_repeats = recipe is not None and recipe.allows_repeats
    for part in parts:
        name = part.credential_id if allows_repeats else part.achievement
        found = outside if part.is_outside else inside
        found[name] = max(part.ects_hundredths, found.get(name, 0))
    own = sum(inside.values())
    given = sum(hundredths for name, hundredths in outside.items() if name not in inside)
    return Counted(inside=own, outside=min(given, *_limits(recipe, own, given)), outside_given=given)


def _limits(recipe: Recipe | None, own: int, given: int) -> Iterable[int]:
    """Yield how much of others' credits may count at most; `given` itself where nothing limits them."""
    yield given
    if recipe is None:
        return
    if recipe.outside_hundredths_max is not None:
        yield recipe.outside_hundredths_max
    if recipe.outside_share_max is not None and (share := share_of(recipe.outside_share_max)) < 1:
        yield int(own * share / (1 - share))  # the most x with x <= share * (own + x)


def unmet_by_declared(recipe: Recipe | None, parts: Sequence[StackPart], declared_hundredths: int) -> Iterable[Unmet]:
    """Yield what is wrong where a stack declares more than what counts of its parts, though they carry as much."""
    found, carried = counted(recipe, parts), sum(part.ects_hundredths for part in _each_once(parts))
    if not found.total < declared_hundredths <= carried:
        return
    said = f"The stack declares {ects_text(declared_hundredths)} ECTS, of its parts {ects_text(found.total)} count"
    if found.outside < found.outside_given:
        yield Unmet("outside-beyond-limit", f"{said}: {_limit_in_words(found)}", _outside(parts))
    if found.inside + found.outside_given < declared_hundredths:
        remedy = "the same achievement counts once, unless the recipe says `allows_repeats`"
        yield Unmet("credits-counted-once", f"{said}: {remedy}", _same_achievement(parts))


def _each_once(parts: Iterable[StackPart]) -> Iterable[StackPart]:
    return {part.credential_id: part for part in parts}.values()


def _outside(parts: Iterable[StackPart]) -> tuple[CredentialId, ...]:
    return tuple(part.credential_id for part in parts if part.is_outside)


def _same_achievement(parts: Iterable[StackPart]) -> tuple[CredentialId, ...]:
    by_name: dict[str, list[CredentialId]] = {}
    for part in parts:
        by_name.setdefault(part.achievement, []).append(part.credential_id)
    return tuple(name for ids in by_name.values() if len(ids) > 1 for name in ids)


def _limit_in_words(found: Counted) -> str:
    return f"of {ects_text(found.outside_given)} ECTS of other institutions {ects_text(found.outside)} count"


def ects_remaining(declared_hundredths: int, components_remaining: Iterable[int]) -> int:
    """Return the credits of a stack that still hold, in hundredths (DESIGN 7).

    The lesser of what was declared and the sum of what remains of the components; a component that fell away remains
    with 0, a component that is a stack with what this function says of it.
    """
    return min(declared_hundredths, sum(components_remaining))


def ects_text(hundredths: int) -> str:
    """Return credits as people write them: 350 → `3.5`, 600 → `6`, 225 → `2.25`."""
    whole, rest = divmod(hundredths, _ECTS_PER_CREDIT)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".")


def ects_of_text(text: str) -> int | None:
    """Return credits as people write them, with a point or a comma, in hundredths; None for what is no such number.

    `2,5` → 250. At most six digits before the point and two that count behind it; nothing is rounded.
    """
    whole, _, part = text.strip().replace(",", ".").partition(".")
    part = part.rstrip("0")
    is_number = len(whole) <= _DIGITS_MAX and len(part) <= _DECIMALS and (whole + part).isdecimal() and text.isascii()
    return int(whole + part.ljust(_DECIMALS, "0")) if is_number else None


def _unmet_by_count(parts: Sequence[StackPart]) -> Iterable[Unmet]:
    if not PART_COUNT_MIN <= len(parts) <= PART_COUNT_MAX:
        yield Unmet("part-count", f"A stack has {PART_COUNT_MIN} to {PART_COUNT_MAX} parts; {len(parts)} were given")
    seen: set[CredentialId] = set()
    for part in parts:
        if part.credential_id in seen:
            yield Unmet("part-counted-twice", "The same credential is given twice", (part.credential_id,))
        seen.add(part.credential_id)


def unmet_by_parts(recipe: Recipe, parts: Sequence[StackPart], now: Moment) -> Iterable[Unmet]:
    """Yield why single parts cannot count by this recipe, whatever stands beside them."""
    for part in parts:
        about = (part.credential_id,)
        if not part.is_active:
            yield Unmet("part-not-active", f"{part.achievement}: the credential does not hold now", about)
        if recipe.accepted_issuers and part.issuer not in recipe.accepted_issuers:
            yield Unmet("issuer-not-accepted", f"Credentials of {part.issuer} are not accepted", about)
        if recipe.age_days_max is not None and _age_ms(part, now) > recipe.age_days_max * _MS_PER_DAY:
            yield Unmet(
                "part-too-old", f"{part.achievement}: older than {number_of(recipe.age_days_max, 'day')}", about
            )
        if recipe.exclusive and part.other_stacks:
            yield Unmet("part-in-other-stack", f"{part.achievement}: already counts in another stack", about)
        yield from _unmet_by_level(recipe, part)


def _unmet_by_level(recipe: Recipe, part: StackPart) -> Iterable[Unmet]:
    if recipe.eqf_level_min is None:
        return
    about = (part.credential_id,)
    if part.eqf_level is None:
        yield Unmet("eqf-unknown", f"{part.achievement}: states no EQF level; {recipe.eqf_level_min} is needed", about)
    elif part.eqf_level < recipe.eqf_level_min:
        level = f"EQF level {part.eqf_level}; at least {recipe.eqf_level_min} is needed"
        yield Unmet("eqf-too-low", f"{part.achievement}: {level}", about)


def _age_ms(part: StackPart, now: Moment) -> int:
    return to_ms(now) - to_ms(part.valid_from)


def _unmet_by_credits(recipe: Recipe, parts: Sequence[StackPart]) -> Iterable[Unmet]:
    found = counted(recipe, parts)
    if found.total < recipe.ects_hundredths_min:
        needed = f"{ects_text(recipe.ects_hundredths_min)} are needed"
        limited = f" ({_limit_in_words(found)})" if found.outside < found.outside_given else ""
        yield Unmet("credits-missing", f"The parts carry {ects_text(found.total)} ECTS{limited}; {needed}")


def _unmet_by_achievements(recipe: Recipe, parts: Sequence[StackPart]) -> Iterable[Unmet]:
    given = {part.achievement for part in parts}
    for uri in recipe.required_achievements:
        if uri not in given:
            yield Unmet("achievement-missing", f"The achievement {uri} is required", achievements=(uri,))
    for group in recipe.groups:
        found = len(given.intersection(group.achievements))
        if found < group.needed:
            of = f"{group.needed} of {len(group.achievements)} are needed"
            left = tuple(uri for uri in group.achievements if uri not in given)
            yield Unmet("group-incomplete", f"{group.name}: {found} given, {of}", achievements=left)
