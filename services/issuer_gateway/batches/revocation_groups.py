"""Revocations that say the same of several credentials, by rules version 2, decided and signed together.

Those whom a refusal of a group names come back, to be asked alone: then each gets words of its own. Stores nothing.
"""

import random
from collections.abc import Mapping, Sequence

import msgspec

from proto.event_fields import Reason
from proto.ids import AchievementUri, CredentialId, EventId, LearnerId
from proto.lifecycle import Book, life_of
from proto.lifecycle.refusals import CredentialsRefusal
from proto.moment import Moment
from proto.tables.changes_csv import ChangeRow
from services.issuer_gateway.domain.awarding import revoked_event
from services.issuer_gateway.domain.groups import groups_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.unit_of_work.decision_book import admit
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence import postgres_states
from services.persistence.postgres import Connection

_SHUFFLE = random.SystemRandom().shuffle


class WaitingRevocation(msgspec.Struct, frozen=True, kw_only=True):
    """A revocation that waits for the others that say the same: the row, since when it may hold, of what."""

    line: int
    credential_id: CredentialId
    achievement: AchievementUri
    reason: Reason
    stated_at: str | None
    """The day or time that the row states."""
    effective_at: Moment
    """Since when the credential is revoked; where the row states nothing, the earliest that it may be."""


class Revoked(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided: events for the outbox, which line has which of them, and what is to be asked alone."""

    said: list[OutboxEvent] = msgspec.field(default_factory=list)
    events: dict[int, EventId] = msgspec.field(default_factory=dict)
    alone: list[int] = msgspec.field(default_factory=list)


class RevocationGroups:
    """The revocations of one list that are not signed yet. At most `group_max` share an event."""

    def __init__(
        self,
        writer: LogWriter,
        connection: Connection,
        tenant: Tenant,
        book: Book,
        *,
        learners: Mapping[CredentialId, LearnerId],
        now: Moment,
        group_max: int,
    ) -> None:
        self._writer = writer
        self._connection = connection
        self._tenant = tenant
        self._book = book
        self._learners = learners
        self._now = now
        self._group_max = group_max
        self._waiting: dict[CredentialId, WaitingRevocation] = {}

    def wanted(self, line: int, row: ChangeRow, effective_at: Moment) -> WaitingRevocation | None:
        """Return a row as a revocation that others may share; None where it must be said alone."""
        credential = self._book.credential(row.credential_id)
        is_plain = row.action == "revoke" and not row.award and not row.replaced_by
        if credential is None or not is_plain or self._group_max == 1:
            return None
        life = life_of(self._book, credential) or credential.lives[-1]
        return WaitingRevocation(
            line=line,
            credential_id=row.credential_id,
            achievement=life.achievement,
            reason=row.reason,
            stated_at=row.effective_at or None,
            effective_at=effective_at,
        )

    def add(self, wanted: WaitingRevocation) -> None:
        """Let a revocation wait for the others that say the same."""
        self._waiting[wanted.credential_id] = wanted

    def is_waiting(self, credential_id: CredentialId) -> bool:
        """Tell whether a credential's revocation is not signed yet."""
        return credential_id in self._waiting

    async def signed(self) -> Revoked:
        """Return what waited, signed and decided on by the book; nothing waits then."""
        waiting, self._waiting = list(self._waiting.values()), {}
        found = Revoked()
        groups = groups_of(
            waiting,
            said=lambda item: (item.achievement, item.reason, item.stated_at),
            learner=lambda item: self._learners.get(item.credential_id, item.credential_id),
            count_max=self._group_max,
            shuffle=_SHUFFLE,
        )
        for group in groups:
            await self._decide(group, found)
        return found

    async def _decide(self, group: Sequence[WaitingRevocation], found: Revoked) -> None:
        if len(group) == 1:
            found.alone.append(group[0].line)
            return
        event = revoked_event(
            self._writer.common_fields(self._tenant, now=self._now),
            sorted(item.credential_id for item in group),
            reason=group[0].reason,
            effective_at=max(item.effective_at for item in group),
        )
        opened = await self._writer.sign(self._tenant, event)
        await postgres_states.load_all(self._connection, self._book, [opened])
        try:
            admit(self._book, opened, now=max(self._now, opened.event.at))
        except CredentialsRefusal as refusal:
            named = {each["credential_id"] for each in refusal.members["refused"]}
            found.alone.extend(item.line for item in group if item.credential_id in named)
            if rest := [item for item in group if item.credential_id not in named]:
                await self._decide(rest, found)
            return
        found.said.append(OutboxEvent(opened=opened, stream=group[0].credential_id))
        found.events.update({item.line: opened.event_id for item in group})
