"""Achievements that gateways elsewhere describe, as a verifier's catalogue has them: titles and scales; none of ours.

A page waits for them shortly, and only the first time: what was told is kept for a while, and so is that nobody knows
a title. A verifier that does not answer is left alone for a minute, and then asked again.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec

from proto.documents.credential import GradingScheme
from proto.ids import AchievementUri, Did
from proto.problem import NotFoundProblem
from proto.wire.stacks import NamedAchievement
from services.clients.http_client import AnsweredProblem
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.store.achievement_titles import schemes_of

KEPT_MAX = 4_096
"""Achievements whose titles are kept; who was asked for longest ago is forgotten."""
ASKED_MAX = 64
"""So many achievements are asked about for one page."""
AT_ONCE_MAX = 8
WAIT_SECONDS_MAX = 2.0
KNOWN_SECONDS, UNKNOWN_SECONDS, PAUSE_SECONDS = 3_600.0, 600.0, 60.0


class ScaledAchievement(msgspec.Struct, frozen=True, kw_only=True):
    """How a catalogue calls and grades an achievement, and whose address that is by the register."""

    named: NamedAchievement
    owner: Did | None
    schemes: tuple[GradingScheme, ...] = ()


class _Kept(NamedTuple):
    found: ScaledAchievement | None
    until: float


class FarTitles:
    """What one verifier says of achievements; without a verifier nobody knows any."""

    def __init__(
        self, verifier: VerifierClient | None, log: Log, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._verifier = verifier
        self._log = log
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._paused_until = 0.0
        self._places = asyncio.Semaphore(AT_ONCE_MAX)

    async def of(self, uris: Collection[str]) -> dict[AchievementUri, NamedAchievement]:
        """Return the titles of those achievements of which the verifier knows one, and has said so in time."""
        return {uri: each.named for uri, each in (await self.with_scales(uris)).items()}

    async def with_scales(self, uris: Collection[str]) -> dict[AchievementUri, ScaledAchievement]:
        """Return titles and scales of those achievements that the verifier knows described, and has said so in time."""
        now = self._clock()
        asked = [uri for uri in sorted(set(uris)) if (kept := self._kept.get(uri)) is None or kept.until <= now]
        if self._verifier is not None and asked and now >= self._paused_until:
            await self._ask_all(self._verifier, asked[:ASKED_MAX])
        found = {AchievementUri(uri): kept.found for uri in set(uris) if (kept := self._kept.get(uri)) is not None}
        return {uri: each for uri, each in found.items() if each is not None}

    async def _ask_all(self, verifier: VerifierClient, uris: Collection[str]) -> None:
        """Ask about achievements; what is not answered in time is asked for again by the next page."""
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                async with asyncio.TaskGroup() as group:
                    for uri in uris:
                        group.create_task(self._ask(verifier, uri))
        except (TimeoutError, ExceptionGroup) as error:
            self._paused_until = self._clock() + PAUSE_SECONDS
            self._log.warning("titles_not_asked", why=type(error).__name__)

    async def _ask(self, verifier: VerifierClient, uri: str) -> None:
        async with self._places:
            try:
                facts = await verifier.achievement(uri)
            except AnsweredProblem as problem:
                if problem.answer_status != NotFoundProblem.status:
                    raise
                self._keep(uri, None)
                return
        said = facts.description
        if said is None:
            self._keep(uri, None)
            return
        named = NamedAchievement(
            achievement=AchievementUri(uri), title=said.achievement.title, institution_name=facts.owner_name
        )
        self._keep(uri, ScaledAchievement(named=named, owner=facts.owner, schemes=schemes_of(said.achievement)))

    def _keep(self, uri: str, found: ScaledAchievement | None) -> None:
        seconds = KNOWN_SECONDS if found else UNKNOWN_SECONDS
        self._kept[uri] = _Kept(found, self._clock() + seconds)
        self._kept.move_to_end(uri)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
