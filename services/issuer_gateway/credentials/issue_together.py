"""Single issues that come at the same time, issued together: one transaction for all of an institution's.

Whatever a group cannot settle for one of its members (a refusal that may pass, a key that another process uses now) is
left to that request alone, which then does as if nobody else were there. Nothing of it has happened by then.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec
from msgspec.structs import replace

from proto.documents.credential import Award
from proto.ids import ApiKeyId, EventId
from proto.problem import Problem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.earlier_awards import AlreadyAwardedProblem
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_rows import PrepareRows, ReadRow, may_pass
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.places_at_hand import lending
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.log.arrivals import Expected
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.store import audit_trail
from services.issuer_gateway.store.idempotency_records import Answered
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.audited_call import AuditedCall
from services.issuer_gateway.unit_of_work.idempotency import (
    Idempotency,
    KeyedRequest,
    find_answers,
    other_request,
    remember_events,
)
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.issuer_gateway.unit_of_work.storage import RequestStorage
from services.issuer_gateway.unit_of_work.transactions import outcome_unknown
from services.issuer_gateway.waiting.coalescer import Coalescer
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import CONFLICT_ERRORS, CommitUnknownError

_ALONE = (*CONFLICT_ERRORS, LogNotFollowedProblem)
"""What undoes a group and says nothing of its members: each goes on alone."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What one request asks for."""

    award: Award
    keyed: KeyedRequest | None
    api_key_id: ApiKeyId | None
    call: AuditedCall | None


class IssuedInGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that a group has issued; `expected` waits for its event and is to be forgotten."""

    item: PreparedAward
    created_at: datetime
    expected: Expected


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """Where the event of an issue stands; with the credential, where it was made just now and in a group."""

    event: EventAnswer
    committed: IssuedInGroup | None = None
    is_already_awarded: bool = False
    """Whether the award was made before, and this is the credential of then."""


_Outcome = IssuedInGroup | Answered | Problem | None
"""None leaves a request alone."""


class IssueTogether:
    """Issues what is asked for at the same time in one transaction for each institution."""

    def __init__(
        self,
        storage: RequestStorage,
        writer: LogWriter,
        idempotency: Idempotency,
        *,
        rows: PrepareRows,
        issuing: IssueCredential,
    ) -> None:
        self._storage = storage
        self._writer = writer
        self._idempotency = idempotency
        self._rows = rows
        self._issuing = issuing
        self._groups: dict[tuple[str, str, str | None], Coalescer[Asked, _Outcome]] = {}

    async def issue(
        self, tenant: Tenant, award: Award, keyed: KeyedRequest | None, *, api_key_id: ApiKeyId | None = None
    ) -> Issue:
        """Issue one credential, together with those that others ask for now; return where its event stands (DESIGN 5).

        Raises what `IssueCredential.issue` raises.
        """
        self._writer.check_followed()
        outcome = await self._submit(
            tenant, Asked(award=award, keyed=keyed, api_key_id=api_key_id, call=audited_call.unrecorded())
        )
        if isinstance(outcome, AlreadyAwardedProblem):
            return Issue(event=await self._writer.read_state(outcome.event_id), is_already_awarded=True)
        if isinstance(outcome, Problem):
            raise outcome
        if isinstance(outcome, Answered):
            assert keyed is not None, "only a request with a key is repeated"
            return Issue(event=await self._idempotency.replay_answer(keyed, outcome))
        if outcome is None:
            return await self._alone(tenant, award, keyed, api_key_id=api_key_id)
        try:
            event = await self._idempotency.await_and_keep(keyed, outcome.item.said, outcome.expected)
        finally:
            self._writer.forget(outcome.expected)
        return Issue(event=event, committed=outcome)

    async def _submit(self, tenant: Tenant, asked: Asked) -> _Outcome:
        """Have it issued with what others ask of the same institution under the same settings."""
        name = tenant.institution_id, tenant.annex_gate, tenant.time_zone
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Coalescer(partial(self._together, tenant), count_max=LIMITS.coalesced_max)
        try:
            return await group.submit(asked)
        finally:
            if group.is_idle and self._groups.get(name) is group:
                del self._groups[name]

    async def _alone(
        self, tenant: Tenant, award: Award, keyed: KeyedRequest | None, *, api_key_id: ApiKeyId | None
    ) -> Issue:
        try:
            return Issue(event=await self._issuing.issue(tenant, award, keyed, api_key_id=api_key_id))
        except AlreadyAwardedProblem as before:
            return Issue(event=await self._writer.read_state(before.event_id), is_already_awarded=True)

    async def _together(self, tenant: Tenant, group: Sequence[Asked]) -> Sequence[_Outcome]:
        with lending():
            return await self._settled_together(tenant, group)

    async def _settled_together(self, tenant: Tenant, group: Sequence[Asked]) -> Sequence[_Outcome]:
        """(1) Make documents and events, (2) in one transaction store them, and only then (3) wait for the log.

        If we crash before the COMMIT of (2), nothing happened; after it the relay sends what was said.
        """
        rows = [ReadRow(place, asked.award) for place, asked in enumerate(group)]
        items, refused = await self._rows.prepare(tenant, rows, self._writer.now())  # (1)
        items = {place: replace(item, api_key_id=group[place].api_key_id) for place, item in items.items()}
        outcomes: dict[int, _Outcome] = dict(refused)
        committed: dict[int, IssuedInGroup] = {}
        try:
            async with self._storage.transaction() as connection:  # (2)
                settled = await _settled(connection, group, items)
                items = {place: item for place, item in items.items() if place not in settled}
                if items:
                    refusals, committed = await self._issued(connection, tenant, group, items)
                    settled |= refusals
                    await _record(connection, group, committed)
        except _ALONE:
            self._forget(committed)
            return [outcomes.get(place) for place in range(len(group))]
        except CommitUnknownError as error:
            self._forget(committed)
            raise outcome_unknown() from error
        except BaseException:
            self._forget(committed)
            raise
        outcomes |= settled | committed
        for place in committed:
            if (call := group[place].call) is not None:
                call.is_recorded = True
        return [outcomes.get(place) for place in range(len(group))]

    async def _issued(
        self, connection: Connection, tenant: Tenant, group: Sequence[Asked], items: dict[int, PreparedAward]
    ) -> tuple[dict[int, _Outcome], dict[int, IssuedInGroup]]:
        """Issue what the rules admit; return the refusals (None where one may pass) and what will be committed."""
        issues = await self._issuing.issue_many(connection, tenant, list(items.values()), are_alone=True)
        refusals: dict[int, _Outcome] = {}
        said: list[tuple[KeyedRequest, EventId]] = []
        taken: dict[int, PreparedAward] = {}
        for place, prepared in items.items():
            item = issues.taken.get(prepared.credential_id, prepared)
            refusal = issues.refused.get(item.credential_id)
            keyed = group[place].keyed
            if refusal is None:
                taken[place] = item
            else:
                refusals[place] = None if may_pass(refusal) else refusal
            if keyed is not None and (refusal is None or isinstance(refusal, AlreadyAwardedProblem)):
                said.append((keyed, refusal.event_id if isinstance(refusal, AlreadyAwardedProblem) else item.event_id))
        if said:
            await remember_events(connection, said)
        committed = {
            place: IssuedInGroup(item=item, created_at=issues.created_at, expected=self._writer.expect(item.event_id))
            for place, item in taken.items()
        }
        return refusals, committed

    def _forget(self, committed: dict[int, IssuedInGroup]) -> None:
        for each in committed.values():
            self._writer.forget(each.expected)


async def _record(connection: Connection, group: Sequence[Asked], committed: dict[int, IssuedInGroup]) -> None:
    """Record whose requests the transaction carries out, all at once."""
    records = []
    for place, issued in committed.items():
        if (call := group[place].call) is not None:
            call.subjects = call.subjects | {
                "event_id": issued.item.event_id,
                "credential_id": issued.item.credential_id,
            }
            records.append(call.record())
    if records:
        await audit_trail.add(connection, records)


async def _settled(
    connection: Connection, group: Sequence[Asked], items: dict[int, PreparedAward]
) -> dict[int, _Outcome]:
    """Return what is known of requests whose key was used before; the second of two with one key is left alone."""
    found = await find_answers(connection, [asked.keyed for asked in group])
    seen: set[bytes] = set()
    settled: dict[int, _Outcome] = {}
    for place in items:
        keyed = group[place].keyed
        if keyed is None:
            continue
        earlier = found.get(keyed.key_fingerprint)
        if earlier is not None:
            is_same = earlier.request_fingerprint == keyed.request_fingerprint
            settled[place] = earlier if is_same else other_request()
        elif keyed.key_fingerprint in seen:
            settled[place] = None
        seen.add(keyed.key_fingerprint)
    return settled
