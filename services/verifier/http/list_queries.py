"""What is asked of a list: which rows, how many, from which on; and how a part of it is answered as JSON or CSV."""

from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.wire.verifier import LanguageQuery
from services.edge import Reply, decode_cursor, encode_cursor, etag_of
from services.edge.cursor import CURSOR_CHARACTERS_MAX
from services.verifier.answers.list_service import Slice
from services.verifier.http.csv_files import Columns, csv_bytes

REVALIDATE = {"Cache-Control": "public, no-cache"}
_Row = TypeVar("_Row")
_Key = TypeVar("_Key")
Cursor = Annotated[str, Meta(max_length=CURSOR_CHARACTERS_MAX, description="`next_cursor` of the part before")]
Limit = Annotated[int, Meta(ge=1, le=500, description="Rows at most")]
ROWS_DEFAULT = 50


class FileQuery(LanguageQuery, frozen=True, kw_only=True):
    """After which cursor a file goes on."""

    cursor: Cursor | None = None


def after_of(kind: str, cursor: str | None, of: type[_Key]) -> _Key | None:
    """Return the key after which a list of this kind goes on; raises `InvalidProblem` for what is no cursor of it."""
    return decode_cursor(kind, cursor, of) if cursor else None


def cursor_of(kind: str, found: Slice[Any]) -> str | None:
    """Return the cursor of what follows, or None at the end."""
    return encode_cursor(kind, found.more_after) if found.more_after is not None else None


def list_reply(request: web.Request, answer: Any, found: Slice[Any]) -> Reply:
    """Return a part of a list as JSON; its tag changes with the log and the question, not with every second."""
    return Reply(msgspec.json.encode(answer), etag=_etag(request, found), headers=REVALIDATE)


def csv_reply(request: web.Request, name: str, columns: Columns[_Row], found: Slice[_Row], cursor: str | None) -> Reply:
    """Return a part of a list as a file; a `Link` header names the next part, relative to this address."""
    headers = {
        **REVALIDATE,
        "Content-Disposition": f'attachment; filename="credentify-{name}.csv"',
        "X-Log-Size": str(found.as_of.size),
        "X-Log-Freshness": found.freshness.code,
    }
    headers |= next_link(request, cursor)
    return Reply(csv_bytes(columns, found.rows), etag=_etag(request, found), headers=headers)


def next_link(request: web.Request, cursor: str | None) -> dict[str, str]:
    """Return the header that names the next part of a list, relative to this address; none at the end."""
    if cursor is None:
        return {}
    query = {**{name: value for name, value in request.query.items() if name != "cursor"}, "cursor": cursor}
    return {"Link": f'<?{urlencode(query)}>; rel="next"'}


def _etag(request: web.Request, found: Slice[Any]) -> str:
    stands = found.as_of.root_hash, found.freshness.code
    return etag_of(msgspec.json.encode((*stands, request.path_qs)))
