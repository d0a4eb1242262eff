"""Which awards may be issued, by earlier awards, prerequisites and rules, and why others may not. Stores nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from proto.ids import AchievementUri, CredentialId
from proto.lifecycle import Book
from proto.moment import Moment
from proto.one_of_many import OneOfMany
from proto.problem import Problem, UnavailableProblem
from proto.wire.gateway import ChangeRequest
from services.edge import Log
from services.issuer_gateway.credentials.change_credential import effective_from
from services.issuer_gateway.credentials.earlier_awards import AlreadyAwardedProblem, EarlierAwards
from services.issuer_gateway.credentials.issue_groups import IssueGroups
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.credentials.prerequisites import Holdings
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.awarding import change_event
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import outbox
from services.issuer_gateway.unit_of_work.decision_book import admit, book_for
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence import postgres_states
from services.persistence.postgres import Connection, keep_alive

DECIDED_AT_ONCE = 64
"""So many awards are decided between two questions to the database, which ends the session of who is silent."""


class RulesChangedProblem(UnavailableProblem):
    """The log went over to another version of the rules while something was prepared by the one before."""

    slug = "rules-changed"
    title = "The log's rules have just changed"
    retry_after_seconds = 1


class Decided(msgspec.Struct, kw_only=True):
    """What was decided: what is issued, with its events, and why others are not."""

    taken: dict[CredentialId, PreparedAward] = msgspec.field(default_factory=dict)
    refused: dict[CredentialId, Problem] = msgspec.field(default_factory=dict)
    said: list[OutboxEvent] = msgspec.field(default_factory=list)
    """Every event, each once, in the order in which they are said."""

    def add(self, taken: Mapping[CredentialId, PreparedAward], refused: Mapping[CredentialId, Problem]) -> None:
        """Add what was decided: the events of issues, and behind them the revocations of what these replace."""
        self.taken |= taken
        self.refused |= refused
        issues = {item.opened.event_id: item for item in taken.values() if item.opened is not None}
        revocations = [said for item in taken.values() for said in item.revocations]
        self.said += [*(item.said for item in issues.values()), *revocations]

    def settle_repeated(self) -> None:
        """Name the event to those that were found to be made already, within this decision."""
        for credential_id, problem in list(self.refused.items()):
            if isinstance(problem, AlreadyAwardedProblem) and not problem.event_id:
                found = self.taken.get(problem.credential_id)
                if found is None:
                    self.refused[credential_id] = self.refused.get(problem.credential_id, problem)
                else:
                    problem.event_id = found.event_id


def check_rules(book: Book, items: Sequence[PreparedAward]) -> None:
    """Raise `RulesChangedProblem` where something was prepared by other rules than those in force now."""
    version = max(rule.version for rule in book.opened_log().rules)
    is_committed = version >= COMMITMENTS_FROM
    if any((item.commitment is not None) != is_committed for item in items):
        raise RulesChangedProblem("The log has gone over to another version of its rules; send the same again")


class DecideAwards:
    """Decides on awards in the caller's transaction; by rules version 2 at most `group_max` share an event.

    A revocation of what an award replaces holds since `effective_margin_ms` before now.
    """

    def __init__(
        self,
        writer: LogWriter,
        log_state: FollowedLogState,
        learner_keys: LearnerKeys,
        *,
        log: Log,
        effective_margin_ms: int,
        group_max: int,
    ) -> None:
        self._writer = writer
        self._log_state = log_state
        self._learner_keys = learner_keys
        self._log = log
        self._effective_margin_ms = effective_margin_ms
        self._group_max = group_max

    async def check_not_awarded(self, connection: Connection, tenant: Tenant, item: PreparedAward) -> None:
        """Raise `AlreadyAwardedProblem` or `AwardedBeforeProblem` where an award could not be issued for that now."""
        await self.find_replaced(connection, tenant, item, now=self._log_state.now(), is_dry=True)

    async def find_replaced(
        self, connection: Connection, tenant: Tenant, item: PreparedAward, *, now: Moment, is_dry: bool = False
    ) -> list[CredentialId]:
        """Return the credentials that an award takes the place of; nobody else says anything about them meanwhile.

        Raises `AlreadyAwardedProblem` and `AwardedBeforeProblem`.
        """
        awarded = await EarlierAwards.read(self._learner_keys, connection, tenant, [item], is_dry=is_dry)
        if not is_dry and item.award.on_repeat == "replace":
            await outbox.lock_streams(connection, awarded.credential_ids)
        book = await book_for(connection, [], also=awarded.credential_ids, now=now)
        return awarded.check(item, book, now=now)

    async def decide_many(
        self,
        connection: Connection,
        tenant: Tenant,
        items: Sequence[PreparedAward],
        *,
        now: Moment,
        earlier: Mapping[str, Sequence[AchievementUri]] | None = None,
        pairs_before: Sequence[tuple[str, str]] = (),
        is_dry: bool = False,
        are_alone: bool = False,
    ) -> Decided:
        """Return what may be issued, judged in order by earlier awards, prerequisites and rules, and refusals.

        `earlier` is what learners hold besides: in a dry run, what rows before these would give; `pairs_before` the
        same, of these awards' own achievements. What was asked for by several requests goes out alone (`are_alone`), as
        each of them is answered for itself. An award that was made before is refused with `AlreadyAwardedProblem`.
        """
        awarded = await EarlierAwards.read(self._learner_keys, connection, tenant, items, is_dry=is_dry)
        awarded.add_before(pairs_before)
        also = [*awarded.credential_ids, *(each for item in items for each in (*item.replaces, *item.components))]
        if not is_dry and any(item.award.on_repeat == "replace" or item.replaces for item in items):
            await outbox.lock_streams(connection, also)
        holdings = Holdings(tenant, Book(), now)
        if asking := [asked for item in items if (asked := item.asking).required is not None]:
            holdings = await Holdings.read(self._log_state, connection, tenant, asking, now=now)
        holdings.add(earlier or {})
        book = await book_for(connection, [item.opened for item in items if item.opened], also=also, now=now)
        check_rules(book, items)
        groups = IssueGroups(
            self._writer,
            connection,
            tenant,
            book,
            now=now,
            group_max=1 if are_alone else self._group_max,
            is_dry=is_dry,
        )
        found = Decided()
        for place, item in enumerate(items, start=1):
            if place % DECIDED_AT_ONCE == 0:
                await keep_alive(connection)
            with OneOfMany() as this:
                replaced = list(dict.fromkeys([*awarded.check(item, book, now=now), *item.replaces]))
                notes = holdings.check(item.asking)
                if replaced and groups.are_waiting(replaced):
                    found.add(*await groups.signed())
                if item.opened is not None:
                    admit(book, item.opened, now=max(now, item.opened.event.at))
                elif not groups.is_admitted(item):
                    await groups.judge(item)
                revocations = await self._revocations(connection, tenant, book, item=item, replaced=replaced, now=now)
            if this.broken is not None:
                found.refused[item.credential_id] = problem_of_row(self._log, place, this.broken)
                continue
            holdings.issued(item.asking)
            awarded.issued(item, replaced)
            decided = item.noted(notes).replacing(revocations)
            if decided.opened is None:
                groups.add(decided)
            else:
                found.add({decided.credential_id: decided}, {})
        found.add(*await groups.signed())
        found.settle_repeated()
        return found

    async def _revocations(
        self,
        connection: Connection,
        tenant: Tenant,
        book: Book,
        *,
        item: PreparedAward,
        replaced: Sequence[CredentialId],
        now: Moment,
    ) -> tuple[OutboxEvent, ...]:
        """Return the revocations of what an award replaces, decided by the book; raises a `Refusal`."""
        said = []
        for credential_id in replaced:
            effective_at = effective_from(book, credential_id, now, margin_ms=self._effective_margin_ms)
            request = ChangeRequest(reason="superseded", replaced_by=item.credential_id)
            event = change_event(
                self._writer.common_fields(tenant, now=now), "revoke", credential_id, request, effective_at=effective_at
            )
            opened = await self._writer.sign(tenant, event)
            await postgres_states.load_all(connection, book, [opened])
            admit(book, opened, now=max(now, opened.event.at))
            said.append(OutboxEvent(opened=opened, stream=credential_id))
        return tuple(said)
