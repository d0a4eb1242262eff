"""Routes of ESCO's skills: the operator loads the official list, anybody completes what is typed."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.documents.fields import Language
from proto.fold import fold
from proto.problem import BusyProblem, OutcomeUnknownProblem
from proto.tables.esco_csv import EscoCsvProblem, EscoSkill, read_header, read_skill
from proto.tables.records import FileRecord, RecordCutter, RecordTooLongProblem
from proto.wire.esco import EscoFoundList, EscoLoaded
from services.edge import Route, annotate, read_chunks
from services.edge.body import Turns
from services.issuer_gateway.config import LIMITS, Config
from services.issuer_gateway.http.caller import GATEWAY, OPERATOR_SCOPE, SEARCHED
from services.issuer_gateway.store import esco
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection


class EscoQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words that the labels hold, and in which language."""

    q: Annotated[
        str,
        Meta(
            pattern=SEARCHED, min_length=1, max_length=LIMITS.search_characters_max, description="What was typed so far"
        ),
    ]
    language: Language = "en"
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class LoadQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The language of the file."""

    language: Language = "en"


class _Load:
    """One file on its way into the database, some hundred skills in a transaction; loading it again changes nothing."""

    def __init__(self, unit_of_work: UnitOfWork, language: str) -> None:
        self._unit_of_work = unit_of_work
        self._language = language
        self._header: tuple[str, ...] | None = None
        self._skills: dict[str, EscoSkill] = {}
        self.count = 0
        self.foreign_count = 0

    async def add(self, record: FileRecord) -> None:
        if self._header is None:
            self._header = read_header(record)
            return
        skill = read_skill(self._header, record)
        if skill is None:
            self.foreign_count += 1
            return
        self._skills[skill.uri] = skill
        if len(self._skills) >= LIMITS.result_rows_per_read:
            await self.store()

    async def store(self) -> None:
        skills, self._skills = list(self._skills.values()), {}

        async def work(connection: Connection) -> None:
            await esco.put(connection, self._language, skills)

        if skills:
            await self._unit_of_work.in_transaction(work)
            self.count += len(skills)


async def load_skills(request: web.Request, *, query: LoadQuery) -> EscoLoaded:
    """Take ESCO's list of skills in."""
    load, cutter, turns = _Load(request.app[GATEWAY].unit_of_work, query.language), RecordCutter("csv"), Turns()
    async for chunk in read_chunks(request):
        for record in cutter.feed(chunk):
            await load.add(record)
            await turns.worked(len(record.content))
    for record in cutter.close():
        await load.add(record)
    await load.store()
    annotate(request, skills=load.count)
    return EscoLoaded(skill_count=load.count, foreign_count=load.foreign_count, language=query.language)


async def find_skills(request: web.Request, *, query: EscoQuery) -> EscoFoundList:
    """Return skills for what was typed."""
    words = fold(query.q).split()
    found = await esco.search(request.app[GATEWAY].pool, language=query.language, words=words, limit=query.limit)
    return EscoFoundList(skills=tuple(found))


def routes(config: Config) -> list[Route]:
    """Return the routes, with the bounds of their bodies as configured."""
    return [
        Route(
            "GET",
            "/v1/esco/skills",
            find_skills,
            summary="Find skills of ESCO by what is typed",
            query=EscoQuery,
            response={200: EscoFoundList},
            tag="public",
        ),
        Route(
            "PUT",
            "/v1/esco/skills",
            load_skills,
            summary="Load the official list of ESCO's skills (operator)",
            again="nothing changes, and the answer is how it stands",
            description="The CSV file of one language as ESCO offers it for download.",
            request=bytes,
            request_media=("text/csv",),
            query=LoadQuery,
            response={200: EscoLoaded},
            problems=(EscoCsvProblem, RecordTooLongProblem, BusyProblem, OutcomeUnknownProblem),
            auth="bearer",
            scope=OPERATOR_SCOPE,
            body_bytes_max=config.batch_bytes_max,
            body_timeout_seconds=config.batch_upload_seconds_max,
            streamed=True,
            tag="institutions",
        ),
    ]
