"""Bodies of what a copy of a quality register says of a report that an institution names. Decides nothing."""

from typing import Literal

from proto.wire.ledger import Body

QualityResult = Literal["found", "not_found", "unknown", "not_named"]
"""`not_named`: stated alone, it names no report of the register. `unknown`: this verifier has no copy, or one that is
too old to tell."""


class QualityFinding(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What a verifier's copy of the register, of the day `copy_of`, has of a report; the report is the register's word.

    What was stated names it; whom it is about says `institutions`. `valid_until` is as the register writes it.
    """

    result: QualityResult
    report: int | None = None
    copy_of: str | None = None
    agency: str = ""
    institutions: tuple[str, ...] = ()
    programme: str = ""
    decision: str = ""
    status: str = ""
    valid_from: str = ""
    valid_until: str = ""
