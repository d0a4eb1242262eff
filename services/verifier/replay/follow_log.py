"""Keeps the projection up with the log: the follower, its log lines, metrics and kept evidence. Answers nothing."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from proto.log.finding import Finding, encode_finding
from proto.problem import Problem
from services.edge import Log
from services.follow import LogEvidence, Observer, Position, SinkUnavailableProblem
from services.persistence.durable_file import write_durably
from services.verifier.metrics import Metrics
from services.verifier.projection.store import Store


class ProjectionObserver(Observer):
    """Tells log and metrics what the follower does, and keeps conclusive evidence in the store."""

    def __init__(
        self, store: Store, log: Log, *, evidence_file: Path, finding: Callable[[LogEvidence], Finding]
    ) -> None:
        """Take where evidence is written for others, and how it is put into the form that they check."""
        self._evidence_file = evidence_file
        self._finding = finding
        self.metrics: Metrics | None = None
        self._store = store
        self._log = log
        self._last_trouble = ""
        self._is_unwritten_said = False

    def advanced(self, position: Position, entry_count: int, seconds: float) -> None:
        """Write one line for what a step applied."""
        if self.metrics:
            self.metrics.count_applied(entry_count)
        self._log.event("applied", entries=entry_count, size=position.size, seconds=round(seconds, 3))

    def troubled(self, problem: Problem) -> None:
        """Write one line when trouble begins or changes; a log that is down for an hour is not 3,600 lines."""
        if self.metrics:
            self.metrics.count_trouble()
        if problem.slug != self._last_trouble:
            self._last_trouble = problem.slug
            self._log.warning("log_trouble", problem=problem.slug, detail=problem.detail)

    def settled(self) -> None:
        """Write one line when trouble is over."""
        if self._last_trouble:
            self._log.event("log_trouble_over", problem=self._last_trouble)
            self._last_trouble = ""

    async def unproven(self, notes: tuple[bytes, ...]) -> None:
        """Keep the checkpoints that the log signed and could not show to be of one history, over restarts."""
        await self._store.keep_suspects(notes)

    async def faulted(self, evidence: LogEvidence) -> None:
        """Say and count that the log is faulty."""
        if self.metrics:
            self.metrics.count_fault()
        self._log.failure("log_faulty", None, **evidence.log_values())

    async def convicted(self, evidence: LogEvidence) -> None:
        """Keep conclusive evidence over restarts, and write it out; raises `SinkUnavailableProblem`."""
        await self._store.keep_fault(evidence)
        await asyncio.to_thread(self._write_out, evidence)

    def _write_out(self, evidence: LogEvidence) -> None:
        """Write the file that `credentify evidence` checks; one that is there already stays."""
        file = self._evidence_file
        if file.exists():
            file = file.with_name(f"{file.stem}-{evidence.found_at.replace(':', '')}.json")
        try:
            write_durably(file, encode_finding(self._finding(evidence)))
        except OSError as error:  # it is in the records and in the log line too
            if not self._is_unwritten_said:
                self._log.warning("evidence_not_written", file=str(file), error=str(error))
            self._is_unwritten_said = True
            raise SinkUnavailableProblem(f"The evidence could not be written to {file}: {error}") from error
        else:
            self._log.event("evidence_written", file=str(file))
