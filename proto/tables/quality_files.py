"""Files of a quality register as a person downloads them, CSV or JSON, read report by report. Knows no verifier.

Columns, or members of each object: report_id (or id); agency (or agency_name, agency_acronym); institutions (or
institution, institution_name), several divided by semicolons; programme (or name); decision; status; valid_from;
valid_to (or valid_until). All but the first may be missing, others are passed over. JSON is a list of objects, or an
object with such a list as `results`; agency and institutions may be objects with a name.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.problem import MalformedProblem
from proto.quality_register import REPORTS_MAX, QualityReport

_TEXT_MAX = 300
_INSTITUTIONS_MAX = 32
_NUMBER_DIGITS_MAX = 9
_NAMES: Mapping[str, tuple[str, ...]] = {
    "report": ("report_id", "id"),
    "agency": ("agency", "agency_name", "agency_acronym"),
    "institutions": ("institutions", "institution", "institution_name"),
    "programme": ("programme", "name"),
    "decision": ("decision",),
    "status": ("status",),
    "valid_from": ("valid_from",),
    "valid_until": ("valid_to", "valid_until"),
}
_INSIDE = ("name", "name_primary", "name_english", "acronym_primary", "decision", "status")
_DAY_CHARACTERS = 10


class QualityFileProblem(MalformedProblem):
    """The file is no list of reports; the detail names the line or the place in the list."""

    slug = "malformed-quality-register"
    title = "This is no list of quality reports"


def read_reports(content: bytes) -> tuple[QualityReport, ...]:
    """Return the reports in a CSV or JSON file; raises `QualityFileProblem`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise QualityFileProblem("The file is not UTF-8: save it as CSV UTF-8, or as JSON") from error
    rows = _objects(text) if text.lstrip()[:1] in {"[", "{"} else _rows(text)
    found: dict[int, QualityReport] = {}
    for place, row in rows:
        report = _report(place, row)
        found[report.report] = report
        if len(found) > REPORTS_MAX:
            raise QualityFileProblem(f"The file has more than {REPORTS_MAX} reports: leave out those that are over")
    if not found:
        raise QualityFileProblem("The file has no report")
    return tuple(found.values())


def _objects(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        decoded = msgspec.json.decode(text)
    except DECODE_ERRORS as error:
        raise QualityFileProblem("The file begins like JSON, and is none") from error
    items = decoded.get("results") if isinstance(decoded, dict) else decoded
    if not isinstance(items, list):
        raise QualityFileProblem("The JSON is no list of reports, and has none as `results`")
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            raise QualityFileProblem(f"Report {number} of the list is no object")
        yield f"Report {number} of the list", item


def _rows(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        if not any(name in header for name in _NAMES["report"]):
            raise QualityFileProblem("The first line names no column report_id, or id")
        reader.fieldnames = header
        for row in reader:
            yield f"Line {reader.line_num}", {name: value for name, value in row.items() if isinstance(name, str)}
    except csv.Error as error:
        raise QualityFileProblem(f"Line {reader.line_num} is no CSV") from error


def _report(place: str, row: Mapping[str, Any]) -> QualityReport:
    values = {field: next((row[name] for name in names if row.get(name)), "") for field, names in _NAMES.items()}
    number = str(values.pop("report")).strip()
    if not (number.isascii() and number.isdigit()) or len(number) > _NUMBER_DIGITS_MAX:
        raise QualityFileProblem(f"{place} has no number of a report in report_id")
    institutions = values.pop("institutions")
    named = institutions if isinstance(institutions, list) else _text(institutions).split(";")
    return QualityReport(
        report=int(number),
        institutions=tuple(_all(named))[:_INSTITUTIONS_MAX],
        **{
            name: _text(value)[: _DAY_CHARACTERS if name.startswith("valid_") else _TEXT_MAX]
            for name, value in values.items()
        },
    )


def _all(named: Iterable[Any]) -> Iterator[str]:
    for each in named:
        if text := _text(each):
            yield text


def _text(value: Any) -> str:
    """Return what stands in a cell, or as the name of an object."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in _INSIDE if isinstance(value.get(name), str)), "")
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return "".join(each for each in text if each.isprintable()).strip()[:_TEXT_MAX]
