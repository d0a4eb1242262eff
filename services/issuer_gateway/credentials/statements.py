"""Recognitions, standing decisions, invitations, endorsements: one event each, and what takes them back (DESIGN 9)."""

from collections.abc import Callable

import msgspec

from proto import events
from proto.ids import CredentialId, Did, EventId
from proto.lifecycle import (
    Book,
    Endorsement,
    Invitation,
    StandingDecision,
    Statement,
    StatementGroup,
    decisions_by,
    decisions_like,
    endorsements_of,
    invitations_by,
    invitations_like,
    invitations_of,
    living_end,
    profile,
)
from proto.moment import Moment
from proto.sentence import sentence
from proto.wire.gateway import EventAnswer, RecognitionRequest
from proto.wire.own_statements import (
    EndorsementAnswer,
    EndorsementRequest,
    EndorserRequest,
    InvitationAnswer,
    StandingDecisionAnswer,
    StandingDecisionRequest,
)
from proto.wire.stacks import NamedAchievement
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.credentials.change_credential import UnknownEventProblem
from services.issuer_gateway.domain import statements as said
from services.issuer_gateway.domain.awarding import Common
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import followed_log, outbox
from services.issuer_gateway.store import statements as store
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool, transaction


class MakeStatements:
    """Says what stands until it is withdrawn, and takes it back; what orders it is its credential, or its group."""

    def __init__(self, pool: Pool, writer: LogWriter, idempotency: Idempotency) -> None:
        self._pool = pool
        self._writer = writer
        self._idempotency = idempotency

    async def recognise(self, tenant: Tenant, request: RecognitionRequest, keyed: KeyedRequest | None) -> EventAnswer:
        """Recognise a credential, whoever issued it; raises the rules' refusals."""

        def event(common: Common) -> events.Event:
            return said.recognised_event(common, request, version=self._writer.rules_version)

        return await self._say(tenant, event, request.credential_id, keyed)

    async def decide(self, tenant: Tenant, request: StandingDecisionRequest, keyed: KeyedRequest | None) -> EventAnswer:
        """Make a standing decision; raises the rules' refusals."""

        def event(common: Common) -> events.Event:
            return said.decision_event(common, request, now=common.at, zone=tenant.zone)

        like = decisions_like(tenant.did, request.achievement_issuer, request.achievement, request.programme)
        return await self._say(tenant, event, _stream(like), keyed)

    async def invite(self, tenant: Tenant, request: EndorserRequest, keyed: KeyedRequest | None) -> EventAnswer:
        """Invite an institution to endorse; raises the rules' refusals."""

        def event(common: Common) -> events.Event:
            return events.EndorserInvited(
                **common.fields(), achievement=request.achievement, endorser=request.endorser, role=request.role
            )

        like = invitations_like(tenant.did, request.achievement, request.endorser, request.role)
        return await self._say(tenant, event, _stream(like), keyed)

    async def endorse(
        self, tenant: Tenant, credential_id: CredentialId, request: EndorsementRequest, keyed: KeyedRequest | None
    ) -> EventAnswer:
        """Endorse a credential of another institution, which has invited this one; raises the rules' refusals."""

        def event(common: Common) -> events.Event:
            return events.CredentialEndorsed(**common.fields(), credential_id=credential_id, role=request.role)

        return await self._say(tenant, event, credential_id, keyed)

    async def withdraw(
        self, tenant: Tenant, kind: said.Withdrawal, name: EventId, keyed: KeyedRequest | None
    ) -> EventAnswer:
        """Take back what the institution said, or one that it succeeds; raises `UnknownEventProblem` for another's."""
        stream = await self._stream_of(tenant, kind, name)

        def event(common: Common) -> events.Event:
            return said.withdrawal_event(common, kind, name)

        return await self._say(tenant, event, stream, keyed)

    async def _say(
        self,
        tenant: Tenant,
        make: Callable[[Common], events.Event],
        stream: CredentialId,
        keyed: KeyedRequest | None,
    ) -> EventAnswer:
        self._writer.check_followed()

        async def work(connection: Connection) -> OutboxEvent:
            now = self._writer.now()
            event = make(self._writer.common_fields(tenant, now=now))
            item = OutboxEvent(opened=await self._writer.sign(tenant, event), stream=stream)
            book = await book_for(connection, [item.opened], also=[stream], now=now)
            await self._writer.append(connection, tenant, [item], book, now=now)
            return item

        return await self._idempotency.append_once(keyed, work, locks=[stream])

    async def _stream_of(self, tenant: Tenant, kind: said.Withdrawal, name: EventId) -> CredentialId:
        """Return what orders a statement of the institution's own, or of one that it succeeds, as the log has it."""
        row = await outbox.get(self._pool, name)
        if row is not None and row.institution_id == tenant.institution_id:
            if said.WITHDRAWN_BY.get(row.event_type) is not kind:
                raise UnknownEventProblem(
                    sentence("The event {event} is of another kind: {kind}", event=name, kind=row.event_type)
                )
            return row.streams[0]
        async with transaction(self._pool) as connection:
            book = await store.book_of(connection, [name])
        found = book.statement(name)
        is_own = found is not None and said.is_taken_back_by(found, kind)
        if found is None or not is_own or living_end(book, found.stamp.speaker) != tenant.did:
            raise UnknownEventProblem(
                sentence("{institution} has said no such event {event}", institution=tenant.slug, event=name)
            )
        return found.credential_id if isinstance(found, Endorsement) else _stream(found.groups()[0])


class StatementReader:
    """Reads what stands, and what does not any more, as the log is followed."""

    def __init__(self, pool: Pool, names: AchievementNames) -> None:
        self._pool = pool
        self._titles = names

    async def decisions(
        self, tenant: Tenant, *, now: Moment, before: int | None, limit: int
    ) -> list[tuple[int, StandingDecisionAnswer]]:
        """Return standing decisions of the institution with their places, the newest first."""
        book, found = await self._page(decisions_by(tenant.did), before, limit)
        decisions = [each for each in found if isinstance(each, StandingDecision)]
        names = await self._titles.of({each.achievement for each in decisions})
        answers = ((each, said.decision_answer(book, each, now=now)) for each in decisions)
        return [(each.stamp.index, _with_title(answer, names.get(each.achievement))) for each, answer in answers]

    async def invitations(
        self, tenant: Tenant, *, are_received: bool, before: int | None, limit: int
    ) -> list[tuple[int, InvitationAnswer]]:
        """Return invitations that the institution made, or got, with their places, the newest first."""
        group = invitations_of(tenant.did) if are_received else invitations_by(tenant.did)
        book, found = await self._page(group, before, limit)
        invitations = [each for each in found if isinstance(each, Invitation)]
        names = await self._names({did for each in invitations for did in (each.stamp.speaker, each.endorser)})
        titles = await self._titles.of({each.achievement for each in invitations})
        answers: list[tuple[int, InvitationAnswer]] = []
        for each in invitations:
            known = titles.get(each.achievement)
            answer = msgspec.structs.replace(
                said.invitation_answer(book, each),
                inviter_name=names.get(each.stamp.speaker),
                endorser_name=names.get(each.endorser),
                title=known.title if known else None,
            )
            answers.append((each.stamp.index, answer))
        return answers

    async def endorsements(
        self, credential_id: CredentialId, *, before: int | None, limit: int
    ) -> list[tuple[int, EndorsementAnswer]]:
        """Return endorsements of a credential with their places, the newest first; none for an unknown one."""
        book, found = await self._page(endorsements_of(credential_id), before, limit)
        endorsements = [each for each in found if isinstance(each, Endorsement)]
        names = await self._names({each.endorser for each in endorsements})
        answers = ((each, said.endorsement_answer(book, each)) for each in endorsements)
        return [
            (each.stamp.index, msgspec.structs.replace(answer, endorser_name=names.get(each.endorser)))
            for each, answer in answers
        ]

    async def _names(self, dids: set[Did]) -> dict[Did, str]:
        """Return what the followed log calls institutions, those that it knows."""
        async with transaction(self._pool) as connection:
            book = await followed_log.book_of_issuers(connection, dids)
        found = ((did, book.issuer(did)) for did in dids)
        known = ((did, profile(book, issuer)) for did, issuer in found if issuer is not None)
        return {did: each.legal_name for did, each in known if each is not None}

    async def _page(self, group: StatementGroup, before: int | None, limit: int) -> tuple[Book, list[Statement]]:
        async with transaction(self._pool) as connection:
            return await store.page_of(connection, group, before=before, limit=limit)


def _stream(group: StatementGroup) -> CredentialId:
    """Return a group as what orders events that are about no credential; both are 64 hex digits of a SHA-256."""
    return CredentialId(group)


def _with_title(answer: StandingDecisionAnswer, known: NamedAchievement | None) -> StandingDecisionAnswer:
    """Return a standing decision with how its achievement is called by whoever awards it, where that is known."""
    if known is None:
        return answer
    return msgspec.structs.replace(answer, title=known.title, institution_name=known.institution_name)
