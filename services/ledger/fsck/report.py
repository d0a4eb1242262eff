"""What a check of the ledger found: places, sentences and counts. Checks nothing itself."""

import msgspec

DAMAGES_MAX = 1_000
"""More are not listed, only counted: the rest mostly follow from the first."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where (`entry 17`, `tile/0/000`, `issuer did:…`), and what, in a sentence."""

    place: str
    what: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was checked (`counts` by kind) and what is wrong; `damage_count` may exceed the damages listed."""

    origin: str
    tree_size: int
    root_hash: str
    published_size: int
    counts: dict[str, int]
    damage_count: int
    damages: tuple[Damage, ...]

    @classmethod
    def of(
        cls, findings: "Findings", *, origin: str, tree_size: int, root_hash: bytes, published_size: int
    ) -> "Report":
        """Return the report of what was found."""
        return cls(
            origin=origin,
            tree_size=tree_size,
            root_hash=root_hash.hex(),
            published_size=published_size,
            counts=findings.counts,
            damage_count=findings.damage_count,
            damages=tuple(findings.damages),
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damage_count


class Findings:
    """Gathers counts and damages while a check runs."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.damages: list[Damage] = []
        self.damage_count = 0

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
