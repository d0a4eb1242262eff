"""What a standing decision of the institution decides at once (DESIGN 11): all of it stated, genuine, and in force."""

from collections.abc import Sequence

from proto.ids import AchievementUri, Did, EventId
from proto.lifecycle import Book, StandingDecision, is_in_force
from proto.lifecycle.statements import decisions_on
from proto.moment import Moment, to_datetime
from services.issuer_gateway.applications.evidence import CheckedEvidence
from services.issuer_gateway.applications.publication import publish_at
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.log_state import FollowedLogState, LogNotFollowedProblem
from services.issuer_gateway.store import application_publication, applications, followed_log
from services.issuer_gateway.store.applications import EvidenceDecision, NewApplication, SealedEvidence
from services.persistence import postgres_statements
from services.persistence.postgres import Connection


class DecideAtOnce:
    """Decides by standing decisions; whatever is not covered, or cannot be judged now, waits for a person."""

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
        now, made = self._log_state.now(), []
        for item, checked in pieces:
            found = await self._covering(connection, tenant, application.programme, checked, now=now)
            if found is None:
                continue
            decided = _decided(application, item, checked, found, now=now)
            await applications.decide(connection, decided)
            if application.is_public and item.credential_id:
                at = publish_at(to_datetime(now))
                await application_publication.publish_later(connection, item.application_id, item.number, at)
            made.append(decided)
        return made

    async def _covering(
        self, connection: Connection, tenant: Tenant, programme: str, checked: CheckedEvidence, *, now: Moment
    ) -> StandingDecision | None:
        """Return the institution's own decision that covers a credential: proven, active, and with what it asks for."""
        answer = checked.answer
        if answer is None or answer.verdict != "valid" or answer.credential is None:
            return None
        on_log = answer.credential
        book = await followed_log.book_of_issuers(connection, {tenant.did, on_log.issuer})
        for decision in await _decisions_on(connection, book, on_log.issuer, AchievementUri(on_log.achievement)):
            fits = (
                decision.recogniser == tenant.did
                and decision.programme == programme
                and decision.description_digest is None  # which description was meant, a person compares
                and on_log.ects_hundredths >= (decision.ects_hundredths_min or 0)
                and (on_log.eqf_level or 0) >= (decision.eqf_level_min or 0)
            )
            if fits and is_in_force(book, decision, now):
                return decision
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


def _decided(
    application: NewApplication,
    item: SealedEvidence,
    checked: CheckedEvidence,
    decision: StandingDecision,
    *,
    now: Moment,
) -> EvidenceDecision:
    assert checked.answer is not None
    assert checked.answer.credential is not None, "it was covered by a decision on it"
    own = checked.answer.credential.ects_hundredths
    return EvidenceDecision(
        application_id=application.application_id,
        number=item.number,
        round=1,
        decision=decision.decision,
        ects_hundredths=own if decision.decision == "full" else decision.ects_hundredths,
        eqf_level=decision.eqf_level,
        reasons=(),
        sealed_text=None,
        api_key_id=None,
        under_event=decision.stamp.event_id,
        decided_at=to_datetime(now),
    )
