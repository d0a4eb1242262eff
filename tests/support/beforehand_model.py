"""What is decided at once, worked out a second time from the bare history, word by word from DESIGN 11.

Shares no code with `services.issuer_gateway`: days are whole numbers, credits hundredths, institutions letters.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Standing(NamedTuple):
    """A standing decision of the school: on what, towards what, from which day to before which."""

    achievement: str
    programme: str
    decision: str
    credits: int
    credits_min: int | None
    level_min: int | None
    is_pinned: bool
    begin: int
    end: int


class Term(NamedTuple):
    """What an agreement counts at the school: named achievements, or all of a field or a level."""

    achievements: tuple[str, ...]
    field: str | None
    level: int | None
    programme: str
    decision: str
    credits: int
    credits_min: int | None
    level_min: int | None
    total_max: int | None


class Agreement(NamedTuple):
    """Terms, the days of which it holds, and who of the two has signed."""

    terms: tuple[Term, ...]
    begin: int
    end: int
    signers: str


class Shown(NamedTuple):
    """A credential that somebody applies with; `since` is the day from which it is valid."""

    name: str
    achievement: str
    credits: int
    level: int | None
    field: str
    grades: tuple[str, ...]
    since: int


class Limits(NamedTuple):
    """What the recipe of a programme lets count."""

    total: int | None = None
    level: int | None = None
    age: int | None = None


class Outcome(NamedTuple):
    """In full or in part, how many credits, and by the how-manieth decision or agreement that was ever said."""

    decision: str
    credits: int
    by: tuple[str, int]


class BeforehandModel:
    """All that the school has said and agreed with the college; `c` and `s` are the two."""

    def __init__(self) -> None:
        self.standing: list[Standing] = []
        self.agreements: list[Agreement] = []
        self.gone: set[tuple[str, int]] = set()
        """Standing decisions that were withdrawn, and agreements that were ended."""
        self.grades: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {}
        """By achievement and programme: grades, the best first, and the last that will do."""
        self.limits: dict[str, Limits] = {}
        self.suspended = ""
        self.stolen = ""
        """Whose keys for documents were condemned."""

    def overlaps(self, new: Standing) -> bool:
        """Tell whether one on the same stands on a day of a new one."""
        return any(
            (old.achievement, old.programme) == (new.achievement, new.programme)
            and ("decision", number) not in self.gone
            and set(range(old.begin, old.end)) & set(range(new.begin, new.end))
            for number, old in enumerate(self.standing)
        )

    def outcomes(self, programme: str, shown: Sequence[Shown], day: int) -> list[Outcome | None]:
        """Return what is decided at once of each credential of one application."""
        made: list[Outcome | None] = []
        places: list[tuple[int, int] | None] = []
        for number, each in enumerate(shown):
            before = [(one, place) for one, place in zip(made, places, strict=True) if one is not None]
            is_counted = any(earlier.name == each.name and made[at] for at, earlier in enumerate(shown[:number]))
            ways = () if is_counted or "s" in self.suspended else self._ways(programme, each, day, before)
            way = next((way for way in ways if self._fits(programme, each, way[0], day, before)), None)
            made.append(way[0] if way else None)
            places.append(way[1] if way else None)
        return made

    def _fits(
        self,
        programme: str,
        each: Shown,
        way: Outcome,
        day: int,
        before: Sequence[tuple[Outcome, tuple[int, int] | None]],
    ) -> bool:
        limits = self.limits.get(programme, Limits())
        sum_of_all = way.credits + sum(one.credits for one, _ in before)
        return (
            (limits.total is None or sum_of_all <= limits.total)
            and (limits.level is None or (each.level is not None and each.level >= limits.level))
            and (limits.age is None or day <= each.since + limits.age)
        )

    def _ways(
        self,
        programme: str,
        each: Shown,
        day: int,
        before: Sequence[tuple[Outcome, tuple[int, int] | None]],
    ) -> Iterator[tuple[Outcome, tuple[int, int] | None]]:
        """First what the school itself has decided, then agreements, the newest first, their terms in order."""
        for number, said in enumerate(self.standing):
            if (
                ("decision", number) not in self.gone
                and (said.achievement, said.programme) == (each.achievement, programme)
                and said.begin <= day < said.end
                and not said.is_pinned
                and self._is_enough(each, said.credits_min, said.level_min)
                and self._is_graded(programme, each)
                and (said.decision == "full" or said.credits < each.credits)
            ):
                counted = each.credits if said.decision == "full" else said.credits
                yield Outcome(said.decision, counted, ("decision", number)), None
        for number in reversed(range(len(self.agreements))):
            agreed = self.agreements[number]
            good = {who for who in agreed.signers if who not in self.stolen}
            is_good = ("agreement", number) not in self.gone and good == {"c", "s"} and not self.suspended
            for at, term in enumerate(agreed.terms):
                counted = each.credits if term.decision == "full" else term.credits
                spent = sum(one.credits for one, place in before if place == (number, at))
                if (
                    is_good
                    and agreed.begin <= day < agreed.end
                    and term.programme == programme
                    and _is_meant(term, each)
                    and self._is_enough(each, term.credits_min, term.level_min)
                    and (term.decision == "full" or counted < each.credits)
                    and (term.total_max is None or spent + counted <= term.total_max)
                ):
                    yield Outcome(term.decision, counted, ("agreement", number)), (number, at)

    @staticmethod
    def _is_enough(each: Shown, credits_min: int | None, level_min: int | None) -> bool:
        return (credits_min is None or each.credits >= credits_min) and (
            level_min is None or (each.level is not None and each.level >= level_min)
        )

    def _is_graded(self, programme: str, each: Shown) -> bool:
        """Where the school asks for grades: exactly one, among those that it has put in order, not below the least."""
        if (each.achievement, programme) not in self.grades:
            return True
        grades, least = self.grades[each.achievement, programme]
        places = [grades.index(grade) for grade in each.grades if grade in grades]
        return len(each.grades) == 1 and len(places) == 1 and places[0] <= grades.index(least)


def _is_meant(term: Term, each: Shown) -> bool:
    if term.achievements:
        return each.achievement in term.achievements
    return (term.field is None or each.field[: len(term.field)] == term.field) and term.level in {None, each.level}
