"""Bodies of agreements between institutions: proposed by one, accepted by the other, ended by either."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from proto.documents.fields import DayOrTimeField
from proto.documents.recognition_agreement import TERMS_MAX, AgreementTerm, ConsentEnvelope
from proto.event_fields import DidField
from proto.events import Record
from proto.ids import AgreementId, Did
from proto.moment import Moment

AgreementState = Literal["proposed", "concluded", "ended", "void"]
"""`void`: a key that signed it was condemned since; whoever it belongs to may sign anew."""


class AgreementRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/agreements`: this institution proposes to another what counts at either, five years at most.

    Days are those of the institution's time zone, the last one included.
    """

    partner: Annotated[DidField, Meta(description="The DID of the other institution")]
    valid_from: DayOrTimeField | UnsetType = UNSET
    valid_until: DayOrTimeField
    terms: Annotated[tuple[AgreementTerm, ...], Meta(min_length=1, max_length=TERMS_MAX)]


class AgreementAnswer(Record, frozen=True, kw_only=True):
    """An agreement as it stands here; `valid_until` is the first moment without it.

    `document` is what was signed, with a signature of each who has, and `ending` what ends it, with a signature of the
    other once that has it: hand them to a party whose gateway is another (`elsewhere`), which knows of neither before.
    It has ended from `ended_at` on, as who ended it signed; here that is known since `ending_known_at`.
    `ending_known_to` are the parties that know of it as far as is shown here. What was decided by an agreement stays
    when it ends; `decided_after_ending` counts what was decided here by it before the ending was known here.
    """

    agreement_id: AgreementId
    state: AgreementState
    is_in_force: bool
    proposer: Did
    proposer_name: str
    accepter: Did
    accepter_name: str
    valid_from: Moment
    valid_until: Moment
    terms: tuple[AgreementTerm, ...]
    proposed_at: Moment
    accepted_at: Moment | None = None
    ended_at: Moment | None = None
    ended_by: Did | None = None
    ending_known_at: Moment | None = None
    ending_known_to: tuple[Did, ...] = ()
    decided_after_ending: int | None = None
    elsewhere: tuple[Did, ...] = ()
    document: ConsentEnvelope
    ending: ConsentEnvelope | None = None


class AgreementPage(Record, frozen=True, kw_only=True):
    """Agreements, those that were proposed last first."""

    agreements: tuple[AgreementAnswer, ...]
    next_cursor: str | None = None


class AgreementGrounds(Record, frozen=True, kw_only=True):
    """By which agreement something was decided: its id, with whom it is, and for how long it is."""

    agreement_id: AgreementId
    partner: Did
    partner_name: str
    valid_from: Moment
    valid_until: Moment
