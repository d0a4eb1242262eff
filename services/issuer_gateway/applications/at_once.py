"""What an institution decided or agreed beforehand decides at once (DESIGN 11): all of it stated, genuine, in force.

Which decision covers what is a rule of `domain/decided_beforehand`. Whatever is not covered, or cannot be judged now,
waits for a person; so does a credential that counts towards the programme already.
"""

from collections.abc import Sequence

from proto.ids import AchievementUri, Did, EventId
from proto.lifecycle import Book, StandingDecision, is_in_force
from proto.lifecycle.statements import decisions_on
from proto.moment import Moment, to_datetime
from proto.wire.grade_conditions import ConditionPlace
from services.issuer_gateway.applications.evidence import CheckedEvidence
from services.issuer_gateway.applications.publication import publish_at
from services.issuer_gateway.domain.decided_beforehand import Beforehand, OfferedCredential, ProgrammeDecider
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.log_state import FollowedLogState, LogNotFollowedProblem
from services.issuer_gateway.store import (
    agreements,
    application_publication,
    applications,
    earlier_recognitions,
    followed_log,
    programmes,
)
from services.issuer_gateway.store.applications import EvidenceDecision, NewApplication, SealedEvidence
from services.persistence import postgres_statements
from services.persistence.postgres import Connection

AGREEMENTS_READ_MAX = 100
"""So many agreements between two institutions are looked at, the newest."""


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
        limits = await programmes.limits(connection, tenant.institution_id, {application.programme})
        decider = ProgrammeDecider(
            tenant.did,
            application.programme,
            now=now,
            limits=limits.get(application.programme),
            conditions=tenant.grade_conditions,
        )
        named = [item.credential_id for item, _ in pieces if item.credential_id is not None]
        await earlier_recognitions.lock(connection, tenant.institution_id, named, application.programme)
        made = []
        for item, checked in pieces:
            found = await _decided_beforehand(connection, tenant, application, decider, checked)
            if found is None:
                continue
            decided = _decided(application, item, found, now=now)
            await applications.decide(connection, decided)
            if application.is_public and item.credential_id:
                at = publish_at(to_datetime(now))
                await application_publication.publish_later(connection, item.application_id, item.number, at)
            made.append(decided)
        return made


async def _decided_beforehand(
    connection: Connection,
    tenant: Tenant,
    application: NewApplication,
    decider: ProgrammeDecider,
    checked: CheckedEvidence,
) -> Beforehand | None:
    """Return how a piece of evidence was decided beforehand, if it is a credential that is proven and active."""
    answer = checked.answer
    if answer is None or answer.verdict != "valid" or answer.credential is None:
        return None
    on_log = answer.credential
    if await earlier_recognitions.counts_already(
        connection, tenant.institution_id, tenant.did, on_log.credential_id, application.programme
    ):
        return None
    content = answer.content
    offered = OfferedCredential(
        on_log=on_log,
        fields=content.isced_f if content else (),
        grades=[each.value for each in content.results if each.value] if content else (),
    )
    book = await followed_log.book_of_issuers(connection, {tenant.did, on_log.issuer})
    return decider.decided(
        book,
        offered,
        decisions=await _decisions_on(connection, book, on_log.issuer, AchievementUri(on_log.achievement)),
        agreements=await agreements.between(connection, tenant.did, on_log.issuer, limit=AGREEMENTS_READ_MAX),
    )


async def has_decision(connection: Connection, tenant: Tenant, place: ConditionPlace, *, now: Moment) -> bool:
    """Tell whether a standing decision of the institution is in force on an achievement, towards that programme."""
    issuer, uri = Did(place.achievement_issuer), AchievementUri(place.achievement)
    book = await followed_log.book_of_issuers(connection, {tenant.did, issuer})
    return any(
        each.recogniser == tenant.did and each.programme == place.programme and is_in_force(book, each, now)
        for each in await _decisions_on(connection, book, issuer, uri)
    )


async def _decisions_on(
    connection: Connection, book: Book, issuer: Did, achievement: AchievementUri
) -> list[StandingDecision]:
    """Return the standing decisions of everybody on an achievement, as far as the log is followed."""
    group = decisions_on(issuer, achievement)
    await postgres_statements.load_groups(connection, book, [group])
    names: Sequence[EventId] = book.groups.get(group) or ()
    await postgres_statements.load(connection, book, names)
    return [each for name in names if isinstance(each := book.statements.get(name), StandingDecision)]


def _decided(application: NewApplication, item: SealedEvidence, found: Beforehand, *, now: Moment) -> EvidenceDecision:
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
