"""Reads the catalogues that are configured, again and again: the log holds no description of an achievement.

Never asked when somebody asks us; what is kept is bounded, and only what stands under an address that the register
gives to the institution that is named. A catalogue that cannot be read keeps what it said before.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.documents.credential import Achievement
from proto.ids import Did
from proto.moment import Moment
from proto.problem import Problem
from services.clients.catalogue_client import CatalogueClient, CataloguePart, CatalogueProblem
from services.edge import Log
from services.follow import SinkUnavailableProblem
from services.verifier.projection.described import Description
from services.verifier.projection.store import Store

ENTRIES_MAX = 20_000
"""So many achievements of one catalogue are read; what is beyond is passed over, and said."""
TRY_AGAIN_SECONDS = 60.0
CATCHING_UP_SECONDS = 1.0
LOOK_SECONDS = 60.0
"""So often it is looked whether the log has achievements that nothing describes, and had not at the last reading."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a catalogue: whose achievement it is."""

    issuer: Did
    achievement: Achievement


_DECODE = msgspec.json.Decoder(_Entry).decode


class Catalogues:
    """Reads each catalogue in turn; belongs to the process that replays."""

    def __init__(
        self,
        store: Store,
        clients: Sequence[CatalogueClient],
        *,
        is_caught_up: Callable[[], bool],
        clock: Callable[[], Moment],
        log: Log,
    ) -> None:
        """Take the catalogues, and what tells whether the register is known as it stands now."""
        self._store = store
        self._clients = clients
        self._is_caught_up = is_caught_up
        self._clock = clock
        self._log = log
        self._said: dict[str, tuple[str, dict[str, str | int]]] = {}

    async def run(self, *, interval_seconds: float) -> None:
        """Read for ever."""
        await self._forget_others()
        while not self._is_caught_up():  # noqa: ASYNC110 - another task follows the log, for as long as it takes
            await asyncio.sleep(CATCHING_UP_SECONDS)
        while True:
            is_whole = await self._forget_others() and await self.step()
            await self._rest(interval_seconds if is_whole else min(TRY_AGAIN_SECONDS, interval_seconds))

    async def _rest(self, seconds: float) -> None:
        """Return after so long, or sooner where something was awarded for the first time meanwhile: it has a title."""
        clock = asyncio.get_running_loop().time
        until, undescribed = clock() + seconds, await self._undescribed_count()
        while (left := until - clock()) > 0:
            await asyncio.sleep(min(left, LOOK_SECONDS))
            if await self._undescribed_count() > undescribed:
                return

    async def _undescribed_count(self) -> int:
        """Return how many achievements no catalogue describes; 0 where the records cannot be read now."""
        with contextlib.suppress(SinkUnavailableProblem):
            return await self._store.undescribed_count()
        return 0

    async def _forget_others(self) -> bool:
        """Keep nothing of catalogues that are configured no more; tell whether it could be done."""
        try:
            await self._store.keep_catalogues([client.name for client in self._clients])
        except SinkUnavailableProblem as problem:
            self._say("", "catalogue_not_read", detail=problem.detail)
            return False
        return True

    async def step(self) -> bool:
        """Read each catalogue once; tell whether all of them could be read."""
        return all([await self._read(client) for client in self._clients])

    async def _read(self, client: CatalogueClient) -> bool:
        begun = self._clock()
        seen = kept = 0
        try:
            async for part in _parts(client):
                found = [each for raw in part.entries if (each := _description(client.name, raw, begun)) is not None]
                kept += await self._store.describe(found)
                seen += len(part.entries)
            await self._store.forget_descriptions(client.name, before=begun)
        except Problem as problem:
            self._say(client.name, "catalogue_not_read", detail=problem.detail)
            return False
        self._say(client.name, "catalogue_read", entries=seen, described=kept)
        return True

    def _say(self, catalogue: str, event: str, **fields: str | int) -> None:
        """Write one line when what is said of a catalogue changes."""
        if self._said.get(catalogue) != (event, fields):
            self._said[catalogue] = (event, fields)
            (self._log.warning if "detail" in fields else self._log.event)(event, catalogue=catalogue, **fields)


async def _parts(client: CatalogueClient) -> AsyncIterator[CataloguePart]:
    """Yield a catalogue in parts; raises `CatalogueProblem` for one that goes on after nothing."""
    cursor, seen = None, 0
    while seen < ENTRIES_MAX:
        part = await client.part(cursor)
        yield part
        seen, cursor = seen + len(part.entries), part.next_cursor
        if cursor is None:
            return
        if not part.entries:
            raise CatalogueProblem(f"{client.name} goes on after a part that holds nothing")


def _description(catalogue: str, raw: msgspec.Raw, read_at: Moment) -> Description | None:
    """Return what an entry describes, or None for one that is no achievement as this version knows them."""
    try:
        entry: Any = _DECODE(raw)
    except DECODE_ERRORS:
        return None
    return Description(catalogue=catalogue, issuer=entry.issuer, read_at=read_at, achievement=entry.achievement)
