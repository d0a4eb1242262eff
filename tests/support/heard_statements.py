"""What a service asks of PostgreSQL, by the request for which it asks, statement by statement. Changes nothing."""

from collections import defaultdict
from typing import Any

import asyncpg
import pytest

from services import call_context
from services.persistence import postgres
from services.persistence.postgres_session import Session, open_session

BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
"""What every transaction says; it is no question."""


class HeardStatements:
    """Hears every session that is opened from now on; a request has the id of its answer's `X-Request-ID`."""

    def __init__(self) -> None:
        self._by_request: dict[str | None, list[str]] = defaultdict(list)

    def of(self, request_id: str) -> list[str]:
        """Return the statements that were made for a request, in order, each on one line."""
        return self._by_request[request_id]

    def count(self, text: str) -> int:
        """Return how many statements were made, for whomever, that hold a text."""
        return sum(text in statement for said in self._by_request.values() for statement in said)

    def _hear(self, heard: asyncpg.connection.LoggedQuery) -> None:
        """Take down a statement; the driver calls in the context of whoever made it."""
        statement = " ".join(heard.query.split())
        if not statement.startswith(BOUNDS):
            self._by_request[call_context.current().request_id].append(statement)

    async def open(self, url: str, **settings: Any) -> Session:
        """Open a session that is heard."""
        session = await open_session(url, **settings)
        session.add_query_logger(self._hear)
        return session


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> HeardStatements:
    """All that services ask that start after this."""
    statements = HeardStatements()
    monkeypatch.setattr(postgres, "open_session", statements.open)
    return statements
