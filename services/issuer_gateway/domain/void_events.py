"""What a void event said, to be said again under another key: the same, by a new time and nonce. Pure."""

from collections.abc import Collection, Mapping

import msgspec

from proto import events
from proto.envelope import Opened
from proto.ids import CredentialId, EventId
from services.issuer_gateway.domain.awarding import Common, changed_event
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, committed_event, statement_in

_NAMING = ("under", "replaces", "recognition", "invitation", "endorsement")
"""Members that name another event of the same institution."""
_STACKS = frozenset({"credential-stacked.v1", "credential-stacked.v2"})
_CHANGES = frozenset(
    {"credential-revoked.v1", "credentials-revoked.v1", "credential-suspended.v1", "credential-reinstated.v1"}
)
_INVITATIONS = frozenset({"endorser-invited.v1", "endorser-uninvited.v1"})


def scope_of(event_type: str) -> str:
    """Return the scope that an API key needs to say an event of this type, as it did the first time."""
    if event_type in _STACKS:
        return "stacks:write"
    if event_type in events.ISSUE_TYPES:
        return "credentials:issue"
    if event_type in _CHANGES:
        return "credentials:revoke"
    return "achievements:write" if event_type in _INVITATIONS else "recognitions:write"


def named_events(event: events.Event) -> dict[str, EventId]:
    """Return the events of the institution that an event names, by the member that does."""
    return {name: EventId(said) for name in _NAMING if isinstance(said := getattr(event, name, None), str)}


def parts_in(event: events.Event) -> tuple[CredentialId, ...]:
    """Return the credentials of which an event makes a stack; none of another event."""
    return event.components if isinstance(event, events.CredentialStacked | events.CredentialStackedV2) else ()


def is_named_by_version_1(event: events.Event) -> bool:
    """Tell whether an event issues under an id that rules version 1 let its speaker choose: later ones compute it."""
    return isinstance(event, events.CredentialIssued | events.CredentialStacked)


def said_anew(
    opened: Opened,
    common: Common,
    *,
    without: Collection[CredentialId],
    renamed: Mapping[EventId, EventId],
    rules_version: int,
) -> events.Event:
    """Return the same event of now, of all its credentials but some; events that it names go by what says them now.

    What the rules of now say by another type is said by that.
    """
    event = opened.event
    if isinstance(event, events.CredentialRecognised) and rules_version >= COMMITMENTS_FROM:
        event = events.CredentialRecognisedV2(**{name: getattr(event, name) for name in event.__struct_fields__})
    if without and isinstance(event, events.CredentialsIssued):
        pairs = zip(opened.credential_ids, event.commitments, strict=True)
        return committed_event(common, statement_in(event), [said for name, said in pairs if name not in without])
    if without and isinstance(event, events.CredentialsRevoked):
        return changed_event(common, event, sorted(set(event.credential_ids) - set(without)))
    named = {member: renamed[name] for member, name in named_events(event).items() if name in renamed}
    return msgspec.structs.replace(event, at=common.at, nonce=common.nonce, **named)
