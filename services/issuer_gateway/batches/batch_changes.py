"""Changes of many credentials in one transaction: each row is decided by itself, in order, by the rules of the log."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.envelope import Opened
from proto.ids import ApiKeyId, CredentialId, EventId
from proto.lifecycle import Book, life_of
from proto.moment import Moment
from proto.one_of_many import OneOfMany
from proto.problem import Problem
from proto.tables.changes_csv import ChangeRow
from proto.wire.gateway import ChangeRequest
from services.edge import Log
from services.issuer_gateway.batches.revocation_groups import RevocationGroups
from services.issuer_gateway.credentials.change_credential import check_answers, effective_from
from services.issuer_gateway.credentials.decide_awards import DECIDED_AT_ONCE, check_rules
from services.issuer_gateway.credentials.document_store import learners_for, store
from services.issuer_gateway.credentials.prepare_award import PrepareAward, achievement_of
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.credentials.prerequisites import Holdings
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.awarding import change_event, effective_since
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, committed_event
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import credentials, outbox
from services.issuer_gateway.unit_of_work.decision_book import admit, book_for
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence import postgres_states
from services.persistence.postgres import Connection, keep_alive


class MayNotIssueProblem(Problem):
    """A reissue issues a credential, which the API key of this batch may not."""

    slug = "may-not-issue"
    title = "The API key may not issue"
    status = 403


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change: its event and, of a reissue, the new credential."""

    event_id: EventId
    credential_id: CredentialId | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChangeMany:
    """What changes of many credentials use. A change holds since `effective_margin_ms` before now.

    By rules version 2 at most `group_max` revocations share an event.
    """

    writer: LogWriter
    log_state: FollowedLogState
    prepare: PrepareAward
    learner_keys: LearnerKeys
    log: Log
    effective_margin_ms: int
    group_max: int

    def begin(
        self, connection: Connection, tenant: Tenant, *, may_issue: bool, api_key_id: ApiKeyId | None = None
    ) -> "Changes":
        """Return the changes of one institution, in the caller's transaction."""
        return Changes(self, connection, tenant, may_issue=may_issue, api_key_id=api_key_id)


class Changes:
    """Some changes of one institution, in the caller's transaction."""

    def __init__(
        self,
        by: "ChangeMany",
        connection: Connection,
        tenant: Tenant,
        *,
        may_issue: bool,
        api_key_id: ApiKeyId | None = None,
    ) -> None:
        self._by = by
        self._connection = connection
        self._tenant = tenant
        self._may_issue = may_issue
        self._api_key_id = api_key_id
        self._now: Moment = by.log_state.now()
        self._issues: list[PreparedAward] = []
        self._said: list[OutboxEvent] = []
        self._made: dict[int, Changed] = {}
        self._refused: dict[int, Problem] = {}
        self._refusals: Mapping[CredentialId, dict[str, Any] | None] = {}

    async def make(
        self, rows: Mapping[int, ChangeRow], *, is_dry_run: bool
    ) -> tuple[dict[int, Changed], dict[int, Problem]]:
        """Make the changes that the rules admit; return by line what was made, and why the others were not."""
        # (1) Nobody else speaks about these credentials; (2) what the log and we said of them; (3) each row by itself.
        ids = list(dict.fromkeys(row.credential_id for row in rows.values()))
        if not is_dry_run:
            await outbox.lock_streams(self._connection, ids)
        self._now = self._by.log_state.now()
        book = await book_for(self._connection, [], also=ids, now=self._now)
        self._refusals = await credentials.refused_issues(self._connection, self._tenant.institution_id, ids)
        groups = await self._groups(book, ids)
        for place, (line, row) in enumerate(rows.items(), start=1):
            if place % DECIDED_AT_ONCE == 0:
                await keep_alive(self._connection)
            if groups is not None and groups.is_waiting(row.credential_id):
                await self._make_waiting(book, groups, rows, is_dry=is_dry_run)
            await self._try(book, groups, line, row, is_dry=is_dry_run)
        if groups is not None:
            await self._make_waiting(book, groups, rows, is_dry=is_dry_run)
        if not is_dry_run:  # (4) events, then the documents of what was issued
            await self._keep()
        return self._made, self._refused

    async def _groups(self, book: Book, ids: Sequence[CredentialId]) -> RevocationGroups | None:
        """Return what gathers revocations that say the same; None by rules version 1, which says each alone."""
        if self._by.writer.rules_version < COMMITMENTS_FROM:
            return None
        return RevocationGroups(
            self._by.writer,
            self._connection,
            self._tenant,
            book,
            learners=await credentials.learners_of(self._connection, self._tenant.institution_id, ids),
            now=self._now,
            group_max=self._by.group_max,
        )

    async def _try(
        self, book: Book, groups: RevocationGroups | None, line: int, row: ChangeRow, *, is_dry: bool
    ) -> None:
        """Make a row's change, let it wait for others that say the same, or note why it is refused."""
        with OneOfMany() as this:
            if groups is None or not self._is_to_wait(book, groups, line, row):
                self._made[line] = await self._make(book, row, is_dry=is_dry)
        if this.broken is not None:
            self._refused[line] = problem_of_row(self._by.log, line, this.broken)

    def _is_to_wait(self, book: Book, groups: RevocationGroups, line: int, row: ChangeRow) -> bool:
        if row.action != "revoke":
            return False
        check_answers(self._tenant, book, row.credential_id, self._refusals)
        earliest = effective_from(book, row.credential_id, self._now, margin_ms=self._by.effective_margin_ms)
        stated = effective_since(row.effective_at, self._tenant.zone) if row.effective_at else earliest
        wanted = groups.wanted(line, row, stated)
        if wanted is not None:
            groups.add(wanted)
        return wanted is not None

    async def _make_waiting(
        self, book: Book, groups: RevocationGroups, rows: Mapping[int, ChangeRow], *, is_dry: bool
    ) -> None:
        """Decide on the revocations that wait; those that may not go together are asked alone."""
        revoked = await groups.signed()
        self._said += revoked.said
        self._made |= {line: Changed(event_id=event_id) for line, event_id in revoked.events.items()}
        for line in revoked.alone:
            await self._try(book, None, line, rows[line], is_dry=is_dry)

    async def _make(self, book: Book, row: ChangeRow, *, is_dry: bool) -> Changed:
        check_answers(self._tenant, book, row.credential_id, self._refusals)
        issue = await self._reissued(book, row, is_dry=is_dry) if row.award else None
        verb = "revoke" if row.action == "reissue" else row.action
        fields: dict[str, Any] = {"reason": row.reason, "effective_at": row.effective_at}
        fields["replaced_by"] = issue.credential_id if issue else row.replaced_by
        effective_at = effective_from(book, row.credential_id, self._now, margin_ms=self._by.effective_margin_ms)
        event = change_event(
            self._by.writer.common_fields(self._tenant, now=self._now),
            verb,
            row.credential_id,
            ChangeRequest(**fields),
            effective_at=effective_at,
            zone=self._tenant.zone,
        )
        opened = await self._by.writer.sign(self._tenant, event)
        await self._admit(book, opened)
        # What is refused up to here stays in the book at most as a fresh credential, which nobody else can name.
        if issue:
            self._issues.append(issue)
            self._said.append(issue.said)
        self._said.append(OutboxEvent(opened=opened, stream=row.credential_id))
        return Changed(event_id=opened.event_id, credential_id=issue.credential_id if issue else None)

    async def _reissued(self, book: Book, row: ChangeRow, *, is_dry: bool) -> PreparedAward:
        if not self._may_issue:
            raise MayNotIssueProblem("A reissue needs the scope credentials:issue", pointer="/action")
        assert row.award, "the caller asks for reissues only"
        try:
            achievement = await achievement_of(self._connection, self._tenant, row.award.achievement)
            issue = await self._by.prepare.prepare(
                self._tenant,
                row.award,
                achievement,
                now=self._now,
                is_dry=is_dry,
                api_key_id=self._api_key_id,
            )
            issue = await self._entitled(book, row.credential_id, issue)
            issue = await self._issued(book, issue)
        except Problem as problem:
            if problem.pointer is not None:
                problem.pointer = f"/award{problem.pointer}"
            raise
        return issue

    async def _entitled(self, book: Book, corrected: CredentialId, issue: PreparedAward) -> PreparedAward:
        """Check prerequisites, unless it is the same achievement for the same learner: those were checked then."""
        if issue.asking.required is None:
            return issue
        owners = await credentials.refs_of(self._connection, self._tenant.institution_id, [corrected])
        credential = book.credential(corrected)
        life = life_of(book, credential) if credential else None
        is_same = life is not None and life.achievement == issue.award.achievement
        if is_same and owners.get(corrected) == issue.award.learner.ref:
            return issue
        holdings = await Holdings.read(
            self._by.log_state, self._connection, self._tenant, [issue.asking], now=self._now
        )
        return issue.noted(holdings.check(issue.asking))

    async def _issued(self, book: Book, issue: PreparedAward) -> PreparedAward:
        """Return a new credential with its event, decided on by the book; it goes out alone."""
        check_rules(book, [issue])
        opened = issue.opened
        if issue.commitment is not None:
            common = self._by.writer.common_fields(self._tenant, now=self._now)
            event = committed_event(common, issue.statement, [issue.commitment], issue.components)
            opened = await self._by.writer.sign(self._tenant, event)
        assert opened is not None, "by rules version 1 it was prepared with its event"
        await self._admit(book, opened)
        return msgspec.structs.replace(issue, opened=opened)

    async def _admit(self, book: Book, opened: Opened) -> None:
        await postgres_states.load_all(self._connection, book, [opened])
        admit(book, opened, now=max(self._now, opened.event.at))

    async def _keep(self) -> None:
        if self._said:
            await self._by.writer.enqueue(self._connection, self._tenant, self._said)
        if self._issues:
            refs = [issue.award.learner.ref for issue in self._issues]
            learners = await learners_for(self._connection, self._tenant, refs)
            keys = await self._by.learner_keys.made(learner.learner_id for learner in learners.values())
            await store(self._connection, self._tenant, self._issues, learners, keys)
