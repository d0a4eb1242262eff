"""Follows one log over HTTP and proves every step before it is applied (DESIGN 5.6). Knows no database and no service.

What is applied was proven: the leaf hashes of a chunk extend the tree that was proven before, and that larger tree is
shown (RFC 9162 section 2.1.4.2) to be a prefix of the tree whose root the log signed. Only then are form, chain, rules
and signatures looked at, so that whatever is wrong there was signed by the log itself.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from proto.ids import Origin, TreeSize
from proto.lifecycle import Book, UnknownRulesProblem
from proto.log.checkpoint import OpenedCheckpoint
from proto.log.note_key import parse_vkey
from proto.log.pin import Pin
from proto.log.policy import NO_QUORUM, Policy
from proto.moment import Moment, to_ms
from proto.problem import Problem
from services.clients.log_client import LogClient
from services.crypto.signatures import SignatureCheckers
from services.follow import chunk, pins
from services.follow.checkpoints import LOG_TROUBLES, Checkpoints
from services.follow.clocks import Clocks
from services.follow.condition import Condition, FollowerKnowledge, HealthPolicy
from services.follow.early import Begun, EarlyChecks
from services.follow.ending import ended
from services.follow.held_back import HeldBack
from services.follow.interface import (
    Applied,
    ClockBehindProblem,
    FaultyLogProblem,
    FollowBounds,
    Health,
    LogEvidence,
    Observer,
    Position,
    Sink,
    SinkMovedProblem,
    SinkUnavailableProblem,
)
from services.follow.proven_chunks import ProvenChunks, Ready
from services.follow.suspects import RootOf

_PASSING = (*LOG_TROUBLES, SinkUnavailableProblem)
_SECOND_MS = 1000
_STEP_SECONDS_MIN = 1.0  # between two steps that found nothing: a log that answers long polls at once is not hammered
_BACKOFF_SECONDS_MIN = 0.25
_CHUNKS_AHEAD = 2  # that wait, proven, for the chunk before to be applied; one more may be under way


class Follower:
    """Follows one log into one sink. One task runs it; `health` and `position` may be read from the same loop."""

    def __init__(
        self,
        client: LogClient,
        sink: Sink,
        *,
        verifier_key: str,
        policy: Policy | None = None,
        registrar: Sequence[Pin] = (),
        clock: Callable[[], Moment],
        monotonic: Callable[[], float] = time.monotonic,
        bounds: FollowBounds | None = None,
        known_fault: LogEvidence | None = None,
        known_suspects: Iterable[bytes] = (),
        root_of: RootOf | None = None,
        observer: Observer | None = None,
        tell: Callable[[FollowerKnowledge], None] | None = None,
    ) -> None:
        """Take the log's vkey and perhaps a witness policy; raises `MalformedProblem` or `InvalidProblem` for the key.

        Where `registrar` or the policy has pins, the log has to begin as one of them says.
        `known_fault` is conclusive evidence kept from an earlier run: such a log is not followed any further.
        `known_suspects` are signed checkpoints that it could not compare (`Observer.unproven`); `root_of` asks our own
        tiles for an older root. `tell` is called with all that is known, each time that it changes.
        """
        self._client = client
        self._sink = sink
        self._key = parse_vkey(verifier_key)
        self._policy = policy or Policy()
        self._pins = tuple(dict.fromkeys((*registrar, *self._policy.pins)))
        self._clock = clock
        self._monotonic = monotonic
        self._bounds = bounds or FollowBounds()
        self._observer = observer or Observer()
        self._position: Position | None = None
        self._checkpoints = Checkpoints(
            client, key=self._key, policy=self._policy, clock=clock, suspects=known_suspects, root_of=root_of
        )
        self._kept_suspects = self._checkpoints.suspects.notes
        self._clocks = Clocks(
            policy=self._policy,
            clock=clock,
            monotonic=monotonic,
            publish_delay_seconds=self._bounds.publish_delay_seconds,
        )
        self._held_back = HeldBack(self._clocks, clock, monotonic, self._bounds.publish_delay_seconds)
        self._checkers = SignatureCheckers(
            thread_count=self._bounds.signature_threads, process_count=self._bounds.signature_processes
        )
        self._early = EarlyChecks(self._checkers)
        self._chunks = ProvenChunks(
            client,
            origin=self.origin,
            checkpoints=self._checkpoints,
            clocks=self._clocks,
            early=self._early,
            clock=clock,
            bounds=self._bounds,
        )
        self._health_policy = HealthPolicy(
            is_witnessed=self._policy.quorum != NO_QUORUM,
            is_pinned=bool(self._pins),
            freshness_seconds_max=self._bounds.freshness_seconds_max,
            clock=clock,
            monotonic=monotonic,
        )
        self._condition = Condition(stop=FaultyLogProblem(known_fault) if known_fault else None, tell=tell)
        self._unkept: LogEvidence | None = None
        """Conclusive evidence that could not be kept yet."""

    @property
    def origin(self) -> Origin:
        """The name of the log, which is the name of its key."""
        return Origin(self._key.name)

    @property
    def position(self) -> Position | None:
        """The position that was applied last, or None before the first step and while one is being stored."""
        return self._position

    def health(self) -> Health:
        """Return how far the projection can be relied on now; read it before the projection, never after."""
        return self._health_policy.health(self._condition.known)

    def imported(self, *, is_imported: bool) -> None:
        """Say with all that is known that the projection rests on somebody's snapshot, or does no longer."""
        self._condition.imported(is_imported=is_imported)

    async def accuse(self, evidence: LogEvidence) -> None:
        """Hold evidence that was found elsewhere against the log, as if a step had found it."""
        self._condition.stopped(FaultyLogProblem(evidence))
        await self._convict(evidence)

    def suspect(self, opened: OpenedCheckpoint) -> None:
        """Compare what the log signed for somebody else when our own tree has its size; kept with the next step."""
        self._checkpoints.suspects.add(opened)

    async def run(self) -> None:
        """Follow for ever; ends only by cancellation, or by a fault of ours or of the sink (which is raised).

        After conclusive evidence against the log, or at rules that are not known, nothing more is applied.
        """
        failures = 0
        while not self._condition.is_halted:
            begun = self._monotonic()
            try:
                count = await self.step(wait_seconds=self._bounds.poll_seconds)
            except (*_PASSING, FaultyLogProblem, UnknownRulesProblem, ClockBehindProblem) as problem:
                failures += 1
                self._observer.troubled(problem)
                pause_seconds = self._backoff_seconds(failures, problem)
            else:
                failures = 0
                pause_seconds = 0.0 if count else max(0.0, _STEP_SECONDS_MIN - (self._monotonic() - begun))
            await asyncio.sleep(pause_seconds)
        while True:  # for ever: what was proven stays readable, and health says why it is not enough
            await self._keep_evidence()
            await asyncio.sleep(self._bounds.backoff_seconds_max)

    async def _convict(self, evidence: LogEvidence) -> None:
        """Say that the log is faulty, and have what shows it to everybody kept, now or as soon as that is possible."""
        await self._observer.faulted(evidence)
        if evidence.is_conclusive:
            self._unkept = evidence
            await self._keep_evidence()

    async def _keep_evidence(self) -> None:
        """Have evidence kept; what keeps it from that passes, and it is tried again, for the log may never show it."""
        if self._unkept is not None:
            with contextlib.suppress(SinkUnavailableProblem):
                await self._observer.convicted(self._unkept)
                self._unkept = None

    def _backoff_seconds(self, failures: int, problem: Problem) -> float:
        """Exponential with jitter; what the log asked for counts, within the bound."""
        asked = problem.retry_after_seconds or 0.0
        ceiling = min(self._bounds.backoff_seconds_max, _BACKOFF_SECONDS_MIN * 2 ** min(failures, 10))
        return min(self._bounds.backoff_seconds_max, max(asked, random.uniform(ceiling / 2, ceiling)))

    async def step(self, *, wait_seconds: float = 0.0) -> int:
        """Fetch one checkpoint, waiting for a larger one for so long, and apply up to it; return how many entries.

        Raises `LogUnreachableProblem`, `LogProblem`, `LogAnswerProblem`, `QuorumProblem` or
        `SinkUnavailableProblem` (try again),
        `FaultyLogProblem`, `ClockBehindProblem` and `UnknownRulesProblem` (after applying what stands before the
        fault), and `ForeignPositionProblem`.
        """
        condition = self._condition
        if condition.is_halted and condition.stop is not None:
            raise condition.stop
        begun = self._monotonic()
        try:
            count = await self._step(wait_seconds)
        except SinkMovedProblem:
            self._position = None  # the next step begins where the other process is
            return 0
        except (FaultyLogProblem, UnknownRulesProblem, ClockBehindProblem) as stop:
            condition.stopped(stop)
            if isinstance(stop, FaultyLogProblem):
                await self._convict(stop.evidence)
            raise
        except _PASSING as problem:
            condition.troubled(problem.detail)
            raise
        finally:
            await self._keep_suspects()
        self._observer.settled()
        if count and self._position is not None:
            self._observer.advanced(self._position, count, self._monotonic() - begun)
        return count

    async def _keep_suspects(self) -> None:
        """Have what is still to be compared kept, where it changed; a failure of that is tried at the next step."""
        notes = self._checkpoints.suspects.notes
        if notes != self._kept_suspects:
            with contextlib.suppress(SinkUnavailableProblem):
                await self._observer.unproven(notes)
                self._kept_suspects = notes

    async def _step(self, wait_seconds: float) -> int:
        # (1) Where we are, and what the log shows now.
        position = await self._current()
        begun_at = position.size
        await self._checkpoints.compare_older(position)
        note = await self._client.checkpoint_after(begun_at, wait_seconds=wait_seconds) if wait_seconds else None
        note = note or await self._client.checkpoint()
        fetched_at, fetched_monotonic = self._clock(), self._monotonic()
        # (2) Signed by the log, cosigned as the policy asks.
        opened = self._checkpoints.opened(note)
        # (3) Consistent with what was proven before.
        if opened.checkpoint.size < begun_at:
            self._condition.troubled(
                f"The log shows {opened.checkpoint.size} entries; {position.size} are known already"
            )
            await self._checkpoints.check_older(position, opened)
            return 0
        await self._checkpoints.check_newer(position, opened)
        asking = asyncio.create_task(self._held_back.ask(self._client, opened), name="follower-held")
        try:
            # (4) Entries in chunks, each proven before it is applied.
            if position.size < opened.checkpoint.size:
                position = await self._catch_up(position, opened)
            # (5) What it says it holds beyond that; (6) the projection holds all that the log shows: remember when.
            await asking
        finally:
            await ended(asking)
        self._held_back.holds(self._checkpoints.suspects.largest_size, opened.checkpoint.size)
        words = self._held_back.words(opened.checkpoint.size) or self._checkpoints.suspects.words()
        if words is not None:
            self._condition.troubled(words)
        else:
            await self._caught_up(position, opened, fetched_at, fetched_monotonic, is_moved=position.size > begun_at)
        return position.size - begun_at

    async def _current(self) -> Position:
        """Return the position, read from the sink where it is not certain, and checked to be of this log."""
        if self._position is None:
            stored = await self._sink.position()
            if stored is not None:
                self._checkpoints.check_own(stored)
                await pins.check_begun(self._pins, self._sink, stored, now=self._clock())
                self._condition.restored(stored)
                self._clocks.restored(stored)
            self._position = stored or Position()
        return self._position

    async def _catch_up(self, position: Position, opened: OpenedCheckpoint) -> Position:
        """Apply everything up to the checkpoint, and return the position there.

        Two tasks side by side: one fetches and proves chunks, and begins to check their signatures, while the other
        judges and applies the one before. Chunks are applied in their order; what stops one is raised after all before
        it.
        """
        ready: asyncio.Queue[Ready] = asyncio.Queue(maxsize=_CHUNKS_AHEAD)
        async with contextlib.AsyncExitStack() as stack:
            if opened.checkpoint.size - position.size >= self._bounds.processes_from_entries:
                await stack.enter_async_context(self._checkers.processes())
            stack.push_async_callback(self._early.drop)
            fetching = asyncio.create_task(self._chunks.fetch(position, opened, ready), name="follower-fetch")
            stack.push_async_callback(ended, fetching)
            while position.size < opened.checkpoint.size:
                position = await self._apply_next(position, opened, await ready.get())
        return position

    async def _apply_next(self, position: Position, opened: OpenedCheckpoint, found: Ready) -> Position:
        if isinstance(found, Exception):
            raise found
        # (4.4) One transaction of the sink for what holds.
        proven, begun = found
        position, stop = await self._judge_and_apply(position, opened, proven, begun)
        stop = stop or proven.stop
        if isinstance(stop, FaultyLogProblem):
            raise proven.read.accused(stop, opened.encoded)
        if stop is not None:
            raise stop
        return position

    async def _judge_and_apply(
        self, position: Position, opened: OpenedCheckpoint, proven: chunk.ProvenChunk, begun: Begun
    ) -> tuple[Position, chunk.Stop | None]:
        """Apply the candidates up to the first that breaks a rule or whose signature is bad; return what stopped it."""
        candidates, now = proven.candidates, proven.now
        book, verdicts = await self._judged(candidates, now=now)
        stop = verdicts.stop
        bad = await self._early.first_bad(begun, candidates, verdicts.checks)
        if bad is not None:
            stop, candidates = chunk.signature_fault_of(candidates, verdicts, bad, now=now), candidates[:bad]
            book, verdicts = await self._judged(candidates, now=now)
        elif stop is None and proven.is_untimely:
            stop, candidates = proven.stop, candidates[:-1]
            book, verdicts = await self._judged(candidates, now=now)
        applied = chunk.applied(candidates, verdicts.stamps)
        pins.check_opening(self._pins, applied, opened.encoded, now=now)
        if applied:
            is_whole = applied[-1].index + 1 == proven.after.size
            position = replace(proven.after if is_whole else chunk.moved(position, applied), checkpoint=opened.encoded)
            await self._store(book, applied, position)
        return position, stop

    async def _judged(self, candidates: list[chunk.Candidate], *, now: Moment) -> tuple[Book, chunk.Verdicts]:
        book = Book()
        await self._sink.load(book, [candidate.opened for candidate in candidates])
        return book, await asyncio.to_thread(chunk.judge, book, self.origin, candidates, now=now)

    async def _store(self, book: Book, applied: list[Applied], position: Position) -> None:
        """If we are interrupted here, only the sink knows whether it happened: it is asked again."""
        self._position = None
        await self._sink.apply(book, applied, position)
        self._position = position

    async def _caught_up(
        self,
        position: Position,
        opened: OpenedCheckpoint,
        fetched_at: Moment,
        fetched_monotonic: float,
        *,
        is_moved: bool,
    ) -> None:
        """Take the time, and store it where entries came or the stored one is old enough."""
        witnessed_at = self._clocks.witnessed_at(opened, fetched_at)
        self._clocks.witnessed(opened)
        stored_ms = to_ms(position.fetched_at) if position.fetched_at else 0
        is_old = not 0 <= to_ms(fetched_at) - stored_ms < self._bounds.remember_seconds * _SECOND_MS
        if is_moved or is_old:
            seen = self._clocks.last(position.size)
            fresh = replace(
                position,
                checkpoint=opened.encoded,
                fetched_at=fetched_at,
                witnessed_at=witnessed_at,
                seen_at=seen.at if seen else None,
                seen_size=TreeSize(seen.size) if seen else TreeSize(0),
            )
            await self._store(Book(), [], fresh)
        self._condition.caught_up(
            self._position or position,
            fetched_at=fetched_at,
            fetched_monotonic=fetched_monotonic,
            witnessed_at=witnessed_at,
            shown_at=self._clocks.newest_witnessed(opened) if witnessed_at is None else None,
        )
        if witnessed_at is None and self._policy.quorum != NO_QUORUM:
            self._condition.troubled("The witnesses' cosignatures carry times that are still to come: check the clocks")
