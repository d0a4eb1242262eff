"""What may be decided when, and how it ends: pure rules of the process (DESIGN 11). Reads no store and no clock."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from proto.ids import ApiKeyId
from proto.problem import ConflictProblem, InvalidProblem
from proto.sentence import Sentence, sentence
from proto.wire.applications import ApplicationState, CountedPlace, DecisionBody, HoldsNow
from proto.wire.verifier import Verdict
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence

ROUNDS_MAX = 2


class ApplicationClosedProblem(ConflictProblem):
    """The application was withdrawn or erased: nothing is decided on it any more."""

    slug = "application-closed"
    title = "The application is closed"


class ItemDecidedProblem(ConflictProblem):
    """A decision stands, and nobody appealed against it; or the appeal was decided too."""

    slug = "item-decided"
    title = "This was decided already"


class SamePersonProblem(ConflictProblem):
    """An appeal is decided by somebody else than who decided first."""

    slug = "same-person"
    title = "Somebody else decides an appeal"


class NoAppealProblem(ConflictProblem):
    """There is nothing to appeal against: not decided yet, appealed before, or recognised in full."""

    slug = "no-appeal"
    title = "There is no decision to appeal against"


class NoLongerHoldsProblem(ConflictProblem):
    """The credential held when it was shown, and does not hold now: revoked, suspended, or its time is over."""

    slug = "evidence-no-longer-holds"
    title = "The credential does not hold any more"


class CountedAlreadyProblem(ConflictProblem):
    """The credential counts towards the programme already; the member `counted_in` says where."""

    slug = "counts-already"
    title = "It counts towards this programme already"


class UnlikeCaseProblem(ConflictProblem):
    """A like case was decided otherwise; the member `precedents` says how."""

    slug = "unlike-case"
    title = "A like case was decided otherwise"


def check_holds(body: DecisionBody, *, shown_as: Verdict | None, holds_now: HoldsNow) -> None:
    """Raise `NoLongerHoldsProblem` where a credential is counted that held when it was shown and does not now.

    Once that is said to be known it is taken, with words for the applicant; what could not be asked stops nobody.
    """
    if body.decision == "refused" or shown_as == "invalid" or holds_now != "does-not-hold":
        return
    if not body.despite_status:
        raise NoLongerHoldsProblem(
            "It was revoked or suspended since it was shown, or its time is over. Refuse it, decide once it holds "
            "again, or confirm that you know (`despite_status`) and say in words why it counts"
        )
    if body.text is UNSET:
        raise InvalidProblem("Say in words why it counts though it does not hold any more", pointer="/text")


def check_counted_once(body: DecisionBody, counted_in: Sequence[CountedPlace]) -> None:
    """Raise `CountedAlreadyProblem` where a credential is counted that counts already, until that is confirmed."""
    if body.decision == "refused" or body.despite_counted or not counted_in:
        return
    raise CountedAlreadyProblem(
        sentence(
            "It counts towards this programme already: {place}. Refuse it, or confirm that it is to count once more "
            "(`despite_counted`)",
            place=_places_said(counted_in),
        ),
        members={"counted_in": [msgspec.to_builtins(each) for each in counted_in]},
    )


def _places_said(places: Sequence[CountedPlace]) -> Sentence:
    """Return in words where a credential counts: the first place, and how many more there are."""
    first, more = places[0], len(places) - 1
    if first.recognition is None:
        said = sentence(
            "application {application}, document {number}", application=first.application_id, number=first.number
        )
    else:
        said = sentence("recognition {recognition} on the log", recognition=first.recognition)
    return sentence("{place}, and {count} more", place=said, count=more) if more else said


def check_assessed(body: DecisionBody, *, is_prior_learning: bool) -> None:
    """Raise `InvalidProblem` where prior learning is counted and nobody is named who assessed it (DESIGN 11)."""
    if is_prior_learning and body.decision != "refused" and body.assessor is UNSET:
        raise InvalidProblem(
            "Name who assessed it: prior learning counts by somebody's assessment, not by a document",
            pointer="/assessor",
        )


def check_decision(body: DecisionBody, known_hundredths: int | None) -> int | None:
    """Return the credits that a decision counts; raises `InvalidProblem`, with a pointer, where it contradicts itself.

    `known_hundredths` are the credits of the evidence, where it says them.
    """
    stated = None if body.ects_hundredths is UNSET else body.ects_hundredths
    if body.decision == "refused":
        if stated is not None:
            raise InvalidProblem("What is refused counts no credits: leave them out", pointer="/ects_hundredths")
        if not body.reasons or body.text is UNSET:
            raise InvalidProblem(
                "A refusal states its reasons: choose one from the list, and say it in words for the applicant",
                pointer="/reasons" if not body.reasons else "/text",
            )
        return None
    if body.decision == "partial":
        if stated is None:
            raise InvalidProblem("Say how many credits are counted", pointer="/ects_hundredths")
        if not body.reasons or body.text is UNSET:
            raise InvalidProblem(
                "Say why it is not counted in full: a reason from the list, and words for the applicant",
                pointer="/reasons" if not body.reasons else "/text",
            )
        if known_hundredths is not None and stated >= known_hundredths > 0:
            raise InvalidProblem(
                "In part counts less than the evidence carries; in full counts all of it", pointer="/ects_hundredths"
            )
        return stated
    if known_hundredths is not None and stated is not None and stated != known_hundredths:
        raise InvalidProblem(
            "In full counts exactly the credits of the evidence; with others the decision is partial",
            pointer="/ects_hundredths",
        )
    if stated is None and known_hundredths is None:
        raise InvalidProblem(
            "The evidence does not say how many credits it carries: say how many are counted",
            pointer="/ects_hundredths",
        )
    return stated if stated is not None else known_hundredths


def next_round(item: SealedEvidence, made: Sequence[EvidenceDecision], by: ApiKeyId | None) -> int:
    """Return which decision on a piece of evidence comes next; raises where none does, or where somebody else has to.

    A standing decision (`by` None) decides first only.
    """
    if not made:
        return 1
    if len(made) >= ROUNDS_MAX or item.sealed_appeal is None:
        raise ItemDecidedProblem(
            "It was decided; the applicant may appeal once" if len(made) == 1 else "The appeal was decided"
        )
    if made[0].api_key_id is not None and made[0].api_key_id == by:
        raise SamePersonProblem("Decide an appeal with another person's API key than the first decision was made with")
    return ROUNDS_MAX


def may_appeal(item: SealedEvidence, made: Sequence[EvidenceDecision]) -> bool:
    """Tell whether an applicant may appeal: once, against what was not recognised in full."""
    return len(made) == 1 and made[0].decision != "full" and item.sealed_appeal is None


def is_waiting(item: SealedEvidence, made: Sequence[EvidenceDecision]) -> bool:
    """Tell whether a piece of evidence waits for the office."""
    return not made or (len(made) < ROUNDS_MAX and item.sealed_appeal is not None)


def state_of(items: Sequence[SealedEvidence], made: Sequence[EvidenceDecision]) -> ApplicationState:
    """Return how an application stands that is neither withdrawn nor lapsed."""
    by_number = {item.number: [each for each in made if each.number == item.number] for item in items}
    return "open" if any(is_waiting(item, by_number[item.number]) for item in items) else "decided"
