"""Holds how a log begins against pins: when its opening is met, and what was replayed before a pin was set."""

from collections.abc import Sequence

from proto.ids import LeafIndex
from proto.lifecycle import Book
from proto.log.pin import Pin, is_pinned, openings_in, unmet
from proto.moment import Moment
from services.follow.interface import Applied, FaultyLogProblem, LogEvidence, Position, Sink


def check_opening(pins: Sequence[Pin], applied: Sequence[Applied], checkpoint: bytes, *, now: Moment) -> None:
    """Raise `FaultyLogProblem` where these entries begin a log, and as none of the pins says."""
    if not pins or not applied or applied[0].index != 0:
        return
    opened = applied[0].opened
    if not is_pinned(pins, opened.event.issuer, (opened.event_id,)):
        words = unmet(pins, opened.event.issuer, f"the event {opened.event_id}")
        raise _other(words, checkpoint, now=now, line=applied[0].entry_bytes)


async def check_begun(pins: Sequence[Pin], sink: Sink, stored: Position, *, now: Moment) -> None:
    """Raise `FaultyLogProblem` where the log that a projection holds begins as none of the pins says."""
    if not pins or not stored.size:
        return
    book = Book()
    await sink.load(book, [])
    registrar = book.opened_log().registrar
    if registrar not in pins and not await sink.begins_with(openings_in(pins)):
        raise _other(unmet(pins, registrar, "another entry 0 than is pinned"), stored.checkpoint, now=now)


def _other(words: str, checkpoint: bytes, *, now: Moment, line: bytes | None = None) -> FaultyLogProblem:
    """Return that a log is not the pinned one. It convinces only who has the same pin, and pins can be corrected."""
    return FaultyLogProblem(
        LogEvidence(
            kind="registrar",
            detail=words,
            found_at=now,
            is_conclusive=False,
            index=LeafIndex(0),
            entry=line,
            checkpoints=(checkpoint,),
        )
    )
