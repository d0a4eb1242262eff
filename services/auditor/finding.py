"""What an auditor found against a log, in a form that others can check. Knows no file and no HTTP."""

from collections.abc import Callable
from typing import Any

from proto.ids import Origin
from proto.log.finding import Finding, Kind
from proto.log.note_key import parse_vkey
from proto.moment import Moment
from proto.problem import Problem
from services.follow import LogEvidence
from services.follow.findings import proof_fields


class LyingLogProblem(Problem):
    """The log does not hold what it must; `finding` is the evidence."""

    slug = "log-lies"
    title = "The log is faulty"
    status = 502

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.detail)
        self.finding = finding


class Accuser:
    """Makes findings about one log, at the time of a clock."""

    def __init__(self, verifier_key: str, clock: Callable[[], Moment]) -> None:
        """Take the log's vkey; raises `MalformedProblem` or `InvalidProblem` for what is none."""
        self.key = parse_vkey(verifier_key)
        self.origin = Origin(self.key.name)
        self._verifier_key = verifier_key
        self._clock = clock

    def accuse(self, kind: Kind, detail: str, *notes: bytes, **more: Any) -> LyingLogProblem:
        """Return a finding as a problem, with checkpoints as they were served; `more` are fields of `Finding`."""
        fields: dict[str, Any] = {"is_conclusive": False} | more
        return LyingLogProblem(
            Finding(
                kind=kind,
                detail=detail,
                origin=self.origin,
                verifier_key=self._verifier_key,
                found_at=self._clock(),
                checkpoints=tuple(note.decode("utf-8", "replace") for note in notes),
                **fields,
            )
        )

    def accuse_by(self, evidence: LogEvidence, shown: bytes, **more: Any) -> LyingLogProblem:
        """Return a follower's evidence as a finding; `shown` is the checkpoint under which it was found."""
        fields = {"is_conclusive": evidence.is_conclusive, **proof_fields(evidence)}
        kind: Kind = more.pop("kind", evidence.kind)
        detail: str = more.pop("detail", evidence.detail)
        return self.accuse(kind, detail, *(evidence.checkpoints or (shown,)), **(fields | more))
