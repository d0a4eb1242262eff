"""What institutions say for each other's credentials: invited to endorse, endorsed; and withdrawn (DESIGN 9)."""

from typing import Literal

from proto.event_fields import AchievementField, CredentialIdField, DidField, EventIdField
from proto.events.records import EventBase

EndorserRole = Literal["joint-award", "quality"]
"""What an institution stands for: it awards together with the issuer, or it has assured the quality."""


class EndorserInvited(EventBase, frozen=True, kw_only=True, tag="endorser-invited.v1"):
    """The issuer of an achievement lets another institution endorse its credentials, in one role."""

    achievement: AchievementField
    endorser: DidField
    role: EndorserRole


class EndorserUninvited(EventBase, frozen=True, kw_only=True, tag="endorser-uninvited.v1"):
    """An invitation, named by its event id, holds no more, and with it what was endorsed by it."""

    invitation: EventIdField


class CredentialEndorsed(EventBase, frozen=True, kw_only=True, tag="credential-endorsed.v1"):
    """An invited institution stands by a credential, in the role that it was invited in."""

    credential_id: CredentialIdField
    role: EndorserRole


class EndorsementWithdrawn(EventBase, frozen=True, kw_only=True, tag="endorsement-withdrawn.v1"):
    """An endorsement, named by its event id, counts no more."""

    endorsement: EventIdField
