"""What happens at each await of a run in virtual time: by a seed, or one thing at one await. Writes the run down."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

import msgspec

CALM_AFTER_SECONDS = 60.0
_Kind = TypeVar("_Kind", bound=str)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run: faults in words (none, if all is well), and figures of what it went through."""

    faults: list[str]
    trace_hash: str
    await_count: int
    happened: dict[str, int]


class Chance(Generic[_Kind]):
    """The chance of one run. The first of `kinds` is that nothing happens; with `only`, that happens alone."""

    def __init__(
        self, rng: Random, kinds: Sequence[_Kind], *, fault_rate: float, only: tuple[int, _Kind] | None
    ) -> None:
        self.await_count = 0
        self.happened = Counter[str]()
        self._rng = rng
        self._nothing, *self._kinds = kinds
        self._fault_rate = fault_rate
        self._only = only
        self._trace = hashlib.sha256()

    def draw(self, number: int, place: str) -> _Kind:
        """Return what happens at this await, of the process of this number."""
        self.await_count += 1
        now, kind = asyncio.get_running_loop().time(), self._nothing
        if self._only is not None:
            kind = self._only[1] if self.await_count == self._only[0] else self._nothing
        elif now < CALM_AFTER_SECONDS and self._rng.random() < self._fault_rate:
            kind = self._rng.choice(self._kinds)
        self._trace.update(f"{now:.6f} {number} {place} {kind}\n".encode())
        if kind != self._nothing:
            self.happened[kind] += 1
        return kind

    def is_calm(self) -> bool:
        """Tell whether all is well now: always in calm, and else as chance has it."""
        is_calm = self._only is not None or asyncio.get_running_loop().time() > CALM_AFTER_SECONDS
        return is_calm or self._rng.random() > self._fault_rate

    def run(self, faults: Sequence[str]) -> Run:
        """Return what came of it."""
        return Run(
            faults=list(faults),
            trace_hash=self._trace.hexdigest(),
            await_count=self.await_count,
            happened=dict(self.happened),
        )
