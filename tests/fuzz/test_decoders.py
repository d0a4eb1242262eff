"""No bytes of a stranger make a decoder do anything but return or refuse, and none keep it busy without end.

The seeds are tried as they are, then inputs near to them: a fixed number, or with `CREDENTIFY_FUZZ_SECONDS=600` for so
long on a processor, all decoders together, with another beginning each time; what else the machine does takes no input
away. What is found is printed: put it into the decoder's folder of seeds, where it is tried for ever.
"""

import faulthandler
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from proto.problem import Problem
from tests.fuzz.decoders import DECODERS
from tests.fuzz.mutations import mutated

SEEDS = Path(__file__).parent / "seeds"
SECONDS = float(os.environ.get("CREDENTIFY_FUZZ_SECONDS", "0"))
INPUTS = 400
STUCK_SECONDS = 120.0


def seeds_of(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((SEEDS / name).iterdir())]


def inputs(name: str) -> Iterator[bytes]:
    seeds = seeds_of(name)
    yield from seeds
    random = Random(secrets.randbits(64) if SECONDS else name)
    ends_at = time.process_time() + SECONDS / len(DECODERS)
    count = 0
    while time.process_time() < ends_at if SECONDS else count < INPUTS:
        count += 1
        yield mutated(seeds, random)


@pytest.fixture
def never_stuck() -> Iterator[None]:
    """Let a decoder that never ends be the end of this process, with its stack; a library may hold the interpreter."""
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(STUCK_SECONDS + SECONDS, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_returns_or_refuses_whatever_comes(name: str, never_stuck: None) -> None:
    decode = DECODERS[name]
    for data in inputs(name):
        try:
            decode(data)
        except Problem:  # a refusal with words
            continue
        except Exception as error:
            error.add_note(f"{name} of {len(data)} bytes: {data[:2_000]!r}")
            raise


def test_every_folder_of_seeds_has_its_decoder_and_every_decoder_has_seeds() -> None:
    assert {path.name for path in SEEDS.iterdir()} == set(DECODERS)
    assert all(map(seeds_of, DECODERS))
