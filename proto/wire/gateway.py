"""Bodies of the issuer gateway's HTTP (DESIGN 4). Knows their form and limits; who may send what is the gateway's."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from proto.documents.annex_i import AnnexGate, Element
from proto.documents.credential import Achievement, Award, Identifier
from proto.documents.fields import DayOrTimeField, EmailField, ShortText
from proto.event_fields import (
    AchievementField,
    CountryField,
    CredentialIdField,
    DidField,
    EctsField,
    EqfField,
    HashField,
    KeyPurpose,
    NameField,
    PublicKeyField,
    Reason,
    UriField,
    UriPrefixField,
)
from proto.events import Accreditation, KeyRecord, Record, Scope
from proto.ids import (
    AchievementId,
    AchievementUri,
    ApiKeyId,
    BatchId,
    ClaimId,
    CredentialId,
    Did,
    EventId,
    InstitutionId,
    KeyId,
    LeafIndex,
    RequestId,
)
from proto.keys import PublicKey
from proto.moment import Moment

BATCH_ROWS_MAX = 1_000

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9](-?[a-z0-9]){1,39}\Z", max_length=63)]
AchievementIdField = Annotated[AchievementId, Meta(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}\Z", max_length=125)]
_UUID = Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", max_length=36)
Uuid = Annotated[str, _UUID]
BatchIdField = Annotated[BatchId, _UUID]
RequestIdField = Annotated[RequestId, _UUID]
ClaimIdField = Annotated[ClaimId, _UUID]
ApiKeyIdField = Annotated[ApiKeyId, _UUID]
ApiScope = Literal[
    "achievements:write",
    "credentials:issue",
    "credentials:read",
    "credentials:revoke",
    "stacks:write",
    "recognitions:write",
    "learners:erase",
    "keys:manage",
]
API_SCOPES: tuple[ApiScope, ...] = (
    "achievements:write",
    "credentials:issue",
    "credentials:read",
    "credentials:revoke",
    "stacks:write",
    "recognitions:write",
    "learners:erase",
    "keys:manage",
)
TimeZoneField = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3}\Z",
        max_length=64,
        description="A time zone of the IANA database, such as Europe/Amsterdam",
    ),
]
OutboxState = Literal["pending", "sequenced", "published", "refused"]


class InstitutionRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/institutions`: a new tenant; `recovery_public_key` is the public half of what `keygen` made for it.

    `uri_prefixes` are those under which the institution names its achievements and programmes elsewhere; the gateway's
    own prefix for it is always added.
    """

    slug: Slug
    legal_name: NameField
    country: CountryField
    recovery_public_key: PublicKeyField
    scope: Scope
    accreditation: Accreditation
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(max_length=15)] = ()
    region: ShortText | None = None
    locality: ShortText | None = None
    url: UriField | None = None
    email: EmailField | None = None
    other_identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=16)] = ()
    annex_gate: AnnexGate = "off"
    time_zone: TimeZoneField | UnsetType = UNSET

    def __post_init__(self) -> None:
        # `NameField` lets a final line feed pass, and must go on to do so: it reads what is on logs already.
        if any(name.endswith("\n") for name in (self.legal_name, self.accreditation.body)):
            raise ValueError("Leave out the line break after the name")


class AdmissionRequest(Record, frozen=True, kw_only=True):
    """What the registrar's command signs as `issuer-admitted.v1`: the same fields, but for who says it and when."""

    subject: DidField
    legal_name: NameField
    country: CountryField
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(min_length=1, max_length=16)]
    keys: Annotated[tuple[KeyRecord, ...], Meta(min_length=2, max_length=16)]
    scope: Scope
    accreditation: Accreditation


class InstitutionCreated(Record, frozen=True, kw_only=True):
    """The new tenant. `api_key` has every scope and is shown this once; `admission_request` goes to the registrar."""

    institution_id: InstitutionId
    slug: str
    did: Did
    api_key_id: ApiKeyId
    api_key: str
    admission_request: AdmissionRequest


class RegisteredKey(Record, frozen=True, kw_only=True):
    """A key of an institution as the log has it; `compromised_from` where it was condemned."""

    key_id: KeyId
    purpose: KeyPurpose
    public_key: PublicKey
    state: Literal["active", "waiting", "rotated", "compromised"]
    added_at: Moment
    usable_from: Moment
    compromised_from: Moment | None = None


class Institution(Record, frozen=True, kw_only=True):
    """An institution of this gateway; `state`, `scope`, `accreditation` and `keys` are what the followed log says."""

    slug: str
    did: Did
    legal_name: str
    country: str
    uri_prefixes: tuple[str, ...]
    state: Literal["not-admitted", "admitted", "suspended", "closed"]
    url: str | None = None
    successor: Did | None = None
    scope: Scope | None = None
    accreditation: Accreditation | None = None
    keys: tuple[RegisteredKey, ...] = ()


class InstitutionPage(Record, frozen=True, kw_only=True):
    """Some institutions in the order of their slugs; `next_cursor` is there if more follow."""

    institutions: tuple[Institution, ...]
    next_cursor: str | None = None


class SettingsRequest(Record, frozen=True, kw_only=True):
    """`PUT /v1/settings`: what is not stated stays as it is.

    `annex_gate`: what becomes of credentials that lack mandatory elements of Annex I (2022/C 243/02). `time_zone`: the
    zone of days that are written without a time.
    """

    annex_gate: AnnexGate | UnsetType = UNSET
    time_zone: TimeZoneField | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.annex_gate is UNSET and self.time_zone is UNSET:
            raise ValueError("State annex_gate, time_zone, or both")


class InstitutionSettings(Record, frozen=True, kw_only=True):
    """The institution's own settings; `annex_gate_in_force` is the stricter of its own and the gateway's.

    Without a `time_zone` of its own it writes days in UTC.
    """

    annex_gate: AnnexGate
    annex_gate_in_force: AnnexGate
    time_zone: str | UnsetType = UNSET


class SigningKeyRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/signing-keys`: what the new key signs: events, or documents and status lists."""

    purpose: Literal["event", "assertion"]


class ApiKeyRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/keys`: a new API key; its scopes are among those of the key that asks for it."""

    name: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+\Z", min_length=1, max_length=100)]
    scopes: Annotated[tuple[ApiScope, ...], Meta(min_length=1, max_length=len(API_SCOPES))]


class ApiKey(Record, frozen=True, kw_only=True):
    """An API key without its secret; `revoked_at` is there once it works no more."""

    api_key_id: ApiKeyId
    name: str
    scopes: tuple[ApiScope, ...]
    created_at: Moment
    revoked_at: Moment | None = None


class ApiKeyCreated(Record, frozen=True, kw_only=True):
    """A new API key with its secret, which is shown this once."""

    key: ApiKey
    api_key: str


class ApiKeyList(Record, frozen=True, kw_only=True):
    """All API keys of the institution, the oldest first."""

    keys: tuple[ApiKey, ...]


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
    """`POST /v1/recognitions`: this institution counts a credential, its own or another's, towards a programme."""

    credential_id: CredentialIdField
    decision: Literal["full", "partial"]
    ects_hundredths: EctsField
    eqf_level: EqfField | UnsetType = UNSET
    programme: UriField


class EventAnswer(Record, frozen=True, kw_only=True):
    """Where an event of the institution stands: pending → sequenced → published, or refused by the log for good.

    `index`, `leaf_hash` and `received_at` are there from `sequenced` on, `problem` (RFC 9457) where it was refused, or
    as the log's last word while it is pending.
    """

    event_id: EventId
    event_type: str
    state: OutboxState
    credential_id: CredentialId | None = None
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


class BatchRow(Record, frozen=True, kw_only=True):
    """What became of one row; `line` counts from 1 as in the file that was sent (a CSV's header is line 1).

    `state` is `checked` in a dry run, `accepted` where the credential exists (ask for it by its id), `already-awarded`
    where the same award was made before and names that credential, else `refused`.
    """

    line: int
    state: Literal["checked", "accepted", "already-awarded", "refused"]
    credential_id: CredentialId | None = None
    event_id: EventId | None = None
    problem: dict[str, Any] | None = None
    notes: Annotated[
        tuple[str, ...], Meta(description="Of a dry run: what the credential will be noted for; else they are with it")
    ] = ()


BatchStateName = Literal["waiting", "running", "finished", "cancelled", "failed"]


class BatchProgress(Record, frozen=True, kw_only=True):
    """How far a batch is. `failed` is a fault of the gateway, for its operator; what was done before it stays done."""

    batch_id: BatchId
    state: BatchStateName
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    published_count: Annotated[int, Meta(description="Accepted rows whose event is in a published checkpoint")] = 0
    is_dry_run: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        if self.state == "finished" and not self.is_dry_run:
            return self.published_count >= self.accepted_count
        return self.state not in {"waiting", "running"}


class BatchSummary(Record, frozen=True, kw_only=True):
    """A batch in a list; `waiting` is also one of few rows that broke off, and goes on when it is sent again."""

    batch_id: str
    kind: Literal["awards", "changes"]
    state: BatchStateName
    created_at: Moment
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    is_dry_run: bool = False


class BatchPage(Record, frozen=True, kw_only=True):
    """Some of the institution's batches, the newest first."""

    batches: tuple[BatchSummary, ...]
    next_cursor: str | None = None


class BatchEvent(Record, frozen=True, kw_only=True):
    """A server-sent event of a batch: `data` is a `BatchProgress` as JSON text, `{}` at the end."""

    event: Literal["progress", "end"]
    data: str


class BatchAnswer(Record, frozen=True, kw_only=True):
    """`POST /v1/batches`: a result per row; send the same under the same key again to continue after a failure.

    Of a batch in the background `state` says how far it is; of more than 1,000 rows, `rows` is empty and `rows_at` says
    where they are.
    """

    batch_id: BatchId | None
    is_dry_run: bool
    is_complete: bool
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    published_count: Annotated[int, Meta(description="Accepted rows whose event is in a published checkpoint")] = 0
    state: BatchStateName | None = None
    rows_at: str | None = None
    read_as: Annotated[
        tuple[str, ...], Meta(description="In which way a table was read, where that is not the usual one")
    ] = ()
    rows: tuple[BatchRow, ...]


class ErasureAnswer(Record, frozen=True, kw_only=True):
    """What an erasure did: so many documents can be read by nobody any more; their credentials stay on the log."""

    document_count: int
    pending_row_count: Annotated[int, Meta(description="Rows of batches that waited, and were taken out")] = 0
    erased_at: Moment
