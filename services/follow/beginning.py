"""The logs that a followed one continues, as configured: each an address, a blank and a vkey. Knows no service."""

import asyncio
import random
from collections.abc import Callable, Sequence

from proto.lifecycle import UnknownRulesProblem
from proto.log.note_key import VerifierKey, parse_vkey
from proto.moment import Moment
from proto.problem import Problem
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.follow.interface import (
    ClockBehindProblem,
    FaultyLogProblem,
    Observer,
    SinkUnavailableProblem,
)
from services.follow.lineage import HeirSink, PredecessorLog, follow_predecessors
from services.settings import SettingsFault, http_url

RETRY_SECONDS = (1.0, 5.0)
_TROUBLES = (
    LogUnreachableProblem,
    LogProblem,
    LogAnswerProblem,
    FaultyLogProblem,
    UnknownRulesProblem,
    ClockBehindProblem,
    SinkUnavailableProblem,
)
Connect = Callable[[str], LogClient]
"""From the address of a log to its client."""


def parse_predecessor(text: str) -> tuple[str, VerifierKey]:
    """Return a configured predecessor as address and key; raises `SettingsFault` for what is no address and vkey."""
    url, _, verifier_key = text.partition(" ")
    try:
        return http_url(url, "A predecessor's address"), parse_vkey(verifier_key.strip())
    except Problem as problem:
        raise SettingsFault(f"A predecessor is given as address, blank, vkey; {text!r} is not") from problem


def predecessors_of(predecessors: Sequence[str], connect: Connect) -> list[PredecessorLog]:
    """Return the configured predecessors, oldest first; raises `SettingsFault` for what is no address and vkey."""
    parsed = map(parse_predecessor, predecessors)
    return [PredecessorLog(client=connect(url), verifier_key=key.text) for url, key in parsed]


class Beginning:
    """Brings a projection to where the followed log begins; nothing to do for a log that continues none.

    Only what a mirror serves, too, is asked of the predecessors, where `connect` gives a client of tiles.
    """

    def __init__(
        self,
        predecessors: Sequence[str],
        connect: Connect,
        *,
        ledger_url: str,
        log_verifier_key: str,
        clock: Callable[[], Moment],
        observer: Observer | None = None,
    ) -> None:
        self._before = predecessors_of(predecessors, connect)
        self._heir = PredecessorLog(client=connect(ledger_url), verifier_key=log_verifier_key)
        self._clock = clock
        self._observer = observer or Observer()
        self._reached = asyncio.Event()

    @property
    def is_reached(self) -> bool:
        """Tell whether the projection stands where the followed log begins, or behind."""
        return not self._before or self._reached.is_set()

    async def wait(self) -> None:
        """Return once the projection stands there; somebody else brings it there."""
        if self._before:
            await self._reached.wait()

    async def reach(self, sink: HeirSink) -> None:
        """Follow the predecessors to their ends, once; raises what `follow_predecessors` raises."""
        if self._before:
            await follow_predecessors(sink, self._before, self._heir, clock=self._clock, observer=self._observer)
        self._reached.set()

    async def reach_at_last(self, sink: HeirSink) -> None:
        """Try again for as long as it takes; raises only what trying again does not heal."""
        while True:
            try:
                await self.reach(sink)
            except _TROUBLES as problem:
                self._observer.troubled(problem)
                await asyncio.sleep(random.uniform(*RETRY_SECONDS))
            else:
                return
