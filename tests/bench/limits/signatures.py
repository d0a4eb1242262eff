"""Limit: Ed25519 with PyNaCl in as many processes as the machine has workers here. Knows nothing of events."""

import functools
import time
from collections.abc import Callable

import nacl.bindings

from tests.bench.crew import Crew, Measure

MESSAGE_BYTES = 600
VERIFY_COUNT = 3_000
SIGN_AND_VERIFY_COUNT = 2_000


def verify(count: int) -> None:
    """Verify one signature over 600 bytes `count` times."""
    public, secret = nacl.bindings.crypto_sign_keypair()
    signed = nacl.bindings.crypto_sign(bytes(MESSAGE_BYTES), secret)
    for _ in range(count):
        nacl.bindings.crypto_sign_open(signed, public)


def sign_and_verify(count: int) -> None:
    """Sign 600 bytes and verify the signature, `count` times: what issuing one credential costs at the least."""
    public, secret = nacl.bindings.crypto_sign_keypair()
    for number in range(count):
        message = number.to_bytes(4, "big") + bytes(MESSAGE_BYTES - 4)
        nacl.bindings.crypto_sign_open(nacl.bindings.crypto_sign(message, secret), public)


def verify_limit(crew: Crew) -> Measure:
    """Return a measure of verifications per second, all workers together."""
    return functools.partial(_per_second, crew, verify, VERIFY_COUNT)


def sign_and_verify_limit(crew: Crew) -> Measure:
    """Return a measure of signatures made and verified per second, all workers together."""
    return functools.partial(_per_second, crew, sign_and_verify, SIGN_AND_VERIFY_COUNT)


async def _per_second(crew: Crew, function: Callable[[int], None], count: int, _round: int) -> float:
    started = time.perf_counter()
    done = await crew.all(function, count)
    return len(done) * count / (time.perf_counter() - started)
