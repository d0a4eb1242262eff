"""Who keeps something that was made of the records, and has to hear when they change. Knows no SQL and no cache."""

from typing import Protocol

from proto.lifecycle import Book
from services.follow import Position


class ProjectionListener(Protocol):
    """Hears of each change of the records once its transaction is over, on the event loop of whoever writes."""

    def on_applied(self, book: Book, position: Position) -> None:
        """Hear that the changes of `book` are stored, and led from the position heard of last to this one."""

    def on_replaced(self, position: Position | None) -> None:
        """Hear that anything may have changed; None: only the file knows what is stored."""


class NoListener:
    """Keeps nothing, so nothing has to be told."""

    def on_applied(self, book: Book, position: Position) -> None:
        """Do nothing."""

    def on_replaced(self, position: Position | None) -> None:
        """Do nothing."""
