"""A projection of as many credentials as asked for, filled by the verifier's own code, without a ledger and fast.

Entries are built, hashed, opened, judged by the rules and stored as a follower does it; only the signatures are no
signatures and are not checked, because making and checking a million takes minutes and leaves no trace in the file.
"""

import asyncio
import functools
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import uuid_utils

from proto import events
from proto.base64_strict import encode_base64
from proto.envelope import PAYLOAD_TYPE, Envelope, Signature
from proto.ids import AchievementUri, CredentialId, LeafIndex
from proto.lifecycle import Book
from proto.log import entry as entries
from proto.log.checkpoint import Checkpoint, sign_checkpoint
from proto.log.merkle import leaf_hash
from proto.moment import Moment, from_datetime
from services.follow import Position, chunk
from services.verifier.projection.store import Store
from tests.bench.signing import institution
from tests.support.statements import SCOPE
from tests.support.worlds import FirstWorld, World

PER_TRANSACTION = 1_000
STEPS = 10
"""How often the speed is noted on the way."""
SAMPLE_MAX = 20_000
"""Credential ids that are handed back to be asked for."""
_NO_SIGNATURE = encode_base64(bytes(64))


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A filled projection: what a verifier needs to follow on from it, and how fast it grew.

    `speeds` are pairs of size and entries per second over the last part of the way there.
    """

    checkpoint: bytes
    log_key: str
    ids: list[CredentialId]
    file_bytes: int
    speeds: list[tuple[float, float]]


def fill(path: Path, count: int) -> Filled:
    """Fill the file with `count` credentials; blocks. Runs in a worker."""
    return asyncio.run(_fill(path, count))


async def _fill(path: Path, count: int) -> Filled:
    world = FirstWorld(step_ms=0)
    world.now_ms = int(time.time() * 1000)
    party = institution(1)
    world.parties[party.did] = party
    world.say(world.admission(party, uri_prefixes=[party.url], scope=SCOPE))
    store, filling = Store(path), _Filling(world)
    try:
        for lines in filling.chunks(count):
            await _apply(store, filling, lines)
            filling.note_speed(count)
        note = sign_checkpoint(
            Checkpoint(origin=world.origin, size=filling.position.size, root_hash=filling.position.root_hash),
            world.log_key,
        ).encode()
        await store.apply(Book(), [], msgspec.structs.replace(filling.position, checkpoint=note))
    finally:
        store.close()
    chosen = filling.ids[:: max(1, len(filling.ids) // SAMPLE_MAX)]
    return Filled(
        checkpoint=note,
        log_key=world.log_key.verifier.text,
        ids=chosen,
        file_bytes=sum(file.stat().st_size for file in path.parent.glob(path.name + "*")),
        speeds=filling.speeds,
    )


async def _apply(store: Store, filling: "_Filling", lines: list[bytes]) -> None:
    """Do with the lines what a follower does, signatures apart."""
    origin, now = filling.world.origin, filling.world.now
    leaves, _ = chunk.hash_chunk(filling.position.tree(), lines)
    candidates, stop = chunk.open_chunk(filling.position, origin, lines, leaves, now=now)
    book = Book()
    await store.load(book, [candidate.opened for candidate in candidates])
    verdicts = chunk.judge(book, origin, candidates, now=now)
    assert (stop or verdicts.stop) is None, stop or verdicts.stop
    applied = chunk.applied(candidates, verdicts.stamps)
    filling.position = chunk.moved(filling.position, applied)
    await store.apply(book, applied, filling.position)


class _Filling:
    """How far the filling has come."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.position = Position()
        self.ids: list[CredentialId] = []
        self.speeds: list[tuple[float, float]] = []
        self._noted_at, self._noted_size = time.perf_counter(), 0

    def chunks(self, count: int) -> Iterator[list[bytes]]:
        """Yield the opening, then entries that issue `count` credentials, a transaction at a time."""
        yield self.world.entries
        template = _template(self.world)
        for begin in range(0, count, PER_TRANSACTION):
            yield self._issues(template, min(PER_TRANSACTION, count - begin))

    def _issues(self, template: events.CredentialIssued, count: int) -> list[bytes]:
        previous, begin, lines = self.position.last_leaf_hash, self.position.size, list[bytes]()
        for index in range(begin, begin + count):
            self.ids.append(CredentialId(secrets.token_hex(32)))
            lines.append(_line(template, self.ids[-1], index, previous, self.world.now))
            previous = leaf_hash(lines[-1])
        return lines

    def note_speed(self, count: int) -> None:
        """Note the speed of the last tenth of the way."""
        grown = self.position.size - self._noted_size
        if grown < count // STEPS:
            return
        now = time.perf_counter()
        self.speeds.append((float(self.position.size), grown / (now - self._noted_at)))
        self._noted_at, self._noted_size = now, self.position.size


@functools.cache
def _key_id() -> str:
    return institution(1).event.key_id


def _template(world: World) -> events.CredentialIssued:
    party = institution(1)
    return events.CredentialIssued(
        log=world.origin,
        issuer=party.did,
        at=world.now,
        nonce=str(uuid_utils.uuid7()),
        credential_id=CredentialId("0" * 64),
        achievement=AchievementUri(f"{party.url}achievements/1"),
        ects_hundredths=350,
        eqf_level=6,
        valid_from=from_datetime(datetime(2026, 1, 1, tzinfo=UTC)),
    )


def _line(
    template: events.CredentialIssued, credential_id: CredentialId, index: int, previous: bytes, now: Moment
) -> bytes:
    event = msgspec.structs.replace(template, credential_id=credential_id, nonce=str(uuid_utils.uuid7()))
    signature = Signature(keyid=_key_id(), sig=_NO_SIGNATURE)
    envelope = Envelope(payload=encode_base64(events.encode(event)), payload_type=PAYLOAD_TYPE, signatures=(signature,))
    return entries.encode(envelope, LeafIndex(index), previous, now)
