"""Processes that make RDF forms: what one is stuck on ends it and nothing else, and nobody else waits for it."""

import asyncio
import hashlib
import os
from collections.abc import Callable

import msgspec
import pytest

from services.crypto import rdf_processes
from services.crypto.rdf_canonical import CanonicalForm, UndefinedTermsProblem, UnsupportedJsonLdProblem, form_of
from services.crypto.rdf_processes import FormMakers, forms_apart
from tests.support.blank_nodes import ring
from tests.support.documents import full_document

DOCUMENT = msgspec.json.encode(full_document())
STUCK = """
import hashlib, sys
from services.crypto.messages import framed
from services.crypto.rdf_worker import FormAnswer, FormAnswers
import msgspec
out, got = sys.stdout.buffer, sys.stdin.buffer
answer = FormAnswers(())
while True:
    out.write(framed(answer)); out.flush()
    head = got.read(4)
    if len(head) < 4:
        break
    nodes = msgspec.msgpack.decode(got.read(int.from_bytes(head)))
    while nodes[0] == b"endless":
        hashlib.sha256(nodes[0])
    if nodes[0] == b"gone":
        sys.exit(3)
    answer = FormAnswers(tuple(FormAnswer(hashlib.sha256(node).digest()) for node in nodes))
"""


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not is_so():  # noqa: ASYNC110 - the processes say nothing when they are warm
            await asyncio.sleep(0.01)


def digest(form: object) -> bytes:
    assert isinstance(form, CanonicalForm), form
    return form.digest


async def test_forms_are_those_that_are_made_here() -> None:
    document = full_document()
    document["credentialSubject"]["favouriteColour"] = "red"
    makers = FormMakers(process_count=2)
    async with makers.processes():
        whole, gappy, knot, none = await makers.forms(
            [DOCUMENT, msgspec.json.encode(document), msgspec.json.encode(ring(48, 1, 2)), b"[[["]
        )
    assert digest(whole) == digest(gappy) == form_of(full_document()).digest
    assert isinstance(gappy, CanonicalForm)
    assert isinstance(gappy.gap, UndefinedTermsProblem)
    assert gappy.gap.members["undefined"] == ["favouriteColour"]
    assert isinstance(knot, UnsupportedJsonLdProblem)
    assert isinstance(none, UnsupportedJsonLdProblem)


async def test_one_process_is_warm_and_another_begins_once_two_ask_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rdf_processes, "QUICK_SECONDS", 120.0)  # no process is ended because the machine is slow
    makers = FormMakers(process_count=2, program=("-c", STUCK))
    async with makers.processes(warm_count=1):
        await until(lambda: len(makers.pids) == 1)
        [first] = makers.pids
        await makers.forms([DOCUMENT])
        assert makers.pids == [first]
        (one,), (other,) = await asyncio.gather(makers.forms([DOCUMENT]), makers.forms([DOCUMENT]))
        assert digest(one) == digest(other)
        assert len(makers.pids) == 2


def test_forms_made_apart_are_those_that_are_made_here() -> None:
    document = full_document()
    assert forms_apart([document, document]) == [form_of(document)] * 2
    with pytest.raises(UnsupportedJsonLdProblem):
        forms_apart([document, ring(48, 1, 2)])


async def test_a_process_that_is_stuck_is_killed_and_another_takes_its_place() -> None:
    makers = FormMakers(process_count=2, program=("-c", STUCK))
    async with makers.processes():
        await until(lambda: len(makers.pids) == 2)
        before = set(makers.pids)
        (stuck,) = await makers.forms([b"endless"])
        assert isinstance(stuck, UnsupportedJsonLdProblem)
        assert "too long" in stuck.detail
        await until(lambda: len(makers.pids) == 2)
        assert len(before & set(makers.pids)) == 1
        (gone,) = await makers.forms([b"gone"])
        assert isinstance(gone, UnsupportedJsonLdProblem)
        (after,) = await makers.forms([DOCUMENT])
        assert digest(after) == hashlib.sha256(DOCUMENT).digest()


async def test_quick_documents_do_not_wait_for_endless_ones() -> None:
    makers = FormMakers(process_count=2, program=("-c", STUCK))
    async with makers.processes():
        await until(lambda: len(makers.pids) == 2)
        endless = [asyncio.create_task(makers.forms([b"endless"])) for _ in range(2)]
        await asyncio.wait(endless, return_when=asyncio.FIRST_COMPLETED)
        (quick,) = await makers.forms([DOCUMENT])
        assert digest(quick)
        assert not all(task.done() for task in endless), "the second is given up early, the first has its whole time"
        assert all(
            isinstance(form, UnsupportedJsonLdProblem) for forms in await asyncio.gather(*endless) for form in forms
        )


async def test_no_process_is_left_behind() -> None:
    makers = FormMakers(process_count=2, program=("-c", STUCK))
    async with makers.processes():
        await until(lambda: len(makers.pids) == 2)
        pids = list(makers.pids)
        asking = asyncio.create_task(makers.forms([b"endless"]))
        await until(lambda: len(makers.pids) == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
