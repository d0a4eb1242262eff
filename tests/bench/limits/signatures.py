"""Limit: Ed25519 with PyNaCl in as many processes as the machine has workers here. Knows nothing of events."""

import functools
import time
from collections.abc import Callable

import nacl.bindings

from tests.bench.crew import Crew, Measure

MESSAGE_BYTES = 600
GROUP = 50
"""Signatures between two looks at the clock."""
_Rate = tuple[int, float]


def verify(seconds: float) -> _Rate:
    """Verify one signature over 600 bytes again and again; return how often, and the seconds taken."""
    public, secret = nacl.bindings.crypto_sign_keypair()
    signed = nacl.bindings.crypto_sign(bytes(MESSAGE_BYTES), secret)
    return _repeat(lambda _: nacl.bindings.crypto_sign_open(signed, public), seconds)


def sign_and_verify(seconds: float) -> _Rate:
    """Sign 600 bytes and verify the signature, again and again: what issuing one credential costs at the least."""
    public, secret = nacl.bindings.crypto_sign_keypair()
    rest = bytes(MESSAGE_BYTES - 8)

    def once(number: int) -> None:
        signed = nacl.bindings.crypto_sign(number.to_bytes(8, "big") + rest, secret)
        nacl.bindings.crypto_sign_open(signed, public)

    return _repeat(once, seconds)


def _repeat(once: Callable[[int], object], seconds: float) -> _Rate:
    count, started = 0, time.perf_counter()
    while (taken := time.perf_counter() - started) < seconds:
        for number in range(count, count + GROUP):
            once(number)
        count += GROUP
    return count, taken


def verify_limit(crew: Crew, seconds: float) -> Measure:
    """Return a measure of verifications per second, all workers together."""
    return functools.partial(_per_second, crew, verify, seconds)


def sign_and_verify_limit(crew: Crew, seconds: float) -> Measure:
    """Return a measure of signatures made and verified per second, all workers together."""
    return functools.partial(_per_second, crew, sign_and_verify, seconds)


async def _per_second(crew: Crew, function: Callable[[float], _Rate], seconds: float, _round: int) -> float:
    return sum(count / taken for count, taken in await crew.all(function, seconds))
