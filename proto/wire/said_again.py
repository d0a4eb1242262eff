"""What is answered where an event that a condemned key made void is said again."""

from typing import Annotated

from msgspec import Meta

from proto.events import Record
from proto.ids import CredentialId, EventId
from proto.wire.gateway import EventAnswer


class LeftOut(Record, frozen=True, kw_only=True):
    """A credential of which an event is not said again, with the code of the rule and a sentence."""

    credential_id: CredentialId
    code: str
    detail: str


class MissingPart(Record, frozen=True, kw_only=True):
    """A part for which a void stack cannot be said again, with its state; None of one that the log does not have."""

    credential_id: CredentialId
    state: str | None


class SaidAgain(Record, frozen=True, kw_only=True):
    """What an event said of which credentials is said again; `again` is where the new event stands, None in a dry run.

    An event that was said again before is answered with the same new event, and with nothing in `left_out`.
    """

    event_id: EventId
    event_type: str
    credential_ids: Annotated[
        tuple[CredentialId, ...], Meta(description="Of which it is said again; empty for a statement about none")
    ] = ()
    left_out: tuple[LeftOut, ...] = ()
    again: EventAnswer | None = None
