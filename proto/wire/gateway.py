"""Bodies of the issuer gateway's HTTP about achievements, credentials and events (DESIGN 4). Knows form and limits."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from proto.documents.annex_i import Element
from proto.documents.credential import Achievement, Award
from proto.documents.fields import DayOrTimeField
from proto.event_fields import (
    AchievementField,
    CredentialIdField,
    EctsField,
    EqfField,
    EventIdField,
    HashField,
    Reason,
    UriField,
)
from proto.events import Record
from proto.ids import AchievementUri, CredentialId, Did, EventId, LeafIndex
from proto.moment import Moment
from proto.wire.id_fields import AchievementIdField

OutboxState = Literal["pending", "sequenced", "published", "refused"]


class AchievementRequest(Achievement, frozen=True, kw_only=True):
    """An achievement as an institution describes it.

    With a `uri`, it lies under one of the institution's prefixes; without, the gateway makes one from `id`, or from an
    id of its own. Each change of the same achievement is a new revision; what was awarded keeps the old one.
    """

    id: AchievementIdField | UnsetType = UNSET
    uri: AchievementField | UnsetType = UNSET  # type: ignore[assignment] # optional in the request, there in the record


class AchievementAnswer(Record, frozen=True, kw_only=True):
    """An achievement and what it states of Annex I (learner and date are stated by each award)."""

    id: str
    revision: int
    achievement: Achievement
    elements: tuple[Element, ...]
    notes: tuple[str, ...] = ()
    """Texts that are perhaps not what was meant: `null`, `M&uuml;ller`, text in a wrong encoding."""


class AchievementPage(Record, frozen=True, kw_only=True):
    """Some of the institution's achievements in the order of their ids."""

    achievements: tuple[AchievementAnswer, ...]
    next_cursor: str | None = None


class CatalogueEntry(Record, frozen=True, kw_only=True):
    """An achievement with the institution that offers it."""

    institution: str
    issuer: Did
    legal_name: str
    achievement: Achievement


class CataloguePage(Record, frozen=True, kw_only=True):
    """Some achievements of all institutions that match the search, in a stable order."""

    entries: tuple[CatalogueEntry, ...]
    next_cursor: str | None = None


class StackRequest(Award, frozen=True, kw_only=True):
    """`POST /v1/stacks`: an award whose parts are credentials; `ects_hundredths` defaults to the achievement's."""

    components: Annotated[tuple[CredentialIdField, ...], Meta(min_length=2, max_length=64)]


class ChangeRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/credentials/{id}/revoke|suspend|reinstate`; without `effective_at` it holds from now on.

    A day is one in the institution's time zone, from its beginning on.
    """

    reason: Reason
    effective_at: DayOrTimeField | UnsetType = UNSET
    replaced_by: Annotated[CredentialIdField, Meta(description="Only where it is revoked")] | UnsetType = UNSET


class RecognitionRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/recognitions`: this institution counts a credential of another's towards a programme of its own.

    `under` is its own standing decision that this one follows, `replaces` its own recognition of this credential that
    is withdrawn by the same event; both by their event ids, and by rules version 2 alone.
    """

    credential_id: CredentialIdField
    decision: Literal["full", "partial"]
    ects_hundredths: EctsField
    eqf_level: EqfField | UnsetType = UNSET
    programme: UriField
    under: EventIdField | UnsetType = UNSET
    replaces: EventIdField | UnsetType = UNSET


class EventAnswer(Record, frozen=True, kw_only=True):
    """Where an event of the institution stands: pending → sequenced → published, or refused by the log for good.

    `index`, `leaf_hash` and `received_at` are there from `sequenced` on, `problem` (RFC 9457) where it was refused, or
    as the log's last word while it is pending.
    """

    event_id: EventId
    event_type: str
    state: OutboxState
    credential_id: CredentialId | None = None
    credential_ids: Annotated[
        tuple[CredentialId, ...], Meta(description="Of an event about several credentials: all of them")
    ] = ()
    index: LeafIndex | None = None
    leaf_hash: HashField | None = None
    received_at: Moment | None = None
    problem: dict[str, Any] | None = None
    location: str | None = None


class Status(Record, frozen=True, kw_only=True):
    """What the followed log says of a credential now; `ects_hundredths_remaining` counts what is left."""

    state: Literal["active", "suspended", "revoked", "void", "expired", "not_yet_valid", "impaired"]
    since: Moment
    ects_hundredths_remaining: EctsField
    reason: str | None = None
    replaced_by: CredentialId | None = None


class CredentialAnswer(Record, frozen=True, kw_only=True):
    """A credential of the institution: its issue, and its status once the gateway has followed the log that far."""

    credential_id: CredentialId
    achievement: AchievementUri
    achievement_revision: int
    ects_hundredths: int
    components: tuple[CredentialId, ...] = ()
    issued_at: Moment
    issue: EventAnswer
    status: Status | None = None
    document: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    """When it is valid, as it was written: a day, the last one included, or a moment; not known of an erased one."""
    is_erased: bool = False
    notes: tuple[str, ...] = ()
    """What the institution should know of it: parts whose learner could not be compared, guesses of an import."""
    unmapped: tuple[str, ...] = ()
    """JSON pointers into an imported document to what no element of ours holds."""


class CredentialPage(Record, frozen=True, kw_only=True):
    """Some of the institution's credentials, the newest first."""

    credentials: tuple[CredentialAnswer, ...]
    next_cursor: str | None = None


class ErasureAnswer(Record, frozen=True, kw_only=True):
    """What an erasure did: so many documents can be read by nobody any more; their credentials stay on the log."""

    document_count: int
    pending_row_count: Annotated[int, Meta(description="Rows of batches that waited, and were taken out")] = 0
    erased_at: Moment
