"""Bodies about the secret links by which learners show what they hold. Knows no secret."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType, field

from proto.documents.fields import LearnerRef
from proto.event_fields import CredentialIdField
from proto.events import Record
from proto.ids import CredentialId, HolderLinkId
from proto.moment import Moment
from proto.wire.content import Content
from proto.wire.ledger import Body

SHARE_DAYS_MAX = 366
LINK_DAYS_MAX = 1_830
LinkDays = Annotated[int, Meta(ge=1, le=LINK_DAYS_MAX, description="For how many days it works")]
ShownPart = Literal["result", "evidence", "date_of_birth", "identifier", "document"]
"""What a share may show besides holder, title, outcomes, credits, level and dates. `document` is the whole of it."""
LinkState = Literal["open", "expired", "ended"]


class HolderLinkRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/holder-links`: a link to all that a learner holds of the institution, or to one credential."""

    learner: LearnerRef | UnsetType = UNSET
    credential_id: CredentialIdField | UnsetType = UNSET
    days_valid: LinkDays | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.learner is UNSET) == (self.credential_id is UNSET):
            raise ValueError("State either `learner`, for all that the learner holds, or `credential_id`")


class HolderLink(Record, frozen=True, kw_only=True):
    """A learner's link as staff see it; for whom a share is meant is the learner's alone."""

    link_id: HolderLinkId
    state: LinkState
    created_at: Moment
    expires_at: Moment
    view_count: int
    is_share: bool
    credential_id: Annotated[CredentialId | None, Meta(description="None: all that the learner holds")] = None
    link: Annotated[str | None, Meta(description="The secret link; shown to who made it, this once")] = None


class HolderLinkList(Record, frozen=True, kw_only=True):
    """`GET /v1/holder-links?learner=`: a learner's links, the newest first."""

    links: tuple[HolderLink, ...]


class ShownCredential(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A credential as a link shows it: how it stands by the public record, and what its document says of chosen parts.

    Where `is_whole`, the signed document can be fetched and checked by anybody. Where it is not, its signature covers
    more than is shown, so the words are shown on the word of the institution's gateway; the log shows that a credential
    of this id exists, its credits, level, dates and how it stands.
    """

    credential_id: CredentialId
    issuer: str
    issuer_name: str
    state: str
    asked_at: Moment
    is_whole: bool
    content: Content
    check_url: str | None = None


class ShownCredentials(Body, frozen=True, kw_only=True):
    """`GET /v1/credential-links/{secret}`: what a link leads to; `ects_hundredths` is the sum of what is active."""

    expires_at: Moment
    ects_hundredths: int
    credentials: tuple[ShownCredential, ...] = field(default=())
