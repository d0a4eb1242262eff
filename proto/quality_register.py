"""Copies of a register of quality assurance reports (DEQAR): what one holds, and what a statement names. Pure.

A statement of an institution names a report by its address or number; whether the register has it, only a copy says.
"""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.events import Record

REPORTS_MAX = 500_000
_REPORT_ADDRESS = re.compile(
    r"https?://(?:data\.|backend\.|www\.)?(?:deqar|eqar)\.eu/(?:[A-Za-z0-9/-]*/)?reports?/([0-9]{1,9})/?\Z"
)
_REPORT_NUMBER = re.compile(r"(?:DEQAR[ :/-]?)(?:report[ :/-]?)?([0-9]{1,9})\Z", re.IGNORECASE)
DayText = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", max_length=10)]


class QualityReport(Record, frozen=True, kw_only=True):
    """A report of the register: by which agency, on which institutions and programme, how decided, for how long."""

    report: int
    agency: str = ""
    institutions: tuple[str, ...] = ()
    programme: str = ""
    decision: str = ""
    status: str = ""
    valid_from: str = ""
    valid_until: str = ""


class QualityRegister(Record, frozen=True, kw_only=True):
    """A copy as a verifier reads it; `day` is the day of which the register was copied."""

    day: DayText
    reports: tuple[QualityReport, ...]

    def by_number(self) -> Mapping[int, QualityReport]:
        """Return the reports by their numbers."""
        return {each.report: each for each in self.reports}


def report_named(*texts: str | None) -> int | None:
    """Return the number of the report that one of these names: an address at DEQAR, or `DEQAR:47569`; else None."""
    for text in texts:
        found = _REPORT_ADDRESS.match(text or "") or _REPORT_NUMBER.match((text or "").strip())
        if found:
            return int(found[1])
    return None


def encoded_register(copy: QualityRegister) -> bytes:
    """Return a copy as the file that verifiers read."""
    return msgspec.json.encode(copy)
