"""What an institution decided or agreed beforehand decides at once (DESIGN 11): all of it stated, genuine, in force.

A standing decision of its own comes first, then an agreement with whoever awarded it. Whatever is not covered, or
cannot be judged now, waits for a person; so does a credential that counts towards the programme already.
"""

from collections.abc import Sequence

import msgspec

from proto.ids import AchievementUri, AgreementId, CredentialId, Did, EventId
from proto.lifecycle import Book, StandingDecision, is_in_force
from proto.lifecycle.statements import decisions_on
from proto.moment import Moment, to_datetime
from proto.wire.applications import RecognitionDecision
from proto.wire.verifier import CredentialFacts
from services.issuer_gateway.applications.evidence import CheckedEvidence
from services.issuer_gateway.applications.publication import publish_at
from services.issuer_gateway.domain import agreements as rules
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.log_state import FollowedLogState, LogNotFollowedProblem
from services.issuer_gateway.store import (
    agreements,
    application_publication,
    applications,
    earlier_recognitions,
    followed_log,
)
from services.issuer_gateway.store.applications import EvidenceDecision, NewApplication, SealedEvidence
from services.persistence import postgres_statements
from services.persistence.postgres import Connection

AGREEMENTS_READ_MAX = 100
"""So many agreements between two institutions are looked at, the newest."""


class _Beforehand(msgspec.Struct, frozen=True, kw_only=True):
    """How something was decided before it came, and by what."""

    decision: RecognitionDecision
    ects_hundredths: int
    eqf_level: int | None = None
    under: EventId | None = None
    agreement: AgreementId | None = None


class DecideAtOnce:
    """Decides by standing decisions and agreements."""

    def __init__(self, log_state: FollowedLogState) -> None:
        self._log_state = log_state

    async def decide(
        self,
        connection: Connection,
        tenant: Tenant,
        application: NewApplication,
        pieces: Sequence[tuple[SealedEvidence, CheckedEvidence]],
    ) -> list[EvidenceDecision]:
        """Keep what is decided at once, in the caller's transaction, and return it."""
        try:
            self._log_state.check_fresh("Whether a standing decision is in force")
        except LogNotFollowedProblem:
            return []
        now = self._log_state.now()
        decider = _Decider(connection, tenant, application.programme, now=now)
        made = []
        for item, checked in pieces:
            found = await decider.decided(checked)
            if found is None:
                continue
            decided = _decided(application, item, found, now=now)
            await applications.decide(connection, decided)
            if application.is_public and item.credential_id:
                at = publish_at(to_datetime(now))
                await application_publication.publish_later(connection, item.application_id, item.number, at)
            made.append(decided)
        return made


class _Decider:
    """Decides the pieces of one application, one after the other; knows what it has counted so far."""

    def __init__(self, connection: Connection, tenant: Tenant, programme: str, *, now: Moment) -> None:
        self._connection = connection
        self._tenant = tenant
        self._programme = programme
        self._now = now
        self._seen: set[CredentialId] = set()
        self._counted: dict[tuple[AgreementId, int], int] = {}

    async def decided(self, checked: CheckedEvidence) -> _Beforehand | None:
        """Return how a credential that is proven and active was decided beforehand; None: a person decides."""
        answer = checked.answer
        if answer is None or answer.verdict != "valid" or answer.credential is None:
            return None
        on_log = answer.credential
        if on_log.credential_id in self._seen or await self._counts_already(on_log.credential_id):
            return None
        book = await followed_log.book_of_issuers(self._connection, {self._tenant.did, on_log.issuer})
        if not rules.may_recognise(book, self._tenant.did):
            return None
        fields = answer.content.isced_f if answer.content else ()
        found = await self._by_standing_decision(book, on_log) or await self._by_agreement(book, on_log, fields)
        if found is not None:
            self._seen.add(on_log.credential_id)
        return found

    async def _counts_already(self, credential_id: CredentialId) -> bool:
        return await earlier_recognitions.counts_already(
            self._connection, self._tenant.institution_id, credential_id, self._programme
        )

    async def _by_standing_decision(self, book: Book, on_log: CredentialFacts) -> _Beforehand | None:
        """Return what the institution's own decision on the achievement says, where one covers the credential."""
        for decision in await _decisions_on(self._connection, book, on_log.issuer, AchievementUri(on_log.achievement)):
            fits = (
                decision.recogniser == self._tenant.did
                and decision.programme == self._programme
                and decision.description_digest is None  # which description was meant, a person compares
                and on_log.ects_hundredths >= (decision.ects_hundredths_min or 0)
                and (on_log.eqf_level or 0) >= (decision.eqf_level_min or 0)
                and (decision.decision == "full" or decision.ects_hundredths <= on_log.ects_hundredths)
            )
            if fits and is_in_force(book, decision, self._now):
                is_full = decision.decision == "full"
                return _Beforehand(
                    decision=decision.decision,
                    ects_hundredths=on_log.ects_hundredths if is_full else decision.ects_hundredths,
                    eqf_level=decision.eqf_level,
                    under=decision.stamp.event_id,
                )
        return None

    async def _by_agreement(self, book: Book, on_log: CredentialFacts, fields: Sequence[str]) -> _Beforehand | None:
        """Return what an agreement says that both have signed with good keys, that is in force and covers it."""
        if not rules.is_in_good_standing(book, on_log.issuer):
            return None
        own = self._tenant.did
        for stored in await agreements.between(self._connection, own, on_log.issuer, limit=AGREEMENTS_READ_MAX):
            agreement = stored.agreement
            if not agreement.valid_from <= self._now < agreement.valid_until:
                continue
            if not rules.are_consents_good(book, stored.consents, agreement.parties):
                continue
            for number, term in rules.terms_for(agreement, own, self._programme, on_log, fields):
                counted, place = rules.counted_by(term, on_log.ects_hundredths), (stored.agreement_id, number)
                total = self._counted.get(place, 0) + (counted or 0)
                if counted is None or (term.ects_hundredths_total_max or total) < total:
                    continue  # what would pass the most that counts, a person decides
                self._counted[place] = total
                return _Beforehand(decision=term.decision, ects_hundredths=counted, agreement=stored.agreement_id)
        return None


async def _decisions_on(
    connection: Connection, book: Book, issuer: Did, achievement: AchievementUri
) -> list[StandingDecision]:
    """Return the standing decisions of everybody on an achievement, as far as the log is followed."""
    group = decisions_on(issuer, achievement)
    await postgres_statements.load_groups(connection, book, [group])
    names: Sequence[EventId] = book.groups.get(group) or ()
    await postgres_statements.load(connection, book, names)
    return [each for name in names if isinstance(each := book.statements.get(name), StandingDecision)]


def _decided(application: NewApplication, item: SealedEvidence, found: _Beforehand, *, now: Moment) -> EvidenceDecision:
    return EvidenceDecision(
        application_id=application.application_id,
        number=item.number,
        round=1,
        decision=found.decision,
        ects_hundredths=found.ects_hundredths,
        eqf_level=found.eqf_level,
        reasons=(),
        sealed_text=None,
        api_key_id=None,
        under_event=found.under,
        decided_at=to_datetime(now),
        agreement=found.agreement,
    )
