"""The log in figures: its growth, who vouches for its newest checkpoint, what was said last. Pure, over one snapshot.

Nothing is asked of anybody: witnesses are those whose cosignatures the checkpoint carries or the policy names, and each
is checked here by its key, or said not to be.
"""

from collections.abc import Iterator, Sequence

import msgspec

from proto.ids import Origin, TreeSize
from proto.lifecycle import Book
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.note_key import VerifierKey
from proto.log.policy import NO_QUORUM, Policy
from proto.moment import Moment, from_ms, to_ms
from proto.problem import Problem
from proto.wire.register import ComparedFacts, DayCount, LogAnswer, WitnessFacts
from proto.wire.verifier import AsOf, Check
from services.clients.catalogue_client import shown_address
from services.verifier.answers.entries import described
from services.verifier.answers.questions import TimedQuestion
from services.verifier.answers.register import Register
from services.verifier.languages import Language
from services.verifier.projection.comparisons import Compared
from services.verifier.projection.reader import ReadTransaction

DAYS_MAX = 400
NEWEST_SHOWN = 25
_MS = 1000


class WatchedLog(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings say of the log: its key, the witness policy, and with whom it is compared."""

    key: VerifierKey
    policy: Policy | None
    compare_with: tuple[str, ...] = ()


def log_summary(
    transaction: ReadTransaction,
    watched: WatchedLog,
    language: Language,
    *,
    question: TimedQuestion,
    as_of: AsOf,
    fresh: Check,
) -> LogAnswer:
    """Return the log in figures and words."""
    lists, book = transaction.lists, Book()
    transaction.load_log(book)
    opened = _opened(transaction.position.checkpoint, watched)
    register = Register(transaction, is_certain=fresh.result == "valid")
    policy = watched.policy
    is_witnessed = policy is not None and policy.quorum != NO_QUORUM
    quorum_at = policy.quorum_at(opened.cosigned_at) if policy and is_witnessed and opened else None
    days = _days(lists.growth(days_max=DAYS_MAX), transaction.position.size)
    return LogAnswer(
        origin=as_of.origin,
        log_key=watched.key.text,
        registrar=book.log.registrar if book.log else None,
        predecessor=_predecessor(book),
        opened_at=book.log.rules[0].stamp.received_at if book.log else None,
        checkpoint_size=opened.checkpoint.size if opened else None,
        kinds=lists.kinds(),
        days=days,
        is_witnessed=is_witnessed,
        quorum_at=None if quorum_at is None else from_ms(quorum_at * _MS),
        witnesses=tuple(_witnesses(opened, policy, question.now)),
        compared=_compared(watched.compare_with, transaction.comparisons()),
        newest=tuple(described(entry, register, language) for entry in lists.newest(limit=NEWEST_SHOWN)),
        as_of=as_of,
        freshness=fresh,
    )


def _opened(note: bytes, watched: WatchedLog) -> OpenedCheckpoint | None:
    """Return the checkpoint that is known, its signatures checked once more; None before there is one."""
    if not note:
        return None
    witnesses = watched.policy.witness_keys if watched.policy else ()
    try:
        return open_checkpoint(note, watched.key, witnesses)
    except Problem as problem:
        raise msgspec.DecodeError(f"the stored checkpoint is damaged: {problem.detail}") from problem


def _predecessor(book: Book) -> Origin | None:
    return book.log.predecessor.origin if book.log and book.log.predecessor else None


def _days(growth: Sequence[tuple[str, int]], size: int) -> tuple[DayCount, ...]:
    """Return the days with the size that the log had at the end of each, counted back from its size now."""
    days = list[DayCount]()
    for day, entries in reversed(growth):
        days.append(DayCount(day=day, entries=entries, size=TreeSize(size)))
        size -= entries
    return tuple(reversed(days))


def _witnesses(opened: OpenedCheckpoint | None, policy: Policy | None, now: Moment) -> Iterator[WitnessFacts]:
    """Yield those of the policy, whether they cosigned or not, then the names of others that the checkpoint carries."""
    known = policy.witnesses if policy else ()
    for witness in known:
        at = opened.cosigned_at.get(witness.key) if opened else None
        moment = None if at is None else from_ms(at * _MS)
        lag = None if moment is None else max(0.0, (to_ms(now) - to_ms(moment)) / _MS)
        yield WitnessFacts(name=witness.key.name, is_known=True, cosigned_at=moment, lag_seconds=lag)
    keys = [witness.key for witness in known]
    for line in opened.note.signatures if opened else ():
        if line.name != (opened.checkpoint.origin if opened else "") and not any(line.is_by(key) for key in keys):
            yield WitnessFacts(name=line.name, is_known=False)


def _compared(addresses: Sequence[str], found: dict[str, Compared]) -> tuple[ComparedFacts, ...]:
    """Return what the comparison with each address of the settings found last."""
    return tuple(
        ComparedFacts(
            address=shown_address(address),
            state=found[address].state if address in found else "not_yet",
            size=found[address].size if address in found else None,
            compared_at=found[address].at if address in found else None,
        )
        for address in addresses
    )
