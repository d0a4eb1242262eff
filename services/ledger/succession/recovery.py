"""Brings back entries that the log has signed and its database has lost, byte for byte, from whoever kept them.

After a restore from a backup, or a failover that lost commits, the signer refuses to sign. The way out is not to sign
less but to have again what was signed: the entries come from a mirror, the published checkpoint says which they are.
All of them are checked as a follower checks them, and written in one transaction, or none is.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

import msgspec

from proto.ids import Origin, TreeSize
from proto.lifecycle import Book
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.merkle import Hash, leaf_hash
from proto.log.note_key import parse_vkey
from proto.log.tile_edge import TileEdge, grow
from proto.moment import Moment, from_ms, to_ms
from proto.problem import ConflictProblem
from services.follow import Position, chunk
from services.ledger import store
from services.ledger.config import Config, unhurried_limits
from services.ledger.domain import Head, NewEntry
from services.ledger.publishing.database_identity import TimelineMemory
from services.ledger.signer import Signer, load_key
from services.ledger.store import StoredCheckpoint
from services.ledger.succession.opening import key_files, require_log
from services.persistence import postgres, postgres_states
from services.persistence.durable_file import write_durably
from services.persistence.postgres import Connection

CHUNK_ENTRIES = 256


class NotRecoverableProblem(ConflictProblem):
    """The entries at hand are not the ones that are missing."""

    slug = "not-recoverable"
    title = "The lost entries cannot be brought back from here"


class KeptLog(Protocol):
    """Somebody who kept the log: a mirror, or anything that serves its tiles. Believed in nothing."""

    async def checkpoint(self) -> bytes:
        """Return the signed checkpoint of all that it has."""

    async def read(self, begin: int, end: int) -> list[bytes]:
        """Return the bytes of the entries `[begin, end)`."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """How many entries the database had, and how many it has now."""

    size_before: TreeSize
    size: TreeSize


async def recover(config: Config, source: KeptLog, *, now: Moment) -> Recovered:
    """Write what `source` has beyond the database's head, up to its signed checkpoint; stop the ledger before.

    (1) The checkpoint is signed by this log; (2) each entry is chained, admissible and signed; (3) together they lead
    to the signed root; (4) one commit; (5) the signer's memory is at least that checkpoint. Raises
    `NotRecoverableProblem`, or what is wrong with settings and key.
    """
    key_file, folder = key_files(config)
    async with postgres.connected(
        config.database_url, application_name="credentify-recover", limits=unhurried_limits(config)
    ) as connection:
        if not await store.try_signer_lock(connection):
            raise NotRecoverableProblem("A ledger that signs is running on this database: stop it first")
        log = await require_log(connection)
        verifier = parse_vkey(log.verifier_key)
        opened = open_checkpoint(await source.checkpoint(), verifier)  # (1)
        async with postgres.confirmed_transaction(connection):
            head, _ = await store.locked_head(connection)
            await _write(connection, log.origin, head, opened, source, now=now)  # (2) (3)
            checkpoint = opened.checkpoint
            await store.publish(
                connection,
                StoredCheckpoint(size=checkpoint.size, root_hash=checkpoint.root_hash, note=opened.encoded),
            )
        # (4) committed; a crash before (5): run again, nothing is missing then, and the memory is set
    signer = Signer(load_key(key_file), folder)
    remembered = signer.last() if signer.path.exists() else None
    if remembered is None or remembered.checkpoint.size < checkpoint.size:
        write_durably(signer.path, opened.encoded)  # (5)
    TimelineMemory(folder).forget()  # the operator has said which database goes on
    return Recovered(size_before=head.size, size=max(head.size, checkpoint.size))


async def _write(
    connection: Connection, origin: Origin, head: Head, opened: OpenedCheckpoint, source: KeptLog, *, now: Moment
) -> None:
    edge, signed = await store.read_edge(connection), opened.checkpoint
    if edge.size != head.size or edge.root() != head.root_hash:
        raise NotRecoverableProblem("The database's tree is damaged: restore an earlier backup, then try again")
    if signed.size < head.size:
        raise NotRecoverableProblem(
            f"The source has {signed.size} entries, the database {head.size}: nothing is missing"
        )
    position = Position(
        size=head.size, last_leaf_hash=head.last_leaf_hash, last_received_at=from_ms(head.last_received_at_ms)
    )
    while edge.size < signed.size:
        lines = await source.read(edge.size, min(edge.size + CHUNK_ENTRIES, signed.size))
        edge, position = await _append(connection, origin, edge, position, lines, now=now)
    if edge.root() != signed.root_hash:
        raise NotRecoverableProblem(
            f"With these entries the tree of {signed.size} has the root {edge.root().hex()}, and "
            f"{signed.root_hash.hex()} was signed: the database, or the source, holds other entries"
        )


async def _append(
    connection: Connection, origin: Origin, edge: TileEdge, position: Position, lines: Sequence[bytes], *, now: Moment
) -> tuple[TileEdge, Position]:
    """Judge a run of entries as a follower does, and write them exactly as they were, each with its own time."""
    if not lines:
        raise NotRecoverableProblem(f"The source has no entry {edge.size}")
    leaves = [leaf_hash(line) for line in lines]
    candidates, stop = chunk.open_chunk(position, origin, lines, leaves, now=now)
    if stop is not None:
        raise NotRecoverableProblem(stop.detail) from stop
    book = Book()
    await postgres_states.load_all(connection, book, [candidate.opened for candidate in candidates])
    verdicts = chunk.judge(book, origin, candidates, now=now)
    if verdicts.stop is not None:
        raise NotRecoverableProblem(verdicts.stop.detail) from verdicts.stop
    if (bad := chunk.first_bad(verdicts.checks)) is not None:
        raise NotRecoverableProblem(chunk.signature_fault(candidates[bad], now=now).detail)
    for received_at, group in groupby(candidates, key=lambda candidate: candidate.entry.received_at):
        edge = await _store(connection, edge, list(group), to_ms(received_at))
    await postgres_states.save(connection, book, with_events=False)
    last = candidates[-1]
    moved = Position(size=edge.size, last_leaf_hash=last.leaf_hash, last_received_at=last.entry.received_at)
    return edge, moved


async def _store(
    connection: Connection, edge: TileEdge, group: Sequence[chunk.Candidate], received_at_ms: int
) -> TileEdge:
    growth = grow(edge, [Hash(candidate.leaf_hash) for candidate in group])
    entries = [
        NewEntry(
            index=candidate.entry.index,
            leaf_hash=candidate.leaf_hash,
            event_id=candidate.opened.event_id,
            data=candidate.line,
        )
        for candidate in group
    ]
    await store.append(connection, entries, growth, received_at_ms)
    return growth.edge
