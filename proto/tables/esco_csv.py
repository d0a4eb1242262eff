"""Skills as ESCO's own CSV downloads list them (`skills_en.csv`), record by record. Knows no database.

Columns (ESCO dataset 1.x): conceptUri, skillType, preferredLabel, altLabels (one a line), description; others, which
differ between versions, are passed over.
"""

import csv
import io
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.documents.vocabulary import is_esco
from proto.events import Record
from proto.fold import fold
from proto.problem import MalformedProblem
from proto.tables.records import FileRecord

COLUMNS = ("conceptUri", "skillType", "preferredLabel", "altLabels", "description")


class EscoCsvProblem(MalformedProblem):
    """The file is not ESCO's list of skills; the detail names the line."""

    slug = "malformed-esco"
    title = "This is not ESCO's list of skills"


class EscoSkill(Record, frozen=True, kw_only=True):
    """One skill or knowledge of ESCO in one language; `alternatives` are other labels of it."""

    uri: str
    type: str
    label: Annotated[str, Meta(max_length=1_000)]
    alternatives: tuple[str, ...] = ()
    description: str = ""

    @property
    def search_text(self) -> str:
        """What is searched: all labels without case and accents, each on a line of its own."""
        return "\n".join(map(fold, [self.label, *self.alternatives]))


def read_header(record: FileRecord) -> tuple[str, ...]:
    """Return the names of the columns; raises `EscoCsvProblem` where one that is needed is missing."""
    header = tuple(name.strip() for name in _cells(record))
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise EscoCsvProblem(f"Columns are missing: {', '.join(missing)}")
    return header


def read_skill(header: Sequence[str], record: FileRecord) -> EscoSkill | None:
    """Return the skill of one record, or None for one of another's: lists are passed on with additions.

    Raises `EscoCsvProblem` for what has not the form of such a list.
    """
    cells = _cells(record)
    if len(cells) != len(header):
        raise EscoCsvProblem(f"Line {record.line} has {len(cells)} cells, the header {len(header)}")
    named = dict(zip(header, cells, strict=True))
    uri, label = named["conceptUri"].strip(), named["preferredLabel"].strip()
    if not uri or not label:
        raise EscoCsvProblem(f"Line {record.line} has no URI, or no label")
    if not is_esco(uri):
        return None
    others = (line.strip() for line in named["altLabels"].splitlines())
    return msgspec.convert(
        {
            "uri": uri,
            "type": named["skillType"].strip(),
            "label": label,
            "alternatives": tuple(dict.fromkeys(each for each in others if each and each != label)),
            "description": named["description"].strip(),
        },
        EscoSkill,
    )


def _cells(record: FileRecord) -> list[str]:
    try:
        (cells,) = csv.reader(io.StringIO(record.content.decode("utf-8"), newline=""), strict=True)
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise EscoCsvProblem(f"Line {record.line} is not CSV in UTF-8: {error}") from error
    return cells
