"""The states that a check recomputes, on disk: a log may be larger than memory. A temporary file, gone afterwards."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from proto.envelope import Opened
from proto.lifecycle import Book, Life, Needs, SharedPlace, needs
from proto.problem import UnavailableProblem
from services.persistence import sqlite_states
from services.persistence.sqlite_records import SQLITE_ERRORS

ISSUERS_REMEMBERED_MAX = 20_000
_COUNTS = {
    "issuer": "SELECT count(*) FROM issuer",
    "credential_state": "SELECT count(*) FROM credential",
    "shared_lives": "SELECT count(*) FROM shared_lives",
    "recognition": "SELECT count(*) FROM recognition",
    "public_key": "SELECT count(*) FROM public_key",
    "statement": "SELECT count(*) FROM statement",
    "statement_group": "SELECT count(*) FROM statement_group",
}
"""By the ledger's names of its tables."""
_SETTINGS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA cache_size = -65536;
"""


class CheckSpaceProblem(UnavailableProblem):
    """What a check recomputes could not be put aside."""

    slug = "check-space"
    title = "The check needs room for a temporary file"


class ReplayedStates:
    """All states that the entries so far lead to; close it when done."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="credentify-fsck-")
        with self._words(), contextlib.ExitStack() as unless_opened:
            unless_opened.callback(self._folder.cleanup)
            self._connection = sqlite3.connect(Path(self._folder.name) / "states.sqlite", isolation_level=None)
            unless_opened.callback(self._connection.close)
            self._connection.executescript(_SETTINGS + sqlite_states.SCHEMA)
            unless_opened.pop_all()

    def close(self) -> None:
        """Remove the file."""
        self._connection.close()
        self._folder.cleanup()

    def next_book(self, before: Book) -> Book:
        """Return a book for the entries that come next, after saving what changed in the one before."""
        self.save(before)
        book = Book.of_the_next_batch(before)
        if len(book.issuers) > ISSUERS_REMEMBERED_MAX:
            book = Book()
            book.log = before.log
        return book

    def load_for(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load all that deciding these events reads and the book lacks."""
        with self._words():
            sqlite_states.load_until_complete(self._connection, book, lambda: needs(book, batch))

    def found(self, wanted: Needs) -> Book:
        """Return a book with the log's state and what is wanted; None under names that no entry gives."""
        book = Book()
        with self._words():
            sqlite_states.load_log(self._connection, book)
            sqlite_states.load(self._connection, book, wanted)
        return book

    def shared_lives(self, places: Sequence[SharedPlace]) -> dict[SharedPlace, tuple[Life, ...]]:
        """Return what the entries gave several credentials together, by its places."""
        with self._words():
            return sqlite_states.shared_lives(self._connection, places)

    def count(self, table: str) -> int:
        """Return how many states there are; `table` as the ledger calls it."""
        with self._words():
            return int(self._connection.execute(_COUNTS[table]).fetchone()[0])

    def save(self, book: Book) -> None:
        """Write what changed in the book, and forget that it did."""
        with self._words():
            self._connection.execute("BEGIN")
            sqlite_states.save(self._connection, book)
            self._connection.execute("COMMIT")
        book.forget_changes()

    @contextlib.contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except SQLITE_ERRORS as error:
            raise CheckSpaceProblem(
                f"{self._folder.name} cannot be used: {error}. Make room there, or name another folder in TMPDIR"
            ) from error
