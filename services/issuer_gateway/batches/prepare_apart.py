"""Rows of large files, read and prepared by a process beside this one, on a core of its own. Stores nothing.

A row that does not come back from it (because something is wrong in it, or the process is not there) is prepared here
as any other: what becomes of a row does not depend on it. What is true if we crash here: nothing has happened, but for
places on a status list, which are never given again; the process ends with its standard input.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from proto.documents.annex_i import AnnexGate
from proto.ids import BatchId, InstitutionId
from proto.moment import Moment
from services.crypto.message_process import MessageProcess, ProcessGoneError
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.batches.batch_upload import BatchPart
from services.issuer_gateway.batches.prepare_process import AwardsKnown, AwardsNamed, PartAsked, PartMade, RowMade
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.prepared_award import EncodedSealed, PreparedAward
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement
from services.issuer_gateway.store.batches import BackgroundBatch

ANSWER_SECONDS_MAX = 60.0
START_SECONDS_MAX = 120.0
PROGRAM = ("-m", "services.issuer_gateway.batches.prepare_process")
_ROWS_AT_A_TIME = 64
_GREETING = msgspec.msgpack.Decoder(PartMade)
_NAMED = msgspec.msgpack.Decoder(AwardsNamed)
_MADE = msgspec.msgpack.Decoder(PartMade)
_ROW = msgspec.msgpack.Decoder(RowMade)
_T = TypeVar("_T")


Find = Callable[[InstitutionId, Sequence[str]], Awaitable[Mapping[str, StoredAchievement]]]
"""Finds an institution's achievements by what awards call them."""


class GivesPlaces(Protocol):
    """Who gives places on status lists, and has them back."""

    async def reserve(self, tenant: Tenant, count: int, *, following: int = 0) -> None:
        """Have so many places at hand; where some are missing, as far as possible those for `following` rows too."""

    async def place(self, tenant: Tenant) -> Given:
        """Return a place that nobody had before and nobody gets after."""

    def take_back(self, places: Iterable[Given]) -> None:
        """Have places again that no document has."""


class ReadyRow(NamedTuple):
    """A row that is ready to be issued, and what tells it from other rows of its file."""

    item: PreparedAward
    said: bytes


class PrepareApart:
    """Has the process while large files are worked on. `annex_gate` and `verifier_url` are the gateway's."""

    def __init__(
        self,
        find: Find,
        status_lists: GivesPlaces,
        parts: AchievementParts,
        *,
        annex_gate: AnnexGate,
        verifier_url: str | None,
        program: Sequence[str] = PROGRAM,
        rows_min: int = LIMITS.batch_apart_from_rows,
    ) -> None:
        self._find = find
        self._status_lists = status_lists
        self._parts = parts
        self._annex_gate = annex_gate
        self._verifier_url = verifier_url
        self._program = program
        self._rows_min = rows_min
        self._one = asyncio.Lock()
        self._process: MessageProcess | None = None
        self._starting: asyncio.Task[None] | None = None
        self._left_alone: BatchId | None = None
        """The batch with which the process ended, or could not be started: it is done here."""

    async def rows(
        self, batch: BackgroundBatch, tenant: Tenant, part: BatchPart, *, now: Moment
    ) -> dict[int, ReadyRow]:
        """Return by line those rows of a part of awards that are ready to be issued; the others are the caller's.

        Raises what a database does that is away.
        """
        if not self._is_worth_it(batch):
            return {}
        async with self._one:
            process = self._process
            if process is None:
                self._begin(batch.batch_id)
                return {}
            try:
                return await self._exchanged(process, batch, tenant, part, now=now)
            except ProcessGoneError:
                self._left_alone = batch.batch_id
                await self._end()
                return {}
            except BaseException:  # a question without its answer
                await self._end()
                raise

    def _is_worth_it(self, batch: BackgroundBatch) -> bool:
        is_large = batch.row_count >= self._rows_min and batch.batch_id != self._left_alone
        return is_large and not batch.is_dry_run

    def _begin(self, batch_id: BatchId) -> None:
        if self._starting is None or self._starting.done():
            self._starting = asyncio.create_task(self._start(batch_id), name="prepare-process")

    async def until_started(self) -> None:
        """Return when the process that was begun is there, or could not be started."""
        if self._starting is not None:
            await asyncio.wait({self._starting})

    @property
    def pid(self) -> int | None:
        """The id of the process, None without one."""
        return self._process.pid if self._process else None

    async def _start(self, batch_id: BatchId) -> None:
        try:
            self._process = await MessageProcess.start(self._program, _GREETING, seconds=START_SECONDS_MAX)
        except ProcessGoneError:
            self._left_alone = batch_id

    async def _exchanged(
        self, process: MessageProcess, batch: BackgroundBatch, tenant: Tenant, part: BatchPart, *, now: Moment
    ) -> dict[int, ReadyRow]:
        asked = PartAsked(
            tenant,
            part,
            batch.reading,
            batch.on_repeat,
            batch.may_revoke,
            self._annex_gate,
            self._verifier_url,
            now,
        )
        named = await _answer(process, asked, _NAMED)
        known = await self._find(tenant.institution_id, named.uris)
        following = max(0, batch.rows_left - named.count)
        await self._status_lists.reserve(tenant, named.count, following=following)
        places = [await self._status_lists.place(tenant) for _ in range(named.count)]
        used: set[int] = set()
        try:
            made = await _answer(process, AwardsKnown(dict(known), tuple(places)), _MADE)
            rows = await _decoded(made.rows)
            used |= {row.place for row in rows}
        finally:
            self._status_lists.take_back(place for number, place in enumerate(places) if number not in used)
        found = {}
        for row in rows:
            achievement = known[row.achievement]
            item = PreparedAward(
                award=row.award,
                achievement=achievement,
                credential_id=row.credential_id,
                statement=made.statements[row.statement],
                commitment=row.commitment,
                opened=None,
                kept=EncodedSealed(row.form),
                part=self._parts.of(tenant, achievement),
                place=places[row.place],
                api_key_id=batch.api_key_id,
            )
            found[row.line] = ReadyRow(item, row.said)
        return found

    async def close(self) -> None:
        """End the process: there is nothing to prepare now."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
            self._starting = None
        async with self._one:
            await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.close()


async def _answer(
    process: MessageProcess, question: PartAsked | AwardsKnown, answer: "msgspec.msgpack.Decoder[_T]"
) -> _T:
    """Return the answer to a question; raises `ProcessGoneError`, also for a process that is silent."""
    process.send(question)
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await process.heard(answer)
    except TimeoutError as error:
        raise ProcessGoneError from error


async def _decoded(rows: Sequence[msgspec.Raw]) -> list[RowMade]:
    """Return rows; others get their turn in between."""
    found = []
    for count, row in enumerate(rows, start=1):
        if count % _ROWS_AT_A_TIME == 0:
            await asyncio.sleep(0)
        found.append(_ROW.decode(row))
    return found
