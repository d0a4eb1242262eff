"""Bodies of what institutions decided, on the public log, on the credentials of one achievement. Decides nothing."""

from proto.events import Decision
from proto.ids import Did
from proto.moment import Moment
from proto.wire.ledger import Body
from proto.wire.register import DecisionFacts
from proto.wire.verifier import AsOf, Check


class PublicPrecedent(Body, frozen=True, kw_only=True):
    """How an institution counts credentials of the achievement towards a programme, how often, and last when.

    Only recognitions are counted that are live: neither withdrawn nor said with a key that was condemned.
    """

    recogniser: Did
    recogniser_name: str
    programme: str
    decision: Decision
    ects_hundredths: int
    eqf_level: int | None
    count: int
    last_at: Moment


class PrecedentsAnswer(Body, frozen=True, kw_only=True):
    """`GET /v1/precedents`: live recognitions of an achievement's credentials, and standing decisions in force now.

    The way that was chosen last stands first. `has_more`: only the newest recognitions were counted. Refusals are on no
    log.
    """

    achievement: str
    issuer: Did
    precedents: tuple[PublicPrecedent, ...]
    decisions: tuple[DecisionFacts, ...]
    has_more: bool
    as_of: AsOf
    freshness: Check
