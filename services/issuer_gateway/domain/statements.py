"""From requests to the events that say what stands until it is withdrawn, and from states to what is shown. Pure."""

from collections.abc import Callable, Mapping
from datetime import tzinfo

from proto import days, events
from proto.ids import CredentialId, EventId
from proto.lifecycle import (
    Book,
    Endorsement,
    Invitation,
    StandingDecision,
    Statement,
    counts,
    holds,
    is_in_force,
    is_live,
)
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.wire.gateway import RecognitionRequest
from proto.wire.own_statements import (
    EndorsementAnswer,
    InvitationAnswer,
    StandingDecisionAnswer,
    StandingDecisionRequest,
    StandingState,
)
from services.issuer_gateway.domain.awarding import Common

Withdrawal = type[events.Withdrawal]
WITHDRAWN_BY: Mapping[str, Withdrawal] = {
    "credential-recognised.v1": events.RecognitionWithdrawn,
    "credential-recognised.v2": events.RecognitionWithdrawn,
    "achievement-recognised.v1": events.AchievementRecognitionWithdrawn,
    "endorser-invited.v1": events.EndorserUninvited,
    "credential-endorsed.v1": events.EndorsementWithdrawn,
}
"""What is said to take back an event of each type."""
_FIELDS: Mapping[Withdrawal, str] = {events.EndorserUninvited: "invitation", events.EndorsementWithdrawn: "endorsement"}
_KINDS: Mapping[Withdrawal, type[Statement]] = {
    events.AchievementRecognitionWithdrawn: StandingDecision,
    events.EndorserUninvited: Invitation,
    events.EndorsementWithdrawn: Endorsement,
}
_OF_GROUPS = frozenset(
    {
        "achievement-recognised.v1",
        "achievement-recognition-withdrawn.v1",
        "endorser-invited.v1",
        "endorser-uninvited.v1",
    }
)
RECOGNISED_FOR_PROGRAMMES_FROM = 2
"""The version of the rules that replaced `credential-recognised.v1`."""


def credential_of(event_type: str, stream: CredentialId) -> CredentialId | None:
    """Return the credential that orders an event; None where what orders it is a group of statements."""
    return None if event_type in _OF_GROUPS else stream


def decision_event(
    common: Common, request: StandingDecisionRequest, *, now: Moment, zone: tzinfo
) -> events.AchievementRecognised:
    """Return the event that makes a standing decision; without a beginning it holds from now on."""
    return events.AchievementRecognised(
        **common.fields(),
        achievement_issuer=request.achievement_issuer,
        achievement=request.achievement,
        decision=request.decision,
        ects_hundredths=request.ects_hundredths,
        eqf_level=request.eqf_level,
        programme=request.programme,
        valid_from=_read(days.begin, request.valid_from, zone, "/valid_from") if request.valid_from else now,
        valid_until=_read(days.end, request.valid_until, zone, "/valid_until"),
        ects_hundredths_min=request.ects_hundredths_min,
        eqf_level_min=request.eqf_level_min,
        description_digest=request.description_digest,
    )


def _read(read: Callable[[str, tzinfo], Moment], written: str, zone: tzinfo, pointer: str) -> Moment:
    try:
        return days.on_record(read(written, zone))
    except InvalidProblem as problem:
        raise InvalidProblem(problem.sentence, pointer=pointer) from problem


def recognised_event(common: Common, request: RecognitionRequest, *, version: int) -> events.AnyRecognition:
    """Return the event that recognises a credential, by the version of the rules that judges the next entry.

    Raises `InvalidProblem` for what version 1 cannot say.
    """
    said = common.fields() | {
        "credential_id": request.credential_id,
        "decision": request.decision,
        "ects_hundredths": request.ects_hundredths,
        "eqf_level": request.eqf_level,
        "programme": request.programme,
    }
    if version >= RECOGNISED_FOR_PROGRAMMES_FROM:
        return events.CredentialRecognisedV2(**said, under=request.under, replaces=request.replaces)
    named = next((name for name in ("under", "replaces") if getattr(request, name)), None)
    if named is not None:
        raise InvalidProblem(
            f"{named} is known from rules version {RECOGNISED_FOR_PROGRAMMES_FROM} on; this log's are of version "
            f"{version}: leave it out",
            pointer=f"/{named}",
        )
    return events.CredentialRecognised(**said)


def withdrawal_event(common: Common, kind: Withdrawal, name: EventId) -> events.Withdrawal:
    """Return the event that takes back what the event of that name said."""
    return kind(**common.fields() | {_FIELDS.get(kind, "recognition"): name})


def is_taken_back_by(statement: Statement, kind: Withdrawal) -> bool:
    """Tell whether a statement is of the kind that this event takes back."""
    return isinstance(statement, _KINDS.get(kind, ()))


def decision_answer(book: Book, said: StandingDecision, *, now: Moment) -> StandingDecisionAnswer:
    """Return a standing decision as its institution is shown it."""
    return StandingDecisionAnswer(
        event_id=said.stamp.event_id,
        state=_state(book, said),
        is_in_force=is_in_force(book, said, now),
        achievement_issuer=said.achievement_issuer,
        achievement=said.achievement,
        decision=said.decision,
        ects_hundredths=said.ects_hundredths,
        eqf_level=said.eqf_level,
        programme=said.programme,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        ects_hundredths_min=said.ects_hundredths_min,
        eqf_level_min=said.eqf_level_min,
        description_digest=said.description_digest,
        received_at=said.stamp.received_at,
    )


def invitation_answer(book: Book, said: Invitation) -> InvitationAnswer:
    """Return an invitation as either side is shown it."""
    return InvitationAnswer(
        event_id=said.stamp.event_id,
        state=_state(book, said),
        inviter=said.stamp.speaker,
        endorser=said.endorser,
        achievement=said.achievement,
        role=said.role,
        received_at=said.stamp.received_at,
    )


def endorsement_answer(book: Book, said: Endorsement) -> EndorsementAnswer:
    """Return an endorsement as it is shown."""
    return EndorsementAnswer(
        event_id=said.stamp.event_id,
        state=_state(book, said),
        holds=holds(book, said),
        credential_id=said.credential_id,
        endorser=said.endorser,
        role=said.role,
        invitation=said.invitation,
        received_at=said.stamp.received_at,
    )


def _state(book: Book, said: Statement) -> StandingState:
    if is_live(book, said):
        return "live"
    return "withdrawn" if counts(book, said.stamp) else "void"
