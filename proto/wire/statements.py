"""Bodies of what institutions say of each other's credentials and achievements: endorsements, standing decisions."""

from typing import Literal

from proto.events import Decision, EndorserRole
from proto.ids import Did, EventId
from proto.moment import Moment
from proto.wire.ledger import Body

LiveState = Literal["live", "unknown"]
"""Whether a statement holds now; `unknown` where it would by records that may lack its withdrawal."""


class EndorsementFacts(Body, frozen=True, kw_only=True):
    """An institution stands by the credential, in a role for which the issuer invited it (DESIGN 9).

    Only those are here that hold: neither they nor their invitations (`invitation`, an event id) were withdrawn, as
    far as `state` says that this is known.
    """

    event_id: EventId
    endorser: Did
    endorser_name: str
    role: EndorserRole
    invitation: EventId
    received_at: Moment
    state: LiveState


class StandingDecisionFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An institution counts what the issuer awards for the achievement, towards a programme of its own (DESIGN 9).

    Only those are here that are in force at the asked moment. `covers` says whether the credential has the credits and
    the level that the decision asks for; `state` is `unknown` where it may have been withdrawn since.
    """

    event_id: EventId
    recogniser: Did
    recogniser_name: str
    decision: Decision
    ects_hundredths: int
    programme: str
    valid_from: Moment
    valid_until: Moment
    covers: bool
    state: LiveState
    eqf_level: int | None = None
    ects_hundredths_min: int | None = None
    eqf_level_min: int | None = None
    description_digest: str | None = None
