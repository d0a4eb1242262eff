"""Followers over a served world, a store and a clock; what they find is kept."""

import aiohttp
import pytest

from proto.log.checkpoint import cosign, with_cosignatures
from proto.log.note import parse_note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.policy import Policy, parse_policy
from proto.moment import Moment, from_ms
from services.clients.log_client import LogClient
from services.follow import (
    FaultyLogProblem,
    FollowBounds,
    Follower,
    LogEvidence,
    Observer,
    Position,
)
from services.verifier.projection.store import Store
from tests.support.served_logs import ServedLog
from tests.support.statements import secret_key
from tests.support.worlds import World

BOUNDS = FollowBounds(chunk_entries_max=3, poll_seconds=1.0, backoff_seconds_max=0.1)


class Clock:
    """A wall clock and a monotonic one, moved by the test."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.monotonic_seconds = 0.0

    def now(self) -> Moment:
        return from_ms(self.now_ms)

    def monotonic(self) -> float:
        return self.monotonic_seconds

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)
        self.monotonic_seconds += seconds


class Kept(Observer):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.evidence: list[LogEvidence] = []

    async def faulted(self, evidence: LogEvidence) -> None:
        self.evidence.append(evidence)


class Stage:
    """A served world, a store, and followers over both."""

    def __init__(self, log: ServedLog, store: Store, session: aiohttp.ClientSession) -> None:
        self.log, self.store, self.session = log, store, session
        self.world, self.clock = log.world, Clock(log.world.now_ms)
        self.kept = Kept()
        self.observer: Observer = self.kept
        self.policy: Policy | None = None
        self.bounds = BOUNDS
        self.follower = self.new()

    def new(self, **changed: object) -> Follower:
        self.follower = Follower(
            LogClient(self.session, self.log.url, timeout_seconds=5),
            self.store,
            verifier_key=str(changed.get("verifier_key", self.world.log_key.verifier.text)),
            policy=self.policy,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
            bounds=self.bounds,
            observer=self.observer,
        )
        return self.follower

    async def position(self) -> Position:
        position = await self.store.position()
        assert position is not None
        return position

    async def finds(self, kind: str, *, is_conclusive: bool) -> LogEvidence:
        """Step, and assert that the log is found to be faulty in this way."""
        with pytest.raises(FaultyLogProblem) as caught:
            await self.follower.step()
        evidence = caught.value.evidence
        assert (evidence.kind, evidence.is_conclusive) == (kind, is_conclusive), evidence.detail
        assert self.follower.health().state == "faulty"
        assert self.kept.evidence[-1] is evidence
        return evidence


def lone_witness() -> SignerKey:
    return SignerKey(name="witness.example", kind=KeyKind.COSIGNATURE, secret=secret_key("witness"))


def policy_of(witness: SignerKey) -> Policy:
    return parse_policy(f"witness w {witness.verifier.text}\nquorum w\n".encode())


def cosigned(world: World, witness: SignerKey, *, at_ms: int, size: int | None = None) -> bytes:
    """Return a checkpoint of so many entries (None: all), cosigned at that time."""
    note = parse_note(world.checkpoint(size))
    line = cosign(note, witness, at_ms // 1000)
    return with_cosignatures(note, line.text, witness.verifier).encode()
