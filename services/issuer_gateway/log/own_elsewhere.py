"""Issues of an institution of ours that came to the log by another event than the one that waits here.

It is another gateway's, or one of ours that a database from a backup does not have any more. Where it says the same of
a credential, that credential is issued.
"""

from collections.abc import Mapping, Sequence

import msgspec

from proto.documents.agreement import issue_of
from proto.envelope import Envelope, open_envelope
from proto.events import Issue
from proto.ids import CredentialId, EventId
from services.follow import Applied
from services.issuer_gateway.store import credentials, outbox
from services.persistence.postgres import Connection

_DECODE = msgspec.json.Decoder(Envelope).decode


async def take_in(connection: Connection, applied: Sequence[Applied], *, own: Sequence[EventId]) -> None:
    """In the projector's transaction: give credentials that wait to be issued the event by which the log has them.

    `own` are the events that are in the outbox. What says something else of a credential is no issue of it: ours is
    going to be refused.
    """
    known = set(own)
    for item in applied:
        event = item.opened.event
        if isinstance(event, Issue) and item.opened.event_id not in known:
            await _take_in(connection, item, event)


async def _take_in(connection: Connection, item: Applied, event: Issue) -> None:
    waiting = await credentials.waiting_issues(connection, event.issuer, item.opened.credential_ids)
    same = [each for each in waiting if _says_the_same(each.envelope, event)]
    if not same:
        return
    await outbox.insert_published(
        connection,
        outbox.NewOutboxRow(
            institution_id=same[0].institution_id,
            streams=tuple(sorted(each.credential_id for each in same)),
            opened=item.opened,
        ),
        index=item.index,
        leaf_hash=item.leaf_hash,
        received_at=item.stamp.received_at,
    )
    before: dict[EventId, list[CredentialId]] = {}
    for each in same:
        before.setdefault(each.event_id, []).append(each.credential_id)
    await _give(connection, before, item.opened.event_id)


async def _give(connection: Connection, before: Mapping[EventId, Sequence[CredentialId]], now: EventId) -> None:
    for event_id, names in before.items():
        await credentials.give_event(connection, names, before=event_id, now=now)


def _says_the_same(envelope: bytes, event: Issue) -> bool:
    own = open_envelope(_DECODE(envelope)).event
    return isinstance(own, Issue) and issue_of(own) == issue_of(event)
