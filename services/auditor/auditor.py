"""Looks at a log again and again and proves all that it shows: checkpoint, growth, entries, rules, and every tile.

Entries, chain, signatures and rules are proven by `services.follow`, over the tiles alone. Here stands what a monitor
wants beyond a follower: that the log never shows less or other than it signed before, and that each of its tiles is the
one that its entries make.
"""

import asyncio
from collections.abc import Callable, Sequence

import aiohttp
import msgspec

from proto.base64_strict import encode_base64
from proto.envelope import Opened
from proto.ids import Did, EventId, LeafIndex, Origin, TreeSize
from proto.lifecycle import Book
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.merkle import Hash
from proto.log.note import SignatureProblem
from proto.log.pin import Pin
from proto.log.policy import Policy
from proto.log.receipt import Receipt
from proto.log.tile import TILE_WIDTH
from proto.log.tile_proof import inclusion_proof, tiles_for_inclusion
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem, NotFoundProblem
from services.auditor.alteration import find_alteration
from services.auditor.finding import Accuser, LyingLogProblem
from services.auditor.history import History
from services.auditor.state import AuditState
from services.auditor.tile_check import check_prefix, compare_tiles
from services.clients.log_client import LogAnswerProblem, LogProblem
from services.clients.tile_client import TileClient
from services.follow import Applied, FaultyLogProblem, FollowBounds, Follower, LogEvidence, Observer, Position
from services.verifier.projection.store import Store

CHUNK_ENTRIES = 4 * TILE_WIDTH


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the log proved: how large it is, how many entries and tiles were new, and whose log it is."""

    origin: Origin
    size: TreeSize
    root_hash: Hash
    entry_count: int
    tile_count: int
    registrar: Did
    is_pinned: bool
    """Whether the log's beginning was held against a pin."""


class AuditProgress:
    """Is told how far an audit has come; this one does nothing."""

    def entries(self, done: int, total: int) -> None:
        """So many of the log's entries are proven."""

    def tiles(self, done: int, total: int) -> None:
        """So many of the tiles that are to be compared are."""


class _WatchedSink:
    """The projection, and somebody who is told of each chunk."""

    def __init__(self, store: Store, tell: Callable[[Position], None]) -> None:
        self._store = store
        self._tell = tell

    async def position(self) -> Position | None:
        return await self._store.position()

    async def load(self, book: Book, batch: Sequence[Opened]) -> None:
        await self._store.load(book, batch)

    async def begins_with(self, event_ids: Sequence[EventId]) -> bool:
        return await self._store.begins_with(event_ids)

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        await self._store.apply(book, applied, position)
        self._tell(position)


class _Remembering(Observer):
    """Keeps beside the projection what the log signed and did not show to be of one history: over restarts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def unproven(self, notes: tuple[bytes, ...]) -> None:
        await self._store.keep_suspects(notes)


class Auditor:
    """Audits one log; one task runs it. `state` and `store` are its own, in one folder."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        verifier_key: str,
        policy: Policy | None = None,
        pins: Sequence[Pin] = (),
        state: AuditState,
        store: Store,
        clock: Callable[[], Moment],
        progress: AuditProgress | None = None,
        attempts: int = 3,
        pause_seconds: float = 1.0,
    ) -> None:
        """Take the log's address, its vkey, perhaps a witness policy and pins of how the log begins.

        What is wrong and could have happened on the way is looked at `attempts` times before it is held against the
        log.
        """
        self._accuser = Accuser(verifier_key, clock)
        self._client = TileClient(session, url, check_prefix=self._check_prefix)
        self._history = History(self._client, state, store, self._accuser)
        self._state = state
        self._store = store
        self._progress = progress or AuditProgress()
        self._attempts = attempts
        self._pause_seconds = pause_seconds
        self._verifier_key = verifier_key
        self._policy = policy
        self._pins = tuple(pins)
        self._clock = clock
        self._follower: Follower | None = None

    async def _following(self) -> Follower:
        """Return who follows, made anew after what was wrong; what is still to be compared is remembered."""
        if self._follower is None:
            self._follower = self._new_follower(await self._store.suspects())
        return self._follower

    def _new_follower(self, suspects: tuple[bytes, ...]) -> Follower:
        sink = _WatchedSink(self._store, lambda position: self._progress.entries(position.size, self._client.size))
        return Follower(
            self._client,
            sink,
            verifier_key=self._verifier_key,
            policy=self._policy,
            registrar=self._pins,
            clock=self._clock,
            bounds=FollowBounds(chunk_entries_max=CHUNK_ENTRIES),
            known_suspects=suspects,
            root_of=self._store.root_of,
            observer=_Remembering(self._store),
        )

    @property
    def origin(self) -> Origin:
        """The name of the log, which is the name of its key."""
        return self._accuser.origin

    async def step(self) -> Seen:
        """Look once; return what was proven. Raises `LyingLogProblem` with the evidence where the log is faulty.

        `LogUnreachableProblem`, `LogProblem`, `LogAnswerProblem` (no checkpoint could be had) and `QuorumProblem`: it
        could not be asked; `UnknownRulesProblem`: newer software is needed; `ForeignPositionProblem` and
        `DamagedProjectionProblem`: the projection must be thrown away.
        """
        if self._state.finding is not None and self._state.finding.is_conclusive:
            raise LyingLogProblem(self._state.finding)
        for attempt in range(1, self._attempts + 1):
            note = await self._client.refresh()
            try:
                return await self._look(note)
            except LyingLogProblem as problem:
                if problem.finding.is_conclusive or attempt == self._attempts:
                    raise
            self._follower = None
            await asyncio.sleep(self._pause_seconds * attempt)
        raise AssertionError("the last attempt returns or raises")

    async def compare(self, note: bytes) -> Seen | None:
        """Compare what the log showed somebody else with what it shows here, after a step; look again where it is more.

        Returns what was newly seen, if anything. Raises `LyingLogProblem` where the two contradict each other, or where
        the log goes on to show less here than it signed for others, and `MalformedProblem`, `InvalidProblem` or
        `SignatureProblem` for what the log did not sign.
        """
        opened = open_checkpoint(note, self._accuser.key)
        if await self._history.compare_other(opened, await self._store.position() or Position()):
            return None
        seen = await self.step()
        if await self._history.compare_other(opened, await self._store.position() or Position()):
            return seen
        words = (
            f"The log has signed {opened.checkpoint.size} entries for others, and shows {seen.size} here: this copy is "
            "old, or it shows different histories"
        )
        raise self._accuser.accuse("rollback", words, self._client.note, opened.encoded)

    async def _look(self, note: bytes) -> Seen:
        """Prove what is shown under one checkpoint, or say what is wrong with it."""
        try:
            # (1) It is the log's, and it contradicts nothing that the log signed before.
            opened = self._opened(note)
            begun = await self._store.position() or Position()
            await self._history.compare(opened, begun)
            # (2) Growth, entries, chain, signatures, rules: all that a follower proves.
            entry_count = await self._follow(opened, begun)
            await self._history.compare_pinned(opened)
            done = self._state.pin.tiles_size if self._state.pin else TreeSize(0)
            # crash before this line: the pin is older than what was proven, which is proven again from there
            await asyncio.to_thread(self._state.keep, note, tiles_size=done)
            # (3) Every tile is the one that these entries make.
            tile_count = await compare_tiles(
                self._client, self._store, self._accuser, opened, done, tell=self._progress.tiles
            )
            await asyncio.to_thread(self._state.keep, note, tiles_size=opened.checkpoint.size)
        except (LogProblem, LogAnswerProblem, NotFoundProblem) as problem:
            words = f"The log does not serve what it signed: {problem.detail}"
            raise self._accuser.accuse("unserved", words, note) from problem
        signed, book = opened.checkpoint, Book()
        await self._store.load(book, [])
        return Seen(
            origin=self.origin,
            size=signed.size,
            root_hash=signed.root_hash,
            entry_count=entry_count,
            tile_count=tile_count,
            registrar=book.opened_log().registrar if book.log else Did(""),
            is_pinned=(await self._following()).health().is_pinned,
        )

    def _opened(self, note: bytes) -> OpenedCheckpoint:
        """Return the checkpoint if the log signed it; the witness policy is for the follower to enforce."""
        try:
            return open_checkpoint(note, self._accuser.key)
        except (MalformedProblem, InvalidProblem, SignatureProblem) as problem:
            words = f"The log's checkpoint cannot be trusted: {problem.detail}"
            raise self._accuser.accuse("checkpoint", words, note) from problem

    async def _follow(self, opened: OpenedCheckpoint, begun: Position) -> int:
        try:
            return await (await self._following()).step()
        except FaultyLogProblem as problem:
            raise await self._accused(problem.evidence, opened, begun) from problem

    async def _accused(self, evidence: LogEvidence, opened: OpenedCheckpoint, begun: Position) -> LyingLogProblem:
        """Return what a follower found, with all that lets others check it."""
        if evidence.kind == "fork" and not evidence.is_conclusive and begun.checkpoint:
            return await self._history.concluded_fork(begun.checkpoint, begun.size, begun.root_hash, opened)
        if evidence.kind == "registrar":
            receipt = await self._receipt(LeafIndex(0), opened)
            return self._accuser.accuse_by(evidence, opened.encoded, receipt=receipt)
        if evidence.kind == "altered":
            return await self._located(evidence, opened)
        witnesses = tuple(key.text for key in self._policy.witness_keys) if self._policy else ()
        if evidence.is_conclusive and evidence.index is not None:
            receipt = await self._receipt(LeafIndex(evidence.index), opened)
            return self._accuser.accuse_by(evidence, opened.encoded, receipt=receipt, witnesses=witnesses)
        return self._accuser.accuse_by(evidence, opened.encoded, witnesses=witnesses)

    async def _located(self, evidence: LogEvidence, opened: OpenedCheckpoint) -> LyingLogProblem:
        """Name the tile or the entry that was altered."""
        position = await self._store.position() or Position()
        found = await find_alteration(self._client, opened.checkpoint, position.size)
        if found is None:
            return self._accuser.accuse_by(evidence, opened.encoded)
        return self._accuser.accuse_by(
            evidence,
            opened.encoded,
            kind="tile" if found.index is None else "altered",
            detail=found.detail,
            path=found.path,
            served=encode_base64(found.served),
            expected=encode_base64(found.expected) if found.expected else None,
            index=found.index,
        )

    async def _receipt(self, index: LeafIndex, opened: OpenedCheckpoint) -> str:
        """Return the proof that the log signed an entry, made from its own tiles."""
        size = opened.checkpoint.size
        served = await self._client.tiles(tiles_for_inclusion(index, size))
        receipt = Receipt(index=index, proof=tuple(inclusion_proof(index, size, served)), note=opened.note)
        return receipt.encode().decode()

    async def _check_prefix(self, start: int, before: list[bytes]) -> None:
        await check_prefix(self._store, self._accuser, self._client.note, start, before)
