"""Lists as files for a spreadsheet: CSV (RFC 4180) in UTF-8, credits in hundredths and in ECTS. Pure."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from proto.stacking import ects_text
from proto.tables.inert import inert
from proto.wire.content import Texts
from proto.wire.register import ActCounts, AwardedAchievement, IssuerSummary, RecognisedAchievement

ROWS_MAX = 2_000
"""Rows of one file; a `Link` header names the address of the next."""
_Row = TypeVar("_Row")
Columns = Mapping[str, Callable[[_Row], Any]]

ISSUERS: Columns[IssuerSummary] = {
    "did": lambda row: row.did,
    "legal_name": lambda row: row.legal_name,
    "country": lambda row: row.country,
    "state": lambda row: row.state,
    "admitted_at": lambda row: row.admitted_at,
    "accredited_by": lambda row: row.accreditation and row.accreditation.body,
    "accreditation_url": lambda row: row.accreditation and row.accreditation.url,
    "accredited_until": lambda row: row.accreditation and row.accreditation.until,
    "answers_now": lambda row: row.answers_now,
    "credential_count": lambda row: row.credential_count,
    "ects_hundredths": lambda row: row.ects_hundredths,
    "ects": lambda row: ects_text(row.ects_hundredths),
    "stack_count": lambda row: row.stack_count,
    "recognition_count": lambda row: row.recognition_count,
}


def _count(name: str) -> Callable[[AwardedAchievement], Any]:
    return lambda row: getattr(row.counts, name)


AWARDS: Columns[AwardedAchievement] = {
    "achievement": lambda row: row.achievement,
    "title": lambda row: title_text(row.title),
    "issuer": lambda row: row.issuer,
    "issuer_name": lambda row: row.issuer_name,
    **{name: _count(name) for name in ActCounts.__struct_fields__},
    "ects_hundredths_min": lambda row: row.ects_hundredths_min,
    "ects_min": lambda row: ects_text(row.ects_hundredths_min),
    "ects_hundredths_max": lambda row: row.ects_hundredths_max,
    "ects_max": lambda row: ects_text(row.ects_hundredths_max),
    "eqf_levels": lambda row: " ".join(map(str, row.eqf_levels)),
    "first_at": lambda row: row.first_at,
    "last_at": lambda row: row.last_at,
}
RECOGNITIONS: Columns[RecognisedAchievement] = {
    "recogniser": lambda row: row.recogniser,
    "recogniser_name": lambda row: row.recogniser_name,
    "achievement": lambda row: row.achievement,
    "title": lambda row: title_text(row.title),
    "issuer": lambda row: row.issuer,
    "issuer_name": lambda row: row.issuer_name,
    "recognition_count": lambda row: row.recognition_count,
    "withdrawal_count": lambda row: row.withdrawal_count,
    "ects_hundredths": lambda row: row.ects_hundredths,
    "ects": lambda row: ects_text(row.ects_hundredths),
}


def title_text(title: Texts | None) -> str | None:
    """Return a title in English where there is one, else in the first language that there is."""
    if not title:
        return None
    english = (text for tag, text in title.items() if tag.partition("-")[0].lower() == "en")
    return next(english, None) or next(iter(title.values()))


def csv_bytes(columns: Columns[_Row], rows: Iterable[_Row]) -> bytes:
    """Return rows under a header; what is not stated is empty, and no text is taken for a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_cell(value(row)) for value in columns.values())
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return inert(value) if isinstance(value, str) else value
