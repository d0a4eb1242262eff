"""A question about a document has a deadline, and those of one client address leave places for others."""

import asyncio
from typing import Any, cast

import pytest

from proto.ids import Origin
from proto.moment import Moment
from proto.problem import BusyProblem
from services.crypto.rdf_processes import FormMakers
from services.follow import Health
from services.verifier.answers import service
from services.verifier.answers.questions import Moments
from services.verifier.answers.service import PLACES, PLACES_PER_ADDRESS, AnswerService
from services.verifier.documents.sent_document import SentDocument
from services.verifier.projection.reader import ProjectionReader

NOW = Moment("2026-06-01T00:00:00.000Z")


class HealthOfNow:
    """Records that can be relied on."""

    origin = Origin("log.example")

    def health(self) -> Health:
        return Health(state="healthy", detail="", age_seconds=0.0, time=NOW, time_source="log")


class SlowRecords:
    """Records that take for ever to read."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[None] = asyncio.Queue()

    async def read(self, _: object) -> Any:
        self.asked.put_nowait(None)
        await asyncio.Event().wait()


def service_of(records: SlowRecords) -> AnswerService:
    return AnswerService(
        cast(ProjectionReader, records),
        HealthOfNow(),
        FormMakers(process_count=1),
        clock=lambda: NOW,
        count=lambda _: None,
    )


async def test_a_question_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "QUESTION_SECONDS_MAX", 0.01)
    asked = service_of(SlowRecords())
    for _ in range(PLACES_PER_ADDRESS + 1):  # who gave up has left the place
        with pytest.raises(BusyProblem):
            await asked.document(SentDocument(b"{}"), Moments(), address="a")


async def test_the_documents_of_one_address_leave_places_for_others() -> None:
    records = SlowRecords()
    asked = service_of(records)
    questions = [
        asyncio.create_task(asked.document(SentDocument(b"{}"), Moments(), address=address))
        for address in (*["a"] * PLACES, "b")
    ]
    async with asyncio.timeout(120):
        for _ in range(PLACES_PER_ADDRESS + 1):
            await records.asked.get()
    assert records.asked.empty()
    for question in questions:
        question.cancel()
    await asyncio.gather(*questions, return_exceptions=True)
