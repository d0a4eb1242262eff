"""Issues by rules version 2, within one decision: judged once for all of which an event says the same, signed together.

Stores nothing. What one group's event is refused for is settled here: who is named is refused, the others go on.
"""

import random
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from proto.envelope import Opened
from proto.ids import CredentialId
from proto.lifecycle import Book, Refusal
from proto.lifecycle.refusals import CredentialsRefusal
from proto.moment import Moment
from proto.problem import Problem
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.groups import groups_of
from services.issuer_gateway.domain.issuing import IssueStatement, committed_event
from services.issuer_gateway.domain.log_refusals import refusal_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.unit_of_work.decision_book import admit, check_admissible
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.persistence import postgres_states
from services.persistence.postgres import Connection

_SHUFFLE = random.SystemRandom().shuffle


class LogRefusedOneProblem(Problem):
    """The rules refuse one credential of an event about several."""

    slug = "credential-refused"
    title = "The rules refuse this credential"
    status = 422


class IssueGroups:
    """The issues of one decision that are judged and not signed yet. At most `group_max` share an event."""

    def __init__(
        self,
        writer: LogWriter,
        connection: Connection,
        tenant: Tenant,
        book: Book,
        *,
        now: Moment,
        group_max: int,
        is_dry: bool,
    ) -> None:
        self._writer = writer
        self._connection = connection
        self._tenant = tenant
        self._book = book
        self._now = now
        self._group_max = group_max
        self._is_dry = is_dry
        self._judged: dict[IssueStatement, Refusal | None] = {}
        self._waiting: dict[CredentialId, PreparedAward] = {}

    def is_admitted(self, item: PreparedAward) -> bool:
        """Tell whether the rules admitted before what an issue says, which is no stack."""
        return not item.components and self._judged.get(item.statement, self) is None

    async def judge(self, item: PreparedAward) -> None:
        """Raise the `Refusal` of an issue, which is asked once for all that say the same; a stack is asked by itself.

        Whether an id is free is asked of the event: nobody else has a new document's.
        """
        if item.components:
            opened = await self._signed([item])
            await postgres_states.load_all(self._connection, self._book, [opened])
            check_admissible(self._book, opened, now=max(self._now, opened.event.at))
            return
        if item.statement not in self._judged:
            opened = await self._signed([item])
            await postgres_states.load_all(self._connection, self._book, [opened])
            try:
                check_admissible(self._book, opened, now=max(self._now, opened.event.at))
            except Refusal as refusal:
                self._judged[item.statement] = refusal
            else:
                self._judged[item.statement] = None
        found = self._judged[item.statement]
        if found is not None:
            raise found

    def add(self, item: PreparedAward) -> None:
        """Let a judged issue wait for the others that say the same."""
        self._waiting[item.credential_id] = item

    def are_waiting(self, credential_ids: Iterable[CredentialId]) -> bool:
        """Tell whether one of these is not signed yet."""
        return any(each in self._waiting for each in credential_ids)

    async def signed(self) -> tuple[dict[CredentialId, PreparedAward], dict[CredentialId, Problem]]:
        """Return what waited with its events, decided on by the book, and who was refused; nothing waits then.

        In a dry run nothing is signed.
        """
        waiting, self._waiting = list(self._waiting.values()), {}
        if self._is_dry:
            return {item.credential_id: item for item in waiting}, {}
        groups = [[item] for item in waiting if item.components]
        groups += groups_of(
            [item for item in waiting if not item.components],
            said=lambda item: item.statement,
            learner=lambda item: item.award.learner.ref,
            count_max=self._group_max,
            shuffle=_SHUFFLE,
        )
        openeds = [await self._signed(group) for group in groups]
        await postgres_states.load_all(self._connection, self._book, openeds)
        taken: dict[CredentialId, PreparedAward] = {}
        refused: dict[CredentialId, Problem] = {}
        for group, opened in zip(groups, openeds, strict=True):
            await self._admitted(group, opened, taken, refused)
        return taken, refused

    async def _admitted(
        self,
        group: Sequence[PreparedAward],
        opened: Opened,
        taken: dict[CredentialId, PreparedAward],
        refused: dict[CredentialId, Problem],
    ) -> None:
        """Decide on a group's event; without those whom a refusal names, where it names some."""
        try:
            admit(self._book, opened, now=max(self._now, opened.event.at))
        except CredentialsRefusal as refusal:
            named = {each["credential_id"] for each in refusal.members["refused"]}
            refused |= {each: _refusal_of_one(refusal.document(), each) for each in named}
            rest = [item for item in group if item.credential_id not in named]
            if rest:
                again = await self._signed(rest)
                await postgres_states.load_all(self._connection, self._book, [again])
                await self._admitted(rest, again, taken, refused)
        except Refusal as refusal:
            refused |= {item.credential_id: refusal for item in group}
        else:
            taken |= {item.credential_id: replace(item, opened=opened) for item in group}

    async def _signed(self, group: Sequence[PreparedAward]) -> Opened:
        commitments = [item.commitment for item in group if item.commitment is not None]
        common = self._writer.common_fields(self._tenant, now=self._now)
        event = committed_event(common, group[0].statement, commitments, group[0].components)
        return await self._writer.sign(self._tenant, event)


def _refusal_of_one(problem: dict[str, Any], credential_id: CredentialId) -> Problem:
    said = refusal_of(problem, credential_id)
    return LogRefusedOneProblem(str(said["detail"]), members={"code": said["code"]})
