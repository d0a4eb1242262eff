"""Signs committed trees and publishes them: exactly one process at a time, held by a lock of the database session.

Protects what gets signed beyond all else: entries are read back and hashed again, and the tree grown from them must be
the committed one, before the key is used (DESIGN 5.5). Regress and forks are fatal; everything else is tried again.
What is signed is published once the witnesses' quorum has cosigned it; until then the last cosigned one stays.
"""

import asyncio
import contextlib
import math
import time

from proto.ids import TreeSize
from proto.log.checkpoint import OpenedCheckpoint
from proto.log.merkle import Hash, leaf_hash
from proto.log.tile import TILE_WIDTH, TileId
from proto.log.tile_edge import TileEdge, grow
from proto.log.tile_proof import edge_of_tiles, frontier_of_tiles, tiles_for_root
from proto.problem import UnavailableProblem
from services.edge.log import Log
from services.ledger import store
from services.ledger.metrics import PublishingMetrics
from services.ledger.publishing.database_identity import (
    DatabaseIdentity,
    OlderTimelineProblem,
    TimelineMemory,
    database_identity,
)
from services.ledger.publishing.publication import Publication
from services.ledger.signer import InconsistentTreeError, Signer, SignerMemoryFault, refuse_regress
from services.ledger.store import StoredCheckpoint
from services.ledger.witnesses.cosigning import Witnesses
from services.operator_fault import OperatorFault
from services.persistence import postgres
from services.persistence.leader_watch import LeaderWatch
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import DATABASE_ERRORS, DatabaseUnavailableProblem, NotConfirmedProblem
from services.persistence.postgres_session import PoolLimits, Session, assert_holds

READ_BACK_ENTRIES = 1_024
RETRY_SECONDS = 0.5
_PASSING = (*DATABASE_ERRORS, UnavailableProblem)


class SecondSignerFault(OperatorFault):
    """Another process holds the signer's lock."""

    title = "Another process signs this log"


class Publisher:
    """Publishes every `interval_ms` while the log grows, and at least every `idle_interval_ms`."""

    def __init__(
        self,
        database_url: str,
        *,
        limits: PoolLimits,
        signer: Signer,
        publication: Publication,
        interval_ms: int,
        idle_interval_ms: int,
        lock_wait_ms: int,
        metrics: PublishingMetrics,
        log: Log,
        witnesses: Witnesses,
        watch: LeaderWatch | None = None,
    ) -> None:
        self._database_url = database_url
        self._watch = watch
        self._limits = limits
        self._signer = signer
        self._publication = publication
        self._interval_seconds = interval_ms / 1000
        self._idle_interval_seconds = idle_interval_ms / 1000
        self._lock_wait_seconds = lock_wait_ms / 1000
        self._metrics = metrics
        self._log = log
        self._witnesses = witnesses
        self._grown = asyncio.Event()
        self._last: OpenedCheckpoint | None = None
        self._identity: DatabaseIdentity | None = None
        self._timelines = TimelineMemory(signer.path.parent)
        self._edge = TileEdge()
        self._published_at = -math.inf
        self._is_confirmed = False
        """Whether the last signed checkpoint is published, cosigned by the quorum since this process knows it."""

    def hint(self) -> None:
        """Say that the log has grown, so that it is published sooner than the next look."""
        self._grown.set()

    async def run(self, started: asyncio.Event) -> None:
        """Sign and publish for ever; `started` is set once the first checkpoint is out.

        Raises `SecondSignerFault`, `SignerMemoryFault`, `InconsistentTreeError`, and `SharedSessionFault` where a
        pooler gives its session to others; after a loss of the database all checks of the start are made again.
        """
        while True:
            try:
                async with postgres.connected(
                    self._database_url,
                    application_name="credentify-publisher",
                    limits=self._limits,
                    watch=self._watch,
                ) as connection:
                    await self._lock(connection)
                    await self._recover(connection)
                    started.set()
                    await self._publish_for_ever(connection)
            except _PASSING as error:
                if isinstance(error, OlderTimelineProblem) and not started.is_set():
                    raise
                self._log.failure("publisher_lost_database", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _lock(self, connection: Connection) -> None:
        """Hold the signer's lock; wait a little for the session of a process that was killed."""
        deadline = time.monotonic() + self._lock_wait_seconds
        while not await store.try_signer_lock(connection):
            if time.monotonic() > deadline:
                raise SecondSignerFault(
                    "Another process holds the signer's lock of this database. Stop it, or run this one without a log "
                    "key: it will then sequence and serve, and sign nothing"
                )
            await asyncio.sleep(RETRY_SECONDS)

    async def _recover(self, connection: Session) -> None:
        """Bring memory, database and what was signed together, from scratch: at start-up and after each reconnect.

        (0) The session is still ours, and the database a durable primary of no older timeline; (1) the last signed
        checkpoint is on disk; (2) the database still holds that tree; (3) no witness can show that more was signed; (4)
        the right edge is read for its size; (5) the quorum cosigns it once more, and it is published. Nothing new is
        signed before that: a quorum that knows more than we do would not. Meanwhile, and while no standby confirms,
        what was published last is served.
        """
        await assert_holds(connection, store.SIGNER_LOCK)
        await self._look_at_database(connection)  # (0)
        last = await asyncio.to_thread(self._signer.last)  # (1)
        stored = await store.last_checkpoint(connection)
        if last is None:
            raise SignerMemoryFault(
                f"{self._signer.path} is missing, so nobody knows what this log has signed. Put the newest checkpoint "
                "that any follower or witness has into its place (RUNBOOK.md: signer-memory)"
            )
        size, root = last.checkpoint.size, last.checkpoint.root_hash
        head = await store.head(connection)
        refuse_regress(last, head.size if head else 0, head.root_hash if head else Hash(b""))  # (2)
        if stored is not None:
            refuse_later(stored, size, root)
        tiles = await store.tiles(connection, tiles_for_root(size))
        if frontier_of_tiles(size, tiles).root() != root:
            raise InconsistentTreeError(f"The stored tiles do not lead to the root that was signed for size {size}")
        await check_right_edge(connection, size)
        await self._witnesses.compare(last)  # (3)
        self._last, self._edge = last, edge_of_tiles(size, tiles)  # (4)
        if stored is not None:
            self._publication.set(stored.note)
        self._is_confirmed = stored is not None and stored.size == size and self._witnesses.is_empty
        if self._is_confirmed:
            self._published_at = time.monotonic()
        else:
            try:
                await self._fence(connection)
                await self._publish(connection, last)  # (5)
            except NotConfirmedProblem as problem:
                if stored is None:
                    raise
                self._log.failure("not_published", problem)

    async def _look_at_database(self, connection: Connection) -> None:
        """Say whether it is another one than last time; raises `NotDurableFault`, or that it is not available."""
        await postgres.assert_durable(connection)
        found, before = await database_identity(connection), self._identity
        await asyncio.to_thread(self._timelines.accept, found)
        self._identity = found
        if before not in {None, found}:
            self._log.warning("database_changed", before=repr(before), now=repr(found))

    async def _publish_for_ever(self, connection: Session) -> None:
        while True:
            if await database_identity(connection) != self._identity:  # a pooler may change it under one session
                await self._recover(connection)
            await self.publish_once(connection)
            await asyncio.sleep(self._interval_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_seconds):
                    await self._grown.wait()
            self._grown.clear()

    async def publish_once(self, connection: Session) -> None:
        """Publish the committed tree if it grew, or the same checkpoint again when it is time.

        A checkpoint that was signed and lacks its quorum is offered again first; nothing new is signed beside it.
        """
        head = await store.head(connection)
        last = self._last
        if head is None or last is None:
            raise InconsistentTreeError("The head of the log is gone")
        refuse_regress(last, head.size, head.root_hash)
        if not self._is_confirmed:
            await self._fence(connection)
            await self._publish(connection, last)
        elif head.size > last.checkpoint.size:
            with self._metrics.publish_seconds.time():
                edge = await self._read_back(connection, head.size, head.root_hash)  # (1) stored bytes, hashed again
                await self._fence(connection)  # (2) the standbys have what was read, and nobody else may sign
                signed = await asyncio.to_thread(self._signer.sign, head.size, head.root_hash, last)  # (3) sign, keep
                self._last, self._edge, self._is_confirmed = signed, edge, False
                await self._publish(connection, signed)  # (4)
        elif self._is_due():
            await self._fence(connection)
            await self._publish(connection, last)
        elif (note := self._witnesses.later()) is not None:
            await self._show(connection, last, note)

    async def _fence(self, connection: Session) -> None:
        """Return if what was read may be signed, and shown as the log of now; raises why not.

        (1) The synchronous standbys have it: a leader that was stopped and replaced meanwhile has none left. (2) The
        database still keeps what it acknowledges; (3) it is the one that all was compared with, and no standby; (4) the
        session is ours and holds the signer's lock.
        """
        await postgres.confirm_commits(connection)  # (1)
        await postgres.assert_durable(connection)  # (2)
        if await database_identity(connection) != self._identity:  # (3)
            raise DatabaseUnavailableProblem("The database has become another one; all is compared with it again")
        await assert_holds(connection, store.SIGNER_LOCK)  # (4)

    def _is_due(self) -> bool:
        return time.monotonic() - self._published_at >= self._idle_interval_seconds

    async def _publish(self, connection: Connection, signed: OpenedCheckpoint) -> None:
        """Publish with fresh cosignatures; without a quorum what was published last stays, and this is tried again.

        Nothing else is signed until it went well. A crash before the last step: start-up publishes what was signed.
        """
        note = await self._witnesses.cosigned(signed)
        if note is not None:
            before = self._publication.size
            await self._show(connection, signed, note)
            self._published_at, self._is_confirmed = time.monotonic(), True
            await self._count_delays(connection, before, signed.checkpoint.size)

    async def _count_delays(self, connection: Connection, begin: int, end: int) -> None:
        """Count for each entry that is published now how long it took; what is there at the start is not counted."""
        now_ms = time.time() * 1000
        for received_at_ms, count in await store.received_at(connection, begin, end) if begin else ():
            for _ in range(count):
                self._metrics.delay_seconds.observe(max(0.0, now_ms - received_at_ms) / 1000)
            await asyncio.sleep(0)

    async def _show(self, connection: Connection, signed: OpenedCheckpoint, note: bytes) -> None:
        """Store a note, then show it."""
        checkpoint = signed.checkpoint
        await store.publish(
            connection, StoredCheckpoint(size=checkpoint.size, root_hash=checkpoint.root_hash, note=note)
        )
        self._publication.set(note)

    async def _read_back(self, connection: Connection, size: int, root_hash: Hash) -> TileEdge:
        """Return the edge of the committed tree, grown from the stored entries' bytes and nothing else.

        Raises `InconsistentTreeError` where a stored leaf hash, full tile or the head's root is not what the entries
        give.
        """
        edge = self._edge
        while edge.size < size:
            begin, end = edge.size, min(edge.size + READ_BACK_ENTRIES, size)
            stored = await store.entries(connection, begin, end)
            leaves = [leaf_hash(entry.data) for entry in stored]
            for entry, leaf in zip(stored, leaves, strict=True):
                if entry.leaf_hash != leaf:
                    raise InconsistentTreeError(f"Entry {entry.index} as stored does not have its leaf hash")
            growth = grow(edge, leaves)
            full = dict(growth.full_tiles)
            if full and await store.tiles(connection, full) != full:
                raise InconsistentTreeError(f"The full tiles of entries {begin} to {end - 1} are not those entries'")
            edge = growth.edge
        if edge.root() != root_hash:
            raise InconsistentTreeError(f"The entries of the tree of {size} do not give the root of its head")
        return edge


async def check_right_edge(connection: Connection, size: TreeSize) -> None:
    """Hash the last stored entries of a signed tree again, and compare the stored edge with the head.

    Raises `InconsistentTreeError` where one is not what the other gives. What lies beyond `size` is read before it is
    signed.
    """
    begin = (size - 1) // TILE_WIDTH * TILE_WIDTH
    tile = TileId(level=0, index=begin // TILE_WIDTH, width=size - begin)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        stored, tiles = await store.entries(connection, begin, size), await store.tiles(connection, [tile])
        edge, head = await store.read_edge(connection), await store.head(connection)
    if tiles[tile] != b"".join(leaf_hash(entry.data) for entry in stored):
        raise InconsistentTreeError(
            f"The entries {begin} to {size - 1} as stored are not those that were signed (RUNBOOK.md: altered)"
        )
    if head is None or edge.size != head.size or edge.root() != head.root_hash:
        raise InconsistentTreeError("The right edge of the tree is not that of its head (RUNBOOK.md: altered)")


def refuse_later(stored: StoredCheckpoint, size: TreeSize, root_hash: Hash) -> None:
    """Raise if a published checkpoint is not covered by what the signer remembers to have signed last."""
    if stored.size > size:
        raise SignerMemoryFault(
            f"A checkpoint of {stored.size} is published, but the signer remembers only one of {size}: its memory is "
            "an earlier state. Put the newest checkpoint that any follower or witness has into its place "
            "(RUNBOOK.md: signer-memory)"
        )
    if stored.size == size and stored.root_hash != root_hash:
        raise InconsistentTreeError(f"The published checkpoint of {size} is not the one that was signed")


async def follow_publication(
    database_url: str,
    *,
    limits: PoolLimits,
    publication: Publication,
    interval_ms: int,
    started: asyncio.Event,
    watch: LeaderWatch | None = None,
) -> None:
    """Show what another process publishes, for ever: for replicas without the log's key."""
    while True:
        with contextlib.suppress(*_PASSING):
            async with postgres.connected(
                database_url, application_name="credentify-reader", limits=limits, watch=watch
            ) as connection:
                while True:
                    stored = await store.last_checkpoint(connection)
                    if stored is not None:
                        publication.set(stored.note)
                        started.set()
                    await asyncio.sleep(interval_ms / 1000)
        await asyncio.sleep(RETRY_SECONDS)
