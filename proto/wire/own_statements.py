"""Bodies of what an institution says through its gateway of others' achievements and credentials, and reads of it.

All of it stands until it is withdrawn, and is named by the id of the event that said it (DESIGN 9).
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from proto.documents.fields import DayOrTimeField
from proto.event_fields import AchievementField, DidField, EctsField, EqfField, HashField, UriField
from proto.events import Decision, EndorserRole, Record
from proto.ids import AchievementUri, CredentialId, Did, EventId
from proto.moment import Moment
from proto.wire.content import Texts

StandingState = Literal["live", "withdrawn", "void"]
"""`void`: the key that said it was compromised then."""


class StandingDecisionRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/standing-decisions`: this institution counts what another awards for an achievement, for all who ask.

    Days are those of the institution's time zone, the last one included; five years at most. `ects_hundredths_min` and
    `eqf_level_min` are what a credential has to have, `description_digest` the description of the achievement meant.
    """

    achievement_issuer: Annotated[DidField, Meta(description="The DID of who awards it")]
    achievement: Annotated[AchievementField, Meta(description="Its URI, as on the log")]
    decision: Decision
    ects_hundredths: EctsField
    eqf_level: EqfField | UnsetType = UNSET
    programme: Annotated[UriField, Meta(description="Under a prefix of this institution; names no person")]
    valid_from: DayOrTimeField | UnsetType = UNSET
    valid_until: DayOrTimeField
    ects_hundredths_min: EctsField | UnsetType = UNSET
    eqf_level_min: EqfField | UnsetType = UNSET
    description_digest: HashField | UnsetType = UNSET


class StandingDecisionAnswer(Record, frozen=True, kw_only=True):
    """A standing decision of the institution, as the log has it; `valid_until` is the first moment without it.

    `title` and `institution_name` are of the catalogue of whoever awards it, where that is known here.
    """

    event_id: EventId
    state: StandingState
    is_in_force: bool
    achievement_issuer: Did
    achievement: AchievementUri
    decision: Decision
    ects_hundredths: int
    eqf_level: int | None = None
    programme: str
    valid_from: Moment
    valid_until: Moment
    ects_hundredths_min: int | None = None
    eqf_level_min: int | None = None
    description_digest: str | None = None
    received_at: Moment
    title: Texts | None = None
    institution_name: str | None = None


class StandingDecisionPage(Record, frozen=True, kw_only=True):
    """Some of the institution's standing decisions, the newest first."""

    standing_decisions: tuple[StandingDecisionAnswer, ...]
    next_cursor: str | None = None


class EndorserRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/endorsers`: another institution may endorse the credentials of an achievement, in one role."""

    achievement: Annotated[AchievementField, Meta(description="The URI of an achievement of this institution")]
    endorser: Annotated[DidField, Meta(description="The DID of the institution that is invited")]
    role: EndorserRole


class InvitationAnswer(Record, frozen=True, kw_only=True):
    """An invitation to endorse, by whom it was made and whom it is for.

    Names are what the followed log calls them; `title` is of the catalogue of whoever awards it, if it is known here.
    """

    event_id: EventId
    state: StandingState
    inviter: Did
    endorser: Did
    achievement: AchievementUri
    role: EndorserRole
    received_at: Moment
    inviter_name: str | None = None
    endorser_name: str | None = None
    title: Texts | None = None


class InvitationPage(Record, frozen=True, kw_only=True):
    """Some invitations, the newest first."""

    invitations: tuple[InvitationAnswer, ...]
    next_cursor: str | None = None


class EndorsementRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/credentials/{id}/endorsements`: this institution, which is invited, stands by the credential."""

    role: EndorserRole


class EndorsementAnswer(Record, frozen=True, kw_only=True):
    """An endorsement of a credential; it `holds` while neither it nor its invitation was withdrawn."""

    event_id: EventId
    state: StandingState
    holds: bool
    credential_id: CredentialId
    endorser: Did
    role: EndorserRole
    invitation: EventId
    received_at: Moment
    endorser_name: str | None = None


class EndorsementPage(Record, frozen=True, kw_only=True):
    """Some endorsements of a credential, the newest first."""

    endorsements: tuple[EndorsementAnswer, ...]
    next_cursor: str | None = None
