"""Recomputes everything that a ledger's database holds, and names what is damaged. Repairs and writes nothing.

Works from the entries' bytes alone: every leaf hash, chain link, event id, signature and rule is computed again from
nothing (a log that continues another begins with the state that was proven and copied at init), and what comes out is
compared with tiles, right edge, head, checkpoints and projected states. Some entries or rows are in memory at a time;
the states that they give lie in a temporary file.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import msgspec

from proto.envelope import Opened, open_envelope
from proto.ids import LeafIndex, Origin
from proto.keys import PublicKey, decode_public_key, is_signature
from proto.lifecycle import Book, decide, evolve, needs, signing_key
from proto.log import entry as entries
from proto.log.checkpoint import open_checkpoint
from proto.log.entry import Entry
from proto.log.merkle import Frontier, Hash, leaf_hash
from proto.log.note_key import VerifierKey, parse_vkey
from proto.log.tile_edge import TileEdge, grow
from proto.moment import Moment, to_ms
from proto.problem import Problem
from proto.subjects import BATCH_IDS_MAX, ENTRY_BYTES_PER_ID
from services.fsck_report import Findings
from services.ledger import store
from services.ledger.fsck.replayed_states import CheckSpaceProblem, ReplayedStates
from services.ledger.fsck.report import Report
from services.ledger.fsck.state_check import compare_states
from services.ledger.succession.inheritance import inherited_books
from services.persistence.postgres import Connection, Row

ENTRIES_PER_READ = 512
Progress = Callable[[int, int], None]
"""Called with the count of entries checked so far and of those there are."""

_ROWS = """
    SELECT leaf_index, leaf_hash, event_id, received_at_ms, entry FROM entry
    WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"""
_CHECKPOINTS = "SELECT size, root_hash, note FROM checkpoint WHERE size > $1 AND size <= $2 ORDER BY size"
_OTHER_CHECKPOINTS = "SELECT size, root_hash, note FROM checkpoint WHERE size <= 0 OR size > $1 ORDER BY size"
_Check = tuple[LeafIndex, bytes, bytes, bytes]


class _Read(msgspec.Struct, frozen=True):
    """An entry as it was stored, and the event in it."""

    entry: Entry
    opened: Opened


async def check(connection: Connection, *, progress: Progress | None = None) -> Report:
    """Return what was checked and what is wrong, all of one snapshot.

    Whatever the database holds, there is a report; only errors of the connection are raised, and `CheckSpaceProblem`
    where there is no room for the temporary file.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        log = await store.log_row(connection) if await store.has_tables(connection) else None
        if log is None:
            findings = Findings()
            findings.damaged("log", "There is no log in this database")
            return Report.of(findings, origin="", tree_size=0, root_hash=b"", published_size=0)
        with contextlib.closing(ReplayedStates()) as replayed:
            run = _Run(connection, log.origin, replayed)
            return await run.all(parse_vkey(log.verifier_key), progress)


def _bounded(rows: Sequence[Row]) -> Sequence[Row]:
    """Return as many rows as are about no more credentials than a batch may be: their bytes bound them."""
    room = BATCH_IDS_MAX * ENTRY_BYTES_PER_ID
    for count, row in enumerate(rows):
        room -= len(row["entry"])
        if room < 0:
            return rows[: max(count, 1)]
    return rows


class _Run:
    """One pass over one log: what the entries give so far."""

    def __init__(self, connection: Connection, origin: Origin, replayed: ReplayedStates) -> None:
        self.connection = connection
        self.origin = origin
        self.findings = Findings()
        self.replayed = replayed
        self.book = Book()
        self.edge = TileEdge()
        self.frontier = Frontier()
        self.previous: bytes = entries.first_previous(origin)
        self.received_at = Moment("")
        self.published_size = 0
        self.raw_keys: dict[PublicKey, bytes] = {}

    async def all(self, verifier: VerifierKey, progress: Progress | None) -> Report:
        """Check entries chunk by chunk, then all that follows from them."""
        async for book in inherited_books(self.connection):
            self.book.log = book.log or self.book.log
            self.replayed.save(book)
        head = await store.head(self.connection)
        size = head.size if head else 0
        while self.edge.size < size and await self.chunk(min(self.edge.size + ENTRIES_PER_READ, size), verifier):
            if progress is not None:
                progress(self.edge.size, size)
        self.replayed.save(self.book)
        await self.end(size)
        await self.checkpoints_beyond(verifier)
        await compare_states(self.connection, self.replayed, self.findings)
        return Report.of(
            self.findings,
            origin=self.origin,
            tree_size=size,
            root_hash=self.edge.root(),
            published_size=self.published_size,
        )

    async def chunk(self, end: int, verifier: VerifierKey) -> bool:
        """Check the entries up to `end`; False where one is missing, after which nothing can be computed."""
        begin = int(self.edge.size)
        fetched = await self.connection.fetch(_ROWS, begin, end)
        rows = _bounded(fetched)
        end = end if len(rows) == len(fetched) else begin + len(rows)
        there = [row for index, row in enumerate(rows, start=begin) if row["leaf_index"] == index]
        self.book = self.replayed.next_book(self.book)
        read = [self.read(LeafIndex(row["leaf_index"]), row) for row in there]
        self.replayed.load_for(self.book, [each.opened for each in read if each is not None])
        checks: list[_Check] = []
        leaves = [
            self.entry(LeafIndex(row["leaf_index"]), row, each, checks) for row, each in zip(there, read, strict=True)
        ]
        await self.signatures(checks)
        await self.tree(leaves, verifier)
        self.findings.count("entries", len(leaves))
        if begin + len(leaves) == end:
            return True
        self.findings.damaged(f"entry {begin + len(leaves)}", "The entry is missing; nothing after it can be checked")
        return False

    def read(self, index: LeafIndex, row: Row) -> _Read | None:
        """Return a stored entry and its event; None, and a damage, for what is none."""
        try:
            entry = entries.decode(row["entry"])
            return _Read(entry, open_envelope(entry.envelope))
        except Problem as problem:
            self.findings.damaged(f"entry {index}", f"{problem.title}: {problem.detail}")
            return None

    def entry(self, index: LeafIndex, row: Row, read: _Read | None, checks: list[_Check]) -> Hash:
        """Check one stored entry and apply it; return the leaf hash of its bytes."""
        place, leaf = f"entry {index}", leaf_hash(row["entry"])
        self.findings.expect(row["leaf_hash"] == leaf, place, "The stored leaf hash is not that of the stored bytes")
        if read is not None:
            try:
                self.chain(index, read.entry, row, read.opened)
                self.rules(index, read.entry, read.opened, checks)
            except CheckSpaceProblem:  # says nothing of the entry
                raise
            except Problem as problem:
                self.findings.damaged(place, f"{problem.title}: {problem.detail}")
        self.previous = leaf
        return leaf

    def chain(self, index: LeafIndex, entry: Entry, row: Row, opened: Opened) -> None:
        """Index, link, time and event id: what the entry says of itself, and what the columns say of it."""
        place, expect = f"entry {index}", self.findings.expect
        expect(entry.index == index, place, f"The entry says that its index is {entry.index}")
        expect(entry.previous == self.previous.hex(), place, "The entry does not name the leaf hash before it")
        expect(entry.received_at >= self.received_at, place, "The entry was received before the one before it")
        expect(row["received_at_ms"] == to_ms(entry.received_at), place, "The column received_at_ms differs")
        expect(row["event_id"].hex() == opened.event_id, place, "The column event_id is not the payload's hash")
        self.received_at = entry.received_at

    def rules(self, index: LeafIndex, entry: Entry, opened: Opened, checks: list[_Check]) -> None:
        """Decide as then, note the signature to check, evolve; raises the refusal of an entry that breaks a rule."""
        if not needs(self.book, [opened]).is_empty:  # what an entry of this chunk made necessary
            self.replayed.load_for(self.book, [opened])
        decide(self.book, opened, index=index, received_at=entry.received_at)
        key = signing_key(self.book, opened, received_at=entry.received_at)
        if key.public_key not in self.raw_keys:
            self.raw_keys[key.public_key] = decode_public_key(key.public_key)
        checks.append((index, self.raw_keys[key.public_key], opened.pae, opened.signature))
        evolve(self.book, opened, index=index, received_at=entry.received_at)

    async def signatures(self, checks: Sequence[_Check]) -> None:
        """Verify the chunk's signatures in a thread."""
        bad = await asyncio.to_thread(lambda: [index for index, *check in checks if not is_signature(*check)])
        self.findings.count("signatures", len(checks))
        for index in bad:
            self.findings.damaged(f"entry {index}", "The signature does not verify")

    async def tree(self, leaves: list[Hash], verifier: VerifierKey) -> None:
        """Grow the tree, compare the tiles that became full, and check the checkpoints of these sizes."""
        begin = self.frontier.size
        growth = grow(self.edge, leaves)
        rows = await self.connection.fetch(_CHECKPOINTS, begin, begin + len(leaves))
        signed_sizes, roots = {row["size"] for row in rows}, dict[int, Hash]()
        for leaf in leaves:
            self.frontier = self.frontier.add(leaf)
            if self.frontier.size in signed_sizes:
                roots[self.frontier.size] = self.frontier.root()
        for row in rows:
            self.checkpoint(row, verifier, roots.get(row["size"]))
        self.edge = growth.edge
        for tile, data in growth.full_tiles:
            stored = await self.connection.fetchval(
                "SELECT hashes FROM tile WHERE level = $1 AND tile_index = $2", tile.level, tile.index
            )
            self.findings.count("tiles")
            self.findings.expect(stored is not None, tile.path, "The tile is missing")
            self.findings.expect(stored in {None, data}, tile.path, "The tile does not hold the hashes of its leaves")

    async def end(self, size: int) -> None:
        """Head, right edge, and that there is nothing beyond them."""
        expect = self.findings.expect
        head = await store.head(self.connection)
        if head is None or self.edge.size != size:
            self.findings.damaged("head", f"The head says {size} entries, of which {self.edge.size} are there")
            return
        expect(head.root_hash == self.edge.root(), "head", "The root is not that of the entries")
        expect(head.last_leaf_hash == self.previous, "head", "The last leaf hash is not that of the last entry")
        expect(head.last_received_at_ms == to_ms(self.received_at), "head", "The last time is not the last entry's")
        row = await self.connection.fetchrow("SELECT size, partials FROM edge")
        is_edge = row is not None and (row["size"], tuple(row["partials"])) == (size, self.edge.partials)
        expect(is_edge, "edge", "The right edge is not that of the entries")
        beyond = await self.connection.fetchval("SELECT count(*) FROM entry WHERE leaf_index >= $1", size)
        expect(beyond == 0, "entry", f"{beyond} entries lie beyond the head")
        tile_count = await self.connection.fetchval("SELECT count(*) FROM tile")
        is_all = tile_count == self.findings.counts.get("tiles", 0)
        expect(is_all, "tile", "There are tiles that the tree does not have")

    async def checkpoints_beyond(self, verifier: VerifierKey) -> None:
        """Check the checkpoints of no entry, and of more than there are: none of them is of the tree."""
        async for row in self.connection.cursor(_OTHER_CHECKPOINTS, self.edge.size, prefetch=ENTRIES_PER_READ):
            self.checkpoint(row, verifier, None)

    def checkpoint(self, row: Row, verifier: VerifierKey, root: Hash | None) -> None:
        """A published checkpoint is signed by the log, and of the tree that the entries give: `root` at its size."""
        place = f"checkpoint {row['size']}"
        self.findings.count("checkpoints")
        self.published_size = max(self.published_size, row["size"])
        try:
            signed = open_checkpoint(row["note"], verifier).checkpoint
        except Problem as problem:
            self.findings.damaged(place, problem.detail)
            return
        is_row = (signed.size, signed.root_hash) == (row["size"], row["root_hash"])
        self.findings.expect(is_row, place, "The note is of another tree than its row")
        is_tree = signed.size == row["size"] and root == signed.root_hash
        self.findings.expect(is_tree, place, "The signed root is not that of the entries")
