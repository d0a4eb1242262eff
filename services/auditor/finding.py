"""What an auditor found against a log, in a form that others can check. Knows no file and no HTTP."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from proto.base64_strict import encode_base64
from proto.ids import LeafIndex, Origin
from proto.log.note_key import parse_vkey
from proto.moment import Moment
from proto.problem import Problem
from services.follow import Evidence

Kind = Literal[
    "fork",
    "altered",
    "checkpoint",
    "entry",
    "chain",
    "order",
    "signature",
    "rule",
    "registrar",
    "tile",
    "rollback",
    "unserved",
    "succession",
]


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Evidence against a log; texts as they were served, bytes in base64.

    `is_conclusive`: what is shown was signed by the log itself, so that anybody can check it with `verifier_key` alone:
    two checkpoints that contradict each other (of one size; or `proof` begins with the root that the smaller tree has
    inside the larger one, and goes on with the consistency proof from there), or an entry with its `receipt`. For a log
    that begins where its predecessor did not end: the first checkpoint is that of the predecessor, `entry` the opening.
    Otherwise it is what the log served to this auditor, again and again.
    """

    kind: Kind
    detail: str
    origin: Origin
    verifier_key: str
    found_at: Moment
    is_conclusive: bool
    checkpoints: tuple[str, ...] = ()
    """Signed notes, the smaller tree first."""
    index: LeafIndex | None = None
    entry: str | None = None
    receipt: str | None = None
    """The tlog-proof of `entry` under the newest of the checkpoints."""
    path: str | None = None
    """Of a tile or entry bundle under the log's address."""
    served: str | None = None
    expected: str | None = None
    """What stands there by the entries that the log served, or the leaf hash that it signed."""
    proof: tuple[str, ...] = ()


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

    def accuse_by(self, evidence: Evidence, shown: bytes, **more: Any) -> LyingLogProblem:
        """Return a follower's evidence as a finding; `shown` is the checkpoint under which it was found."""
        fields = {
            "is_conclusive": evidence.is_conclusive,
            "index": evidence.index,
            "entry": None if evidence.entry is None else encode_base64(evidence.entry),
        }
        kind: Kind = more.pop("kind", evidence.kind)
        detail: str = more.pop("detail", evidence.detail)
        return self.accuse(kind, detail, *(evidence.checkpoints or (shown,)), **(fields | more))
