"""What a follower keeps, hands over and says: records and the protocol of its sink. Knows no HTTP and no database."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import msgspec

from proto.envelope import Opened
from proto.events import GROUP_MAX, Predecessor
from proto.ids import EventId, LeafIndex, TreeSize
from proto.lifecycle import Book, Stamp
from proto.log.merkle import EMPTY_ROOT, Frontier, Hash
from proto.moment import Moment
from proto.problem import Problem, UnavailableProblem
from proto.subjects import BATCH_IDS_MAX, ENTRY_BYTES_PER_ID

CHUNK_BYTES_MAX = (BATCH_IDS_MAX - GROUP_MAX) * ENTRY_BYTES_PER_ID
"""About 1.4 MB. The entry that passes it is a chunk's last, so that it is about at most `BATCH_IDS_MAX` ids."""
FollowerState = Literal["healthy", "stale", "faulty", "unknown_rules", "clock_behind"]
FaultKind = Literal[
    "fork", "altered", "checkpoint", "entry", "chain", "order", "signature", "rule", "time", "registrar"
]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far a projection has come. All of it was proven; the size may lie between two checkpoints while catching up.

    `root_hash` is the root of the first `size` entries, proven to be a prefix of the tree of `checkpoint` (the signed
    note that was verified last; at least as large). `fetched_at` is when the log last showed a checkpoint that this
    projection had caught up with, `witnessed_at` the newest time by which the witness quorum had cosigned that one.
    """

    size: TreeSize = TreeSize(0)
    root_hash: Hash = EMPTY_ROOT
    frontier: tuple[Hash, ...] = ()
    last_leaf_hash: bytes = b""
    last_received_at: Moment | None = None
    checkpoint: bytes = b""
    fetched_at: Moment | None = None
    witnessed_at: Moment | None = None
    seen_at: Moment | None = None
    """When the log had said that it holds no more than `seen_size` entries, published or not; by our own clock."""
    seen_size: TreeSize = TreeSize(0)
    inherited: Predecessor | None = None
    """For a log that continues another: the end of that one, whose final state the projection began with."""

    def tree(self) -> Frontier:
        """Return the frontier of the tree so far; raises `InvalidProblem` if it does not fit the size."""
        return Frontier(size=self.size, hashes=self.frontier)


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """One entry that was proven, judged and evolved into the book: what a sink stores of it."""

    index: LeafIndex
    entry_bytes: bytes
    leaf_hash: Hash
    opened: Opened
    stamp: Stamp


class Sink(Protocol):
    """The follower's database. All are called by one task only, in turn, never concurrently."""

    async def position(self) -> Position | None:
        """Return the position stored last, or None for a projection that has not begun."""

    async def load(self, book: Book, batch: Sequence[Opened]) -> None:
        """Load into the book all that `proto.lifecycle.needs` asks for, until it asks for nothing."""

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        """Store what changed in the book, the entries' events and the position, in one transaction.

        `applied` may be empty: then only the position moved (a fresher checkpoint of the same size).
        """

    async def begins_with(self, event_ids: Sequence[EventId]) -> bool:
        """Tell whether one of these events is entry 0 of the log, of which something was applied."""


class EntryProof(msgspec.Struct, frozen=True, kw_only=True):
    """That an entry stands at `index` in the tree of `size` entries and `root_hash`, and that it is a part of a later.

    `inclusion` leads from the entry to that root (RFC 9162 section 2.1.3), `consistency` from there to the tree of the
    newest of the evidence's checkpoints; both are made from the follower's own tree.
    """

    index: LeafIndex
    entry: bytes
    size: TreeSize
    root_hash: Hash
    inclusion: tuple[Hash, ...]
    consistency: tuple[Hash, ...]


class LogEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Why a log is held to be faulty, so that others can check it.

    `is_conclusive` means that what is shown was signed by the log itself, so that no retry can heal it: two checkpoints
    that contradict each other, or an entry under a signed checkpoint that breaks a rule. Otherwise it may be a fault on
    the way, and the follower tries again.
    """

    kind: FaultKind
    detail: str
    found_at: Moment
    is_conclusive: bool
    index: LeafIndex | None = None
    entry: bytes | None = None
    checkpoints: tuple[bytes, ...] = ()
    proof: EntryProof | None = None
    """That the log signed `entry`."""
    previous: EntryProof | None = None
    """The same of the entry before it."""
    public_key: bytes | None = None
    """Of a bad signature: the 32 bytes of the key under which it does not verify."""
    roots: tuple[Hash, ...] = ()
    """Of a fork: the root that our own tree had at the smaller checkpoint's size, and its proof to the larger."""

    def log_values(self) -> dict[str, Any]:
        """Return what a service writes into its own log of it: entry and checkpoints as text."""
        return {
            "kind": self.kind,
            "detail": self.detail,
            "conclusive": self.is_conclusive,
            "index": self.index,
            "entry": self.entry.decode("utf-8", "replace") if self.entry else None,
            "checkpoints": [note.decode("utf-8", "replace") for note in self.checkpoints],
        }


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How far the follower can be relied on now.

    `age_seconds` is the age of what is known: without a witness policy, of the last fetch that found the projection
    caught up (the log's word); with one, of the newest time by which the quorum had cosigned. None: never caught up.
    """

    state: FollowerState
    detail: str
    age_seconds: float | None
    time: Moment | None
    time_source: Literal["witnesses", "log"]
    evidence: LogEvidence | None = None
    shown_at: Moment | None = None
    """The newest time that the log or its witnesses have shown: it is not earlier now, whatever our clock says."""
    behind_seconds: float = 0.0
    """How far our clock is behind that time; 0 where it is not."""
    is_pinned: bool = False
    """Whether the log's beginning was held against a pin."""
    is_imported: bool = False
    """Whether the projection began with somebody's snapshot, and was not yet derived again from the log."""


class FaultyLogProblem(Problem):
    """The log does not hold what it must; nothing of it was applied beyond what was proven."""

    slug = "log-faulty"
    title = "The log is faulty"
    status = 502

    def __init__(self, evidence: LogEvidence) -> None:
        super().__init__(evidence.detail)
        self.evidence = evidence


class ClockBehindProblem(Problem):
    """The log shows a time that our clock has not reached: one of the two is wrong, and nothing is applied from there.

    `shown_at` is that time.
    """

    slug = "clock-behind"
    title = "The log shows times that are still to come"
    status = 503

    def __init__(self, detail: str, *, shown_at: Moment) -> None:
        super().__init__(detail)
        self.shown_at = shown_at


class SinkUnavailableProblem(UnavailableProblem):
    """The sink cannot read or store now; nothing was applied by halves, and the same step may succeed later."""

    slug = "sink-unavailable"
    title = "What is followed cannot be stored now"


class SinkMovedProblem(SinkUnavailableProblem):
    """Another process has followed the same log into the same sink meanwhile; nothing was applied.

    What was loaded may be of before or after, so nothing that was decided by it counts, least of all a fault.
    """

    slug = "sink-moved"
    title = "Another process has followed the log further"


class ForeignPositionProblem(Problem):
    """The projection was made from another log, or its stored position is damaged; it must not be continued."""

    slug = "foreign-position"
    title = "The projection does not belong to this log"
    status = 500


class FollowBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much at once, how long, how often. A chunk is one request and one transaction of the sink."""

    chunk_entries_max: int = 1000
    chunk_bytes_max: int = CHUNK_BYTES_MAX
    """More is not taken at once, whatever is said here."""
    poll_seconds: float = 10.0
    freshness_seconds_max: float = 60.0
    backoff_seconds_max: float = 15.0
    remember_seconds: float = 15.0
    """How often at most the time of the last fetch is stored while the log is idle."""
    publish_delay_seconds: float = 300.0
    """How long after an entry's time it may be missing from what the log says it holds: slow commits, clocks apart."""
    signature_threads: int = 2
    signature_processes: int = 0
    """Run while many entries are to be caught up with; threads check before they are there, and without them."""
    processes_from_entries: int = 4_000
    """Fewer entries than this are not worth starting processes for."""


class Observer:
    """Is told what a follower does: for log lines, metrics and keeping evidence. This one does nothing."""

    def advanced(self, position: Position, entry_count: int, seconds: float) -> None:
        """Entries were applied, in so many seconds since the step began."""

    def troubled(self, problem: Problem) -> None:
        """A step failed, and will be tried again."""

    def settled(self) -> None:
        """A step went well: whatever troubled before is over."""

    async def unproven(self, notes: tuple[bytes, ...]) -> None:
        """These are the checkpoints that the log signed and did not show to be of one history: to be kept durably."""

    async def faulted(self, evidence: LogEvidence) -> None:
        """The log was found to be faulty."""

    async def convicted(self, evidence: LogEvidence) -> None:
        """This shows everybody that the log is faulty: to be kept durably. Asked again where it raises."""
