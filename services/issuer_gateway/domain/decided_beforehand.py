"""What an institution decided or agreed beforehand on one credential (DESIGN 11). Pure: no store, no clock.

A standing decision of its own comes first, only for the grades that the office has said; then agreements with whoever
awarded it, which agree on no grades; each only within what the programme lets count. Whatever is not covered, or cannot
be judged, is for a person.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from proto.documents.recognition_agreement import RecognitionAgreement
from proto.ids import AchievementUri, AgreementId, CredentialId, Did, EventId, KeyId
from proto.lifecycle import Book, StandingDecision, is_in_force
from proto.moment import Moment, to_datetime
from proto.wire.applications import ProgrammeLimits, RecognitionDecision
from proto.wire.institutions import GradeCondition
from proto.wire.verifier import CredentialFacts
from services.issuer_gateway.domain import agreements as rules
from services.issuer_gateway.domain.grades import judged


class Beforehand(msgspec.Struct, frozen=True, kw_only=True):
    """How something was decided before it came, and by what."""

    decision: RecognitionDecision
    ects_hundredths: int
    eqf_level: int | None = None
    under: EventId | None = None
    agreement: AgreementId | None = None


class OfferedCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that is proven and active, and what its document says of field and grades."""

    on_log: CredentialFacts
    fields: Sequence[str] = ()
    grades: Sequence[str] = ()


class Agreed(Protocol):
    """An agreement and who has signed it, as it is kept."""

    @property
    def agreement_id(self) -> AgreementId:
        """Its id."""
        ...

    @property
    def agreement(self) -> RecognitionAgreement:
        """What was signed."""
        ...

    @property
    def consents(self) -> Mapping[Did, tuple[KeyId, bytes]]:
        """The signatures of those who have signed."""
        ...


class ProgrammeDecider:
    """Decides the credentials of one application, one after the other; knows what it has counted so far."""

    def __init__(
        self,
        recogniser: Did,
        programme: str,
        *,
        now: Moment,
        limits: ProgrammeLimits | None = None,
        conditions: Iterable[GradeCondition] = (),
    ) -> None:
        self._recogniser = recogniser
        self._programme = programme
        self._now = now
        self._limits = limits or ProgrammeLimits()
        self._conditions = {
            (each.achievement_issuer, each.achievement): each for each in conditions if each.programme == programme
        }
        self._seen: set[CredentialId] = set()
        self._counted: dict[tuple[AgreementId, int], int] = {}
        self._total = 0

    def decided(
        self,
        book: Book,
        offered: OfferedCredential,
        *,
        decisions: Iterable[StandingDecision] = (),
        agreements: Iterable[Agreed] = (),
    ) -> Beforehand | None:
        """Return how a credential was decided beforehand, and count it; None: a person decides.

        `decisions` are those on its achievement, `agreements` those with whoever awarded it that nobody has ended.
        """
        on_log = offered.on_log
        if not rules.may_recognise(book, self._recogniser) or on_log.credential_id in self._seen:
            return None
        found = next(
            (
                (each, place)
                for each, place in self._ways(book, offered, decisions, agreements)
                if self._is_within(each, on_log)
            ),
            None,
        )
        if found is None:
            return None
        each, place = found
        self._seen.add(on_log.credential_id)
        self._total += each.ects_hundredths
        if place is not None:
            self._counted[place] = self._counted.get(place, 0) + each.ects_hundredths
        return each

    def _ways(
        self,
        book: Book,
        offered: OfferedCredential,
        decisions: Iterable[StandingDecision],
        agreements: Iterable[Agreed],
    ) -> Iterator[tuple[Beforehand, tuple[AgreementId, int] | None]]:
        """Yield how it was decided beforehand, what counts first before what comes after."""
        if self._is_graded_well(offered):
            for decision in decisions:
                if self._covers(decision, offered.on_log) and is_in_force(book, decision, self._now):
                    yield _by_decision(decision, offered.on_log), None
        if rules.is_in_good_standing(book, offered.on_log.issuer):
            for agreed in agreements:
                yield from self._by_agreement(book, agreed, offered)

    def _covers(self, decision: StandingDecision, on_log: CredentialFacts) -> bool:
        return (
            decision.recogniser == self._recogniser
            and decision.programme == self._programme
            and decision.description_digest is None  # which description was meant, a person compares
            and on_log.ects_hundredths >= (decision.ects_hundredths_min or 0)
            and (on_log.eqf_level or 0) >= (decision.eqf_level_min or 0)
            and (decision.decision == "full" or decision.ects_hundredths < on_log.ects_hundredths)
        )

    def _is_graded_well(self, offered: OfferedCredential) -> bool:
        """Tell whether a grade is what the office asks for."""
        condition = self._conditions.get((offered.on_log.issuer, AchievementUri(offered.on_log.achievement)))
        return judged(condition, offered.grades) == "good"

    def _by_agreement(
        self, book: Book, agreed: Agreed, offered: OfferedCredential
    ) -> Iterator[tuple[Beforehand, tuple[AgreementId, int] | None]]:
        agreement, on_log = agreed.agreement, offered.on_log
        if not agreement.valid_from <= self._now < agreement.valid_until:
            return
        if not rules.are_consents_good(book, agreed.consents, agreement.parties):
            return
        for number, term in rules.terms_for(agreement, self._recogniser, self._programme, on_log, offered.fields):
            counted, place = rules.counted_by(term, on_log.ects_hundredths), (agreed.agreement_id, number)
            total = self._counted.get(place, 0) + (counted or 0)
            if counted is not None and not rules.is_beyond(term.ects_hundredths_total_max, total):
                yield (
                    Beforehand(decision=term.decision, ects_hundredths=counted, agreement=agreed.agreement_id),
                    place,
                )

    def _is_within(self, found: Beforehand, on_log: CredentialFacts) -> bool:
        """Tell whether the programme's recipe lets it count; what would pass a limit, a person decides.

        A share of the whole is judged where credentials are stacked: here nobody knows the whole.
        """
        limits = self._limits
        if rules.is_beyond(limits.outside_hundredths_max, self._total + found.ects_hundredths):
            return False
        if limits.eqf_level_min is not None and (on_log.eqf_level or 0) < limits.eqf_level_min:
            return False
        if limits.age_days_max is None:
            return True
        return to_datetime(self._now) - to_datetime(on_log.valid_from) <= timedelta(days=limits.age_days_max)


def _by_decision(decision: StandingDecision, on_log: CredentialFacts) -> Beforehand:
    is_full = decision.decision == "full"
    return Beforehand(
        decision=decision.decision,
        ects_hundredths=on_log.ects_hundredths if is_full else decision.ects_hundredths,
        eqf_level=decision.eqf_level,
        under=decision.stamp.event_id,
    )
