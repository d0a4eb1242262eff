"""The logs that the followed one continues, as configured: each an address, a blank and a vkey. Fetches nothing."""

import asyncio
import random
from collections.abc import Callable

from proto.moment import Moment
from proto.note_key import parse_vkey
from proto.problem import Problem
from services.follow import (
    FaultyLogProblem,
    HeirSink,
    Observer,
    PredecessorLog,
    UnknownRulesProblem,
    follow_predecessors,
)
from services.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.settings import SettingsProblem
from services.verifier.config import Config

RETRY_SECONDS = (1.0, 5.0)
_TROUBLES = (LogUnreachableProblem, LogProblem, LogAnswerProblem, FaultyLogProblem, UnknownRulesProblem)
Connect = Callable[[str], LogClient]
"""From the address of a log to its client."""


def predecessors_of(config: Config, connect: Connect) -> list[PredecessorLog]:
    """Return the configured predecessors, oldest first; raises `SettingsProblem` for what is no address and vkey."""
    found = []
    for text in config.predecessors:
        url, _, verifier_key = text.partition(" ")
        try:
            parse_vkey(verifier_key.strip())
        except Problem as problem:
            words = f"CREDENTIFY_VERIFIER_PREDECESSORS: {text!r} is no address, blank and vkey"
            raise SettingsProblem(words) from problem
        found.append(PredecessorLog(client=connect(url), verifier_key=verifier_key.strip()))
    return found


class Beginning:
    """Brings a projection to where the followed log begins; nothing to do for a log that continues none."""

    def __init__(
        self, config: Config, connect: Connect, *, clock: Callable[[], Moment], observer: Observer | None = None
    ) -> None:
        self._before = predecessors_of(config, connect)
        self._heir = PredecessorLog(client=connect(config.ledger_url), verifier_key=config.log_verifier_key)
        self._clock = clock
        self._observer = observer or Observer()

    async def reach(self, sink: HeirSink) -> None:
        """Follow the predecessors to their ends, once; raises what `follow_predecessors` raises."""
        if self._before:
            await follow_predecessors(sink, self._before, self._heir, clock=self._clock, observer=self._observer)

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
