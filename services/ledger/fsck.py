"""Recomputes everything that a ledger's database holds, and names what is damaged. Repairs and writes nothing.

Works from the entries' bytes alone: every leaf hash, chain link, event id, signature and rule is computed again with a
fresh book (a log that continues another begins with the state that was proven and copied at init); then tiles, right
edge, head, checkpoints and projected states are compared with what came out.
"""

import asyncio
from collections.abc import Callable, Sequence

import asyncpg

from proto import entry as entries
from proto.checkpoint import open_checkpoint
from proto.entry import Entry
from proto.envelope import Opened, open_envelope
from proto.ids import LeafIndex, Origin
from proto.keys import PublicKey, decode_public_key, is_signature
from proto.lifecycle import Book, decide, evolve, needs, signing_key
from proto.merkle import Frontier, Hash, leaf_hash
from proto.moment import Moment, to_ms
from proto.note_key import VerifierKey, parse_vkey
from proto.problem import Problem
from proto.tile_edge import TileEdge, grow
from services import states
from services.ledger import store
from services.ledger.fsck_report import Findings, Report
from services.ledger.fsck_states import compare_states
from services.ledger.inheritance import inherited_book
from services.postgres import Connection

ENTRIES_PER_READ = 512
Progress = Callable[[int, int], None]
"""Called with the count of entries checked so far and of those there are."""

_ROWS = """
    SELECT leaf_index, leaf_hash, event_id, received_at_ms, entry FROM entry
    WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index"""
_Check = tuple[LeafIndex, bytes, bytes, bytes]


async def check(connection: Connection, *, progress: Progress | None = None) -> Report:
    """Return what was checked and what is wrong, all of one snapshot; the states of the whole log are held in memory.

    Whatever the database holds, there is a report; only errors of the connection are raised.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        log = await store.log_row(connection) if await store.has_tables(connection) else None
        if log is None:
            findings = Findings()
            findings.damaged("log", "There is no log in this database")
            return Report.of(findings, origin="", tree_size=0, root_hash=b"", published_size=0)
        run = _Run(connection, log.origin, await inherited_book(connection))
        return await run.all(parse_vkey(log.verifier_key), progress)


class _Run:
    """One pass over one log: what the entries give so far."""

    def __init__(self, connection: Connection, origin: Origin, book: Book) -> None:
        self.connection = connection
        self.origin = origin
        self.findings = Findings()
        self.book = book
        self.edge = TileEdge()
        self.frontier = Frontier()
        self.previous: bytes = entries.first_previous(origin)
        self.received_at = Moment("")
        self.roots: dict[int, Hash] = {}
        self.raw_keys: dict[PublicKey, bytes] = {}

    async def all(self, verifier: VerifierKey, progress: Progress | None) -> Report:
        """Check entries chunk by chunk, then all that follows from them."""
        head = await store.head(self.connection)
        size = head.size if head else 0
        checkpoints = await self.connection.fetch("SELECT size, root_hash, note FROM checkpoint ORDER BY size")
        signed_sizes = {row["size"] for row in checkpoints}
        while self.edge.size < size and await self.chunk(min(self.edge.size + ENTRIES_PER_READ, size), signed_sizes):
            if progress is not None:
                progress(self.edge.size, size)
        await self.end(size)
        self.check_checkpoints(checkpoints, verifier)
        await compare_states(self.connection, self.book, self.findings)
        return Report.of(
            self.findings,
            origin=self.origin,
            tree_size=size,
            root_hash=self.edge.root(),
            published_size=max(signed_sizes, default=0),
        )

    async def chunk(self, end: int, signed_sizes: set[int]) -> bool:
        """Check the entries up to `end`; False where one is missing, after which nothing can be computed."""
        begin = int(self.edge.size)
        rows = await self.connection.fetch(_ROWS, begin, end)
        leaves: list[Hash] = []
        checks: list[_Check] = []
        for index, row in enumerate(rows, start=begin):
            if row["leaf_index"] != index:
                break
            leaves.append(self.entry(LeafIndex(index), row, checks))
        await self.signatures(checks)
        await self.tree(leaves, signed_sizes)
        self.findings.count("entries", len(leaves))
        if begin + len(leaves) == end:
            return True
        self.findings.damaged(f"entry {begin + len(leaves)}", "The entry is missing; nothing after it can be checked")
        return False

    def entry(self, index: LeafIndex, row: asyncpg.Record, checks: list[_Check]) -> Hash:
        """Check one stored entry and apply it; return the leaf hash of its bytes."""
        place, leaf = f"entry {index}", leaf_hash(row["entry"])
        self.findings.expect(row["leaf_hash"] == leaf, place, "The stored leaf hash is not that of the stored bytes")
        try:
            entry = entries.decode(row["entry"])
            opened = open_envelope(entry.envelope)
            self.chain(index, entry, row, opened)
            self.rules(index, entry, opened, checks)
        except Problem as problem:
            self.findings.damaged(place, f"{problem.title}: {problem.detail}")
        self.previous = leaf
        return leaf

    def chain(self, index: LeafIndex, entry: Entry, row: asyncpg.Record, opened: Opened) -> None:
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
        while not (missing := needs(self.book, [opened])).is_empty:
            states.mark_absent(self.book, missing)  # the book holds all there is
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

    async def tree(self, leaves: list[Hash], signed_sizes: set[int]) -> None:
        """Grow the tree, compare the tiles that became full, and keep the roots that checkpoints name."""
        growth = grow(self.edge, leaves)
        for leaf in leaves:
            self.frontier = self.frontier.add(leaf)
            if self.frontier.size in signed_sizes:
                self.roots[self.frontier.size] = self.frontier.root()
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

    def check_checkpoints(self, rows: Sequence[asyncpg.Record], verifier: VerifierKey) -> None:
        """Each published checkpoint is signed by the log, and of the tree that the entries give."""
        for row in rows:
            place = f"checkpoint {row['size']}"
            self.findings.count("checkpoints")
            try:
                signed = open_checkpoint(row["note"], verifier).checkpoint
            except Problem as problem:
                self.findings.damaged(place, problem.detail)
                continue
            is_row = (signed.size, signed.root_hash) == (row["size"], row["root_hash"])
            self.findings.expect(is_row, place, "The note is of another tree than its row")
            is_tree = self.roots.get(signed.size) == signed.root_hash
            self.findings.expect(is_tree, place, "The signed root is not that of the entries")
