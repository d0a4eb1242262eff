"""What becomes of an event that the log refused for good: whole, or without the credentials that the refusal names.

What is true if we crash here: the refusal, the event that is said in its place, and which credentials and rows have
which event change in one transaction. Before its COMMIT the refusal was never heard, and the same event is sent again.
"""

from collections.abc import Callable, Sequence
from typing import Any

import uuid_utils

from proto import events
from proto.envelope import Opened, open_envelope, seal_opened
from proto.ids import CredentialId, Did, EventId, Origin
from proto.lifecycle import profile
from proto.moment import Moment
from services.issuer_gateway.domain.awarding import Common, changed_event
from services.issuer_gateway.domain.issuing import committed_event, statement_in
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.arrivals import Arrival
from services.issuer_gateway.store import batches, credentials, followed_log, outbox, status_lists, tenants
from services.persistence.postgres import Connection

_DID_LENGTH_MAX = 600
_ON_LOG = "already-exists"
_RULES_VERSION = "general.rules-version"


class RefusedEvents:
    """Settles what was refused; signs anew what may be said of the others."""

    def __init__(self, signing_keys: SigningKeys, *, origin: Origin, now: Callable[[], Moment]) -> None:
        self._signing_keys = signing_keys
        self._origin = origin
        self._now = now

    async def is_to_be_met(self, connection: Connection, item: outbox.Pending, problem: dict[str, Any]) -> bool:
        """Tell whether a refusal speaks of our own credentials on the log that were not followed yet.

        Whether what the log has of them says the same, so that they are issued, is known once they were met.
        """
        if item.event_type not in events.ISSUE_TYPES:
            return False
        names = _held_by_us(item, problem)
        return bool(names) and not await followed_log.are_known(connection, names)

    async def settle(
        self, connection: Connection, item: outbox.Pending, problem: dict[str, Any]
    ) -> dict[EventId, Arrival]:
        """Keep a final refusal; return what became of which events, for whoever waits for them.

        Where it names credentials, these alone are refused, and the rest is said again; raises `NoKeyProblem` where
        nothing may be signed for the institution now, and then nothing has happened.
        """
        problem = overtaken(await with_holder(connection, problem))
        named = named_in(problem) or set(item.streams)
        gone = [each for each in item.streams if each in named]
        return await self._take_out(connection, item, gone, problem)

    async def _take_out(
        self, connection: Connection, item: outbox.Pending, gone: Sequence[CredentialId], problem: dict[str, Any]
    ) -> dict[EventId, Arrival]:
        """(1) Sign what is left; (2) refuse the event; (3) put what is left in its place; (4) the rows of both."""
        is_issue = item.event_type in events.ISSUE_TYPES
        if is_issue:  # what the log has by another event of ours has that one by now
            held = await credentials.with_event(connection, item.event_id)
            gone = [each for each in gone if each in held]
            rest = [each for each in item.streams if each in held and each not in gone]
        else:
            rest = [each for each in item.streams if each not in gone]
        again = await self._without(connection, item, rest) if rest else None  # (1)
        await outbox.mark_refused(connection, item.event_id, problem)  # (2)
        await batches.count_refused(connection, item.event_id, gone, are_issued=is_issue)  # (4)
        if again is not None:  # (3)
            await outbox.insert(connection, [again])
            give = credentials.give_event if is_issue else batches.give_event
            await give(connection, rest, before=item.event_id, now=again.opened.event_id)
        arrived = {item.event_id: Arrival(problem=problem)}
        if is_issue and gone:
            await status_lists.lock_bits(connection)
            await status_lists.set_bits(connection, dict.fromkeys(gone, True))
            followers = await outbox.refuse_followers(connection, gone, problem)
            arrived |= {event_id: Arrival(problem=problem) for event_id in followers}
            for event_id in followers:
                await batches.count_refused(connection, event_id, gone, are_issued=False)
            for follower in await outbox.about_several(connection, gone):
                arrived |= await self._take_out(
                    connection, follower, [each for each in follower.streams if each in set(gone)], problem
                )
        return arrived

    async def _without(
        self, connection: Connection, item: outbox.Pending, rest: Sequence[CredentialId]
    ) -> outbox.NewOutboxRow:
        """Return what an event said, of these credentials only, signed now, for the place that it had."""
        tenant = await tenants.by_id(connection, item.institution_id)
        signer = await self._signing_keys.signer(tenant, "event")
        common = Common(log=self._origin, issuer=tenant.did, at=self._now(), nonce=str(uuid_utils.uuid7()))
        opened = seal_opened(_said_of(open_envelope(item.envelope), common, set(rest)), signer.key_id, signer.sign)
        return outbox.NewOutboxRow(
            institution_id=item.institution_id,
            streams=opened.credential_ids,
            opened=opened,
            in_place_of=item.event_id,
        )


def _said_of(opened: Opened, common: Common, rest: set[CredentialId]) -> events.Event:
    event = opened.event
    if isinstance(event, events.CredentialsIssued):
        kept = [said for name, said in zip(opened.credential_ids, event.commitments, strict=True) if name in rest]
        return committed_event(common, statement_in(event), kept)
    assert isinstance(event, events.CredentialsRevoked), "no other event is about several credentials"
    return changed_event(common, event, sorted(rest))


def _held_by_us(item: outbox.Pending, problem: dict[str, Any]) -> list[CredentialId]:
    """Return the credentials of which a refusal says that the same institution has put them on the log before."""
    if problem.get("refused") is None:
        is_held = str(problem.get("type", "")).endswith(f":{_ON_LOG}") and "held_by" not in problem
        return list(item.streams) if is_held else []
    named = [each for each in problem["refused"] if isinstance(each, dict)]
    held = {each.get("credential_id") for each in named if each.get("code") == _ON_LOG and "held_by" not in each}
    return [each for each in item.streams if each in held]


def named_in(problem: dict[str, Any]) -> set[CredentialId]:
    """Return the credentials that a refusal names; none where it is about the whole event."""
    refused = problem.get("refused")
    if not isinstance(refused, list):
        return set()
    return {CredentialId(str(each.get("credential_id"))) for each in refused if isinstance(each, dict)}


def overtaken(problem: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal with what to do, where the log's rules changed while the event was on its way.

    The log's own words are for who runs software that does not know its rules; such a gateway says nothing at all.
    """
    if problem.get("rule") != _RULES_VERSION:
        return problem
    detail = (
        "The log went over to another version of its rules while this was on its way. Nothing came of it: send the "
        "same again, with another Idempotency-Key"
    )
    return problem | {"detail": detail}


async def with_holder(connection: Connection, problem: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal with the legal name of the institution that holds the id before us, where it tells of one."""
    did = problem.get("held_by")
    if not isinstance(did, str) or len(did) > _DID_LENGTH_MAX or not did.isprintable():
        return problem  # the ledger's word, and no DID
    book = await followed_log.book_of_issuers(connection, {Did(did)})
    issuer = book.issuer(Did(did))
    known = profile(book, issuer) if issuer else None
    if known is None:
        return problem
    detail = f"{problem.get('detail')} (it is {known.legal_name} that holds it)"
    return problem | {"held_by_name": known.legal_name, "detail": detail}
