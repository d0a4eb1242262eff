"""What a check of the ledger found: the tree that its entries give, and what is wrong. Checks nothing itself."""

from services import fsck_report
from services.fsck_report import Findings


class Report(fsck_report.Report, frozen=True, kw_only=True):
    """The log's name, its tree (`root_hash` as 64 hex digits), and the size of the last checkpoint in the database."""

    origin: str
    tree_size: int
    root_hash: str
    published_size: int

    @classmethod
    def of(cls, findings: Findings, *, origin: str, tree_size: int, root_hash: bytes, published_size: int) -> "Report":
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
