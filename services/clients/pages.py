"""Lists that come page by page, read to their end; one that has none is refused. Knows no route and keeps nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

from proto.problem import MalformedProblem

PAGES_MAX = 100_000
"""Of a gateway's own institution, whose list of credentials is the longest."""


class Page(Protocol):
    """A page of any list; `next_cursor` asks for the one behind it, None behind the last."""

    @property
    def next_cursor(self) -> str | None:
        """Where the list goes on."""
        ...


_Page = TypeVar("_Page", bound=Page)


async def every_page(
    ask: Callable[[str | None], Awaitable[_Page]], *, pages_max: int = PAGES_MAX
) -> AsyncIterator[_Page]:
    """Yield what `ask` returns for each cursor, from None on; raises `MalformedProblem` for a list without an end."""
    cursor: str | None = None
    for _ in range(pages_max):
        page = await ask(cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
    raise MalformedProblem(f"The list has more than {pages_max} pages, and no end is in sight: tell who answers it")


def page_query(cursor: str | None, limit: int | None) -> dict[str, str]:
    """Return the query that asks for a page behind a cursor, of so many rows; what is None is not said."""
    asked = {"cursor": cursor, "limit": str(limit) if limit is not None else None}
    return {name: value for name, value in asked.items() if value is not None}
