"""Which modules of the verifier a document passes on its way to a verdict, and whether it comes back to one.

What is counted: a module of `services.verifier` is passed when one of its functions is given the document by a function
of another module. Given is the document as its bytes, as `SentDocument`, as what was read of it (`ReadDocument`,
`Document`), as its decoded content or as the grounds that hold it; a thread or a task between the two does not matter.
What is not counted: methods of the document itself (reading its content is no visit), modules that learn only what
follows from it (the judgement, its sentences, a place, a quota), and modules outside of the verifier.

A document comes back to a module when a second module gives it to it.
"""

import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from services.verifier.documents.reader import ReadDocument, SentWithLists
from services.verifier.documents.sent_document import SentDocument
from services.verifier.verdict.grounds import Document, Grounds
from tests.support.awarded import award, documented
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

MODULES_MAX = 8
RETURNS_MAX = 1
_ROOM = "services.verifier."
_HOLDERS = (SentDocument, SentWithLists, ReadDocument, Document, Grounds)


class Way:
    """Writes down which module gave a document to which, as calls happen in every thread."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.given: dict[tuple[str, str], None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event != "call" or not module.startswith(_ROOM) or not self._is_given(frame):
            return
        giver = _caller(frame)
        if giver != module:
            self.given.setdefault((giver, module))

    @property
    def modules(self) -> list[str]:
        """The modules in the order in which the document came to them."""
        return list(dict.fromkeys(module for _, module in self.given))

    @property
    def returns(self) -> list[str]:
        """The modules to which it came back."""
        seen: list[str] = []
        again: list[str] = []
        for _, module in self.given:
            (again if module in seen else seen).append(module)
        return again

    def _is_given(self, frame: FrameType) -> bool:
        code = frame.f_code
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        values = [frame.f_locals.get(name) for name in names]
        if names[:1] == ("self",) and isinstance(values[0], _HOLDERS):
            return False
        return any(self._is_document(value) for value in values)

    def _is_document(self, value: Any) -> bool:
        if isinstance(value, _HOLDERS):
            return True
        if isinstance(value, bytes):
            return value == self._data
        return isinstance(value, Mapping) and "credentialSubject" in value


def _caller(frame: FrameType) -> str:
    """Return the nearest module of the verifier that waits for this call, "" where a thread or the server began it."""
    above = frame.f_back
    while above is not None:
        module = above.f_globals.get("__name__", "")
        if module.startswith(_ROOM):
            return str(module)
        above = above.f_back
    return ""


@contextmanager
def traced(data: bytes) -> Iterator[Way]:
    """Trace every call while the block runs, in this thread and in those that begin in it."""
    way = Way(data)
    threading.setprofile(way)
    sys.setprofile(way)
    try:
        yield way
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    world = World(start=lately())
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


@pytest.mark.parametrize("kind", ["on the log", "altered", "of nobody here"])
async def test_a_document_passes_few_modules_and_comes_back_to_one_at_most(verifier: Verifier, kind: str) -> None:
    world = verifier.world
    school = world.admit("school")
    awarded = award(world, school)
    await verifier.catches_up()
    data = awarded.data
    if kind == "altered":
        data = documented(world, school).data
    if kind == "of nobody here":
        data = documented(world, world.party("stranger")).data
    with traced(data) as way:
        answer = await verifier.post(data)
    assert answer["verdict"] == {"on the log": "valid", "altered": "invalid"}.get(kind, "indeterminate")
    assert "services.verifier.verdict.verdict" in way.modules, "the whole way was seen, threads and all"
    assert len(way.modules) <= MODULES_MAX, way.modules
    assert len(way.returns) <= RETURNS_MAX, way.returns
