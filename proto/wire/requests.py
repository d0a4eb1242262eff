"""Bodies of requests for achievements and of claims. Knows their form; who may send what is the gateway's.

What names a person here lies sealed under the learner's key at rest, and in no log, metric or URL (DESIGN 8).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto.documents.claim import Holder
from proto.documents.credential import Award, Learner, Result
from proto.documents.fields import (
    DateField,
    DayOrTimeField,
    EmailField,
    LongText,
    OnRepeatField,
    PrerequisiteDocuments,
    PrerequisiteIds,
    ShortText,
)
from proto.documents.provision import Evidence
from proto.event_fields import CredentialIdField, EctsField
from proto.events import Record
from proto.ids import AchievementId, AchievementUri, ClaimId, CredentialId, RequestId
from proto.moment import Moment
from proto.wire.id_fields import AchievementIdField, Slug

PREREQUISITES_MAX = 16
CLAIM_HOURS_MAX = 8_784
CLAIM_HOURS_DEFAULT = 336

RequestState = Literal["open", "accepted", "rejected", "withdrawn", "lapsed"]
ClaimState = Literal["open", "used", "expired", "cancelled"]
MessageText = Annotated[str, Meta(min_length=1, max_length=2_000)]
Titles = Annotated[dict[str, str], Meta(description="The title in each language that it is written in, by its tag")]
ClaimHours = Annotated[int, Meta(ge=1, le=CLAIM_HOURS_MAX, description="Hours for which the link works")]


class Wish(Record, frozen=True, kw_only=True):
    """What a learner says of themselves when asking: at least one name, and what the institution may need.

    `credentials` are ids of credentials that meet prerequisites, where another institution issued them.
    """

    given_name: ShortText | None = None
    family_name: ShortText | None = None
    email: EmailField | None = None
    message: MessageText | None = None
    credentials: Annotated[tuple[CredentialIdField, ...], Meta(max_length=PREREQUISITES_MAX)] = ()

    def __post_init__(self) -> None:
        if not (self.given_name or self.family_name):
            raise ValueError("State a given or a family name: the institution must know who asks")


class RequestBody(Wish, frozen=True, kw_only=True):
    """`POST /v1/requests`: somebody asks an institution for an achievement by the id under which it is described."""

    institution: Slug
    achievement: AchievementIdField


class RequestMade(Record, frozen=True, kw_only=True):
    """A request that was taken. `link` and its last part `secret` are shown this once; only a hash of it is kept."""

    request_id: RequestId
    state: RequestState
    created_at: Moment
    link: str
    secret: str


class RequestSeen(Record, frozen=True, kw_only=True):
    """What the learner sees by the secret link: state, reason, and where the document is once it was accepted."""

    state: RequestState
    institution: str
    legal_name: str
    achievement: AchievementUri
    title: str
    created_at: Moment
    decided_at: Moment | None = None
    reason: str | None = None
    credential_id: CredentialId | None = None
    document: str | None = None
    is_erased: bool = False
    titles: Titles = msgspec.field(default_factory=dict)


class RequestAnswer(Record, frozen=True, kw_only=True):
    """What staff see of a request; `wish` is gone once the learner was erased (`is_erased`)."""

    request_id: RequestId
    state: RequestState
    achievement: AchievementUri
    achievement_id: AchievementId
    title: str
    created_at: Moment
    decided_at: Moment | None = None
    wish: Wish | None = None
    reason: str | None = None
    credential_id: CredentialId | None = None
    is_erased: bool = False


class RequestPage(Record, frozen=True, kw_only=True):
    """Some of the institution's requests, the oldest first."""

    requests: tuple[RequestAnswer, ...]
    next_cursor: str | None = None


class AcceptBody(Record, frozen=True, kw_only=True):
    """`POST /v1/requests/{id}/accept`: what the award says beside what was asked for; all of it may be left out.

    `learner` replaces what the learner said: with the institution's own `ref`, and names as its records have them.
    Without `valid_from` the credential is valid from now on.
    """

    learner: Learner | UnsetType = UNSET
    valid_from: DayOrTimeField | None = None
    valid_until: DayOrTimeField | None = None
    awarded_at: DayOrTimeField | None = None
    activity_start: DateField | None = None
    activity_end: DateField | None = None
    ects_hundredths: EctsField | None = None
    result: Result | None = None
    further_results: Annotated[tuple[Result, ...], Meta(max_length=16)] = ()
    narrative: LongText | None = None
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=16)] = ()
    prerequisites: Annotated[
        PrerequisiteIds | UnsetType, Meta(description="Instead of those that the learner named")
    ] = UNSET
    prerequisite_documents: PrerequisiteDocuments = ()
    on_repeat: OnRepeatField | None = None


class RejectBody(Record, frozen=True, kw_only=True):
    """`POST /v1/requests/{id}/reject`: why; the learner reads it."""

    reason: MessageText


class RequestDecision(Record, frozen=True, kw_only=True):
    """What was decided; says nothing of the person."""

    request_id: RequestId
    state: RequestState
    decided_at: Moment


class ClaimRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/claims`: a one-time link, to an award that is issued when it is used, or to an issued credential."""

    award: Award | UnsetType = UNSET
    credential_id: CredentialIdField | UnsetType = UNSET
    hours_valid: ClaimHours = CLAIM_HOURS_DEFAULT
    opens_all: Annotated[
        bool, Meta(description="Its page also shows all else that the learner holds; needs `credentials:read`")
    ] = False

    def __post_init__(self) -> None:
        if (self.award is UNSET) == (self.credential_id is UNSET):
            raise ValueError("State either `award` or `credential_id`")


class ClaimMade(Record, frozen=True, kw_only=True):
    """A link that was made; shown this once, only a hash of its last part is kept."""

    claim_id: ClaimId
    link: str
    expires_at: Moment
    credential_id: CredentialId | None = None
    line: Annotated[int | None, Meta(description="Of a batch: the line whose row was issued")] = None


class ClaimLine(Record, frozen=True, kw_only=True):
    """What became of a row of awards to be claimed: a link, or why there is none; `line` is that of the file."""

    line: int
    claim: ClaimMade | None = None
    problem: dict[str, Any] | None = None


class Claim(Record, frozen=True, kw_only=True):
    """How a link stands; `credential_id` is there once there is a credential."""

    claim_id: ClaimId
    state: ClaimState
    created_at: Moment
    expires_at: Moment
    used_at: Moment | None = None
    credential_id: CredentialId | None = None


class ClaimSeen(Record, frozen=True, kw_only=True):
    """What a link leads to, before it is used. `may_bind`: the credential is not issued yet, and may name a DID."""

    state: ClaimState
    institution: str
    legal_name: str
    achievement: AchievementUri
    title: str
    expires_at: Moment
    may_bind: bool
    may_fetch_again: Annotated[bool, Meta(description="The browser that asks has used it less than a day ago")] = False
    titles: Titles = msgspec.field(default_factory=dict)


class ClaimUse(Record, frozen=True, kw_only=True):
    """`POST /v1/claim-links/{secret}`: use the link up; with `holder` the credential's subject is that DID.

    Whoever sends the same `retry_token`, which the sender makes up at random, gets the same answer again for 24 hours.
    """

    holder: Holder | UnsetType = UNSET
    retry_token: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43,128}\Z", max_length=128)] | None = None


class Claimed(Record, frozen=True, kw_only=True):
    """What was claimed: the credential document, which is the learner's to keep."""

    credential_id: CredentialId
    document: dict[str, Any]
    state: Annotated[str, Meta(description="How it stands now, by the log: `active`, `not_yet_valid`, `expired` …")]
    page: Annotated[str | None, Meta(description="Secret link to the credential's own page, for its learner alone")] = (
        None
    )
