"""Who is asking for what, while it is carried out: noted by the edge, and written down with the work that it asks for.

It goes with the task of the request, so no command hands it on. Nothing of it names a learner: what is noted are ids.
"""

from contextvars import ContextVar
from datetime import UTC, datetime

from proto.audit_trail import DONE, ActorKind, AuditRecord
from proto.ids import InstitutionId
from proto.moment import from_datetime


class AuditedCall:
    """One request that is to be recorded: once, in the transaction of its work, or after it where there was none."""

    __slots__ = ("actor", "address", "institution_id", "is_recorded", "key", "operation", "subjects")

    def __init__(self, operation: str, *, address: str, subjects: dict[str, str]) -> None:
        self.operation = operation
        self.address = address
        self.subjects = subjects
        self.institution_id: InstitutionId | None = None
        self.actor: ActorKind = "link"
        self.key: str | None = None
        self.is_recorded = False

    def record(self, *, answer: str = DONE, status: int | None = None) -> AuditRecord:
        """Return what is written down; of somebody without a key no address."""
        assert self.institution_id is not None, "it is known whose trail it is"
        return AuditRecord(
            institution=self.institution_id,
            at=from_datetime(datetime.now(UTC)),
            actor=self.actor,
            key=self.key,
            address=self.address if self.actor != "link" else None,
            operation=self.operation,
            subjects=self.subjects,
            answer=answer,
            status=status,
        )


_CURRENT: ContextVar[AuditedCall | None] = ContextVar("audited_call", default=None)


def begin(call: AuditedCall | None) -> None:
    """Say whose request is carried out from here on, in this task; None ends it."""
    _CURRENT.set(call)


def current() -> AuditedCall | None:
    """Return the request that is carried out, if it is one to be recorded."""
    return _CURRENT.get()


def unrecorded() -> AuditedCall | None:
    """Return the request that is to be recorded now: its trail is known, and it is in none yet."""
    call = _CURRENT.get()
    return call if call is not None and call.institution_id is not None and not call.is_recorded else None


def speaks(institution_id: InstitutionId, actor: ActorKind, key: str | None = None, **subjects: str) -> None:
    """Note who asks, in whose trail it is recorded, and what it is about, by ids."""
    call = _CURRENT.get()
    if call is not None:
        call.institution_id, call.actor, call.key = institution_id, actor, key
        call.subjects = call.subjects | subjects


def note(**subjects: str) -> None:
    """Note what it is about, by ids: never a learner's, and nothing that was written."""
    call = _CURRENT.get()
    if call is not None:
        call.subjects = call.subjects | subjects
