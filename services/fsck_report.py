"""What a check of a service's database found: counts, and damages as place and sentence. Checks nothing itself."""

import msgspec

DAMAGES_MAX = 1_000
"""More are not listed, only counted: the rest mostly follow from the first."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where (`entry 17`, `tile/0/000`, `credential 3f…`), and what, in a sentence."""

    place: str
    what: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked (`counts` by kind) and what is wrong; `damage_count` may exceed the damages listed.

    `incomplete` says why not everything could be checked, or is empty. Each service adds what it holds.
    """

    counts: dict[str, int]
    damage_count: int
    damages: tuple[Damage, ...]
    incomplete: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong and everything was checked."""
        return not self.damage_count and not self.incomplete


class Findings:
    """Gathers counts and damages while a check runs."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.damages: list[Damage] = []
        self.damage_count = 0
        self.incomplete = ""

    def count(self, what: str, number: int = 1) -> None:
        """Add to what was checked."""
        self.counts[what] = self.counts.get(what, 0) + number

    def damaged(self, place: str, what: str) -> None:
        """Add a damage."""
        self.damage_count += 1
        if len(self.damages) < DAMAGES_MAX:
            self.damages.append(Damage(place=place, what=what))

    def expect(self, condition: bool, place: str, what: str) -> None:
        """Add a damage unless the condition holds."""
        if not condition:
            self.damaged(place, what)
