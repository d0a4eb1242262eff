"""How lists of awards and changes are sent and asked for: media types and parameters. Answers nothing."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.credential import Award
from proto.documents.fields import OnRepeatField
from proto.tables.changes_csv import ChangeRow
from proto.tables.day_order import DayOrder
from proto.tables.dialect import Encoding
from proto.wire.batches import BATCH_ROWS_MAX
from proto.wire.id_fields import BatchIdField
from services.edge.media_type import media_type_of
from services.issuer_gateway.batches import batch_upload
from services.issuer_gateway.batches.table import CSV, Written
from services.issuer_gateway.batches.workbooks.workbook import XLSX

_LINE_MEDIA = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_WINDOWS_1252 = frozenset({"windows-1252", "cp1252", "iso-8859-1", "latin-1", "latin1"})
"""Names under which Windows-1252 goes, too (WHATWG Encoding 4.2)."""
_AwardList = Annotated[list[Award], Meta(min_length=1, max_length=BATCH_ROWS_MAX)]
AWARD_SHAPES = {CSV: str, XLSX: bytes, **dict.fromkeys(_LINE_MEDIA, Award), batch_upload.JSON_LIST: _AwardList}
"""What a list of awards is, by media type."""
CHANGE_SHAPES = {CSV: str, XLSX: bytes, **dict.fromkeys(_LINE_MEDIA, ChangeRow)}


class BatchPath(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch by its id."""

    batch_id: BatchIdField


class TableQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a table is written, where that does not show."""

    encoding: Annotated[Encoding, Meta(description="Of CSV, where it is not UTF-8")] | None = None
    dates: Annotated[
        DayOrder,
        Meta(
            description="In which order days such as 01.10.2026 are written; asked for where no column shows it: `dmy` "
            "is day, month, year, `mdy` month, day, year"
        ),
    ] | (None) = None

    def written(self, request: web.Request) -> Written:
        """Return how a request's body is written; what the query does not say, its Content-Type may."""
        return Written(media_type=media_type_of(request), encoding=self.encoding or _charset(request), dates=self.dates)


def _charset(request: web.Request) -> Encoding | None:
    charset = (request.charset or "").lower()
    return "windows-1252" if charset in _WINDOWS_1252 else "utf-8" if charset in {"utf-8", "utf8"} else None


class BatchQuery(TableQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether only to check."""

    dry_run: Annotated[bool, Meta(description="Check every row and issue nothing")] = False


class AwardsQuery(BatchQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether only to check, and what rows mean that do not say it themselves."""

    on_repeat: OnRepeatField | None = None


class RowsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows of a batch."""

    after: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Only rows behind this line")] = 0
    limit: Annotated[int, Meta(ge=1, le=1_000_000, description="Rows at most")] = 1_000_000
