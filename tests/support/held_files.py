"""A projection's file that cannot be written for a while: somebody else holds it, or its disk is full."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from services.verifier.projection.store import Store
from services.verifier.projection.troubles import FullDiskProblem

_T = TypeVar("_T")


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the file's write lock, as a database tool does."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class OnceFullStore(Store):
    """A projection whose disk is full at one piece of work of its writer: the one of number `full_at`, from 0."""

    full_at = -1
    count = 0

    async def _write(self, work: Callable[[], _T]) -> _T:
        number, self.count = self.count, self.count + 1
        if number == self.full_at:
            raise FullDiskProblem("There is no room for the records: make room on the disk")
        return await super()._write(work)
