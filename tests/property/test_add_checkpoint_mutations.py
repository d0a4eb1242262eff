"""No change of a request leads a witness to cosign: not a byte flipped, dropped, doubled or moved from elsewhere."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proto.log.checkpoint import cosign, with_cosignatures
from proto.log.note import SignatureProblem
from proto.log.witness import origin_hash
from proto.problem import MalformedProblem, Problem
from services.verifier.witness.memory import WitnessMemory
from services.verifier.witness.witness import Witness
from tests.support.witnesses import LOG, ORIGIN, History, witness_key

HISTORY = History().grow(21)
OLD, NEW = 6, 21
REQUEST = HISTORY.request(OLD, NEW).encode()
KEY = witness_key("w")


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessMemory]:
    """The memory of a witness that cosigned the tree of `OLD` leaves."""
    made = WitnessMemory(tmp_path_factory.mktemp("witness") / "w.sqlite")
    asyncio.run(Witness(KEY, [LOG.verifier], made).add_checkpoint(HISTORY.request(0, OLD).encode()))
    yield made
    made.close()


async def refused(memory: WitnessMemory, bodies: list[bytes]) -> None:
    """Assert that none of the bodies is cosigned, and that the memory stays as it was."""
    witness = Witness(KEY, [LOG.verifier], memory)
    before = await memory_of(witness)
    for body in bodies:
        if body == REQUEST:
            continue
        with pytest.raises(Problem) as refusal:
            await witness.add_checkpoint(body)
        assert refusal.value.status in {400, 403, 404, 409, 422}, body
    assert await memory_of(witness) == before


async def memory_of(witness: Witness) -> bytes:
    return await witness.last_checkpoint(origin_hash(ORIGIN))


async def test_no_single_byte_of_a_request_may_change(memory: WitnessMemory) -> None:
    for flip in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF):
        bodies = [REQUEST[:at] + bytes([byte ^ flip]) + REQUEST[at + 1 :] for at, byte in enumerate(REQUEST)]
        await refused(memory, bodies)


async def test_no_byte_of_a_request_may_be_missing_or_be_there_twice(memory: WitnessMemory) -> None:
    await refused(memory, [REQUEST[:at] + REQUEST[at + 1 :] for at in range(len(REQUEST))])
    await refused(memory, [REQUEST[: at + 1] + REQUEST[at:] for at in range(len(REQUEST))])
    await refused(memory, [REQUEST[:at] for at in range(len(REQUEST))])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, len(REQUEST) - 1), length=st.integers(0, 40), word=st.binary(max_size=40))
def test_no_part_of_a_request_may_be_replaced(memory: WitnessMemory, at: int, length: int, word: bytes) -> None:
    asyncio.run(refused(memory, [REQUEST[:at] + word + REQUEST[at + length :]]))


def lines_of(history: History, *sizes: int) -> list[bytes]:
    """Return every line of requests between these sizes."""
    found = [history.request(old, new).encode().split(b"\n") for old in sizes for new in sizes if old <= new]
    return [line for lines in found for line in lines]


OTHERS = lines_of(HISTORY, 5, 6, 7, 20, 21) + lines_of(HISTORY.fork(6, 15, "another"), 6, 20, 21)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_line_of_another_request_may_stand_in_it(memory: WitnessMemory, data: st.DataObject) -> None:
    lines = REQUEST.split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(OTHERS))
    asyncio.run(refused(memory, [b"\n".join(lines)]))


def test_no_single_byte_of_a_cosignature_may_change() -> None:
    note = HISTORY.signed().note
    text = cosign(note, KEY, 1_800_000_000).text
    good = with_cosignatures(note, text, KEY.verifier)
    for flip in (0x01, 0x10, 0x40):
        for at, character in enumerate(text):
            changed = text[:at] + chr(ord(character) ^ flip) + text[at + 1 :]
            with pytest.raises((SignatureProblem, MalformedProblem)):
                with_cosignatures(note, changed, KEY.verifier)
    assert with_cosignatures(note, text, KEY.verifier) == good


async def test_the_unchanged_request_is_cosigned(memory: WitnessMemory) -> None:
    line = await Witness(KEY, [LOG.verifier], memory).add_checkpoint(REQUEST)
    assert KEY.verifier.verifies(HISTORY.signed().note.text, line.payload)
