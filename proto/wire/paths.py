"""Parameters in the paths of several services: an id by its form. Knows no route."""

from proto.event_fields import CredentialIdField, EventIdField
from proto.wire.ledger import Body


class CredentialPath(Body, frozen=True, kw_only=True):
    """A credential by its id: 64 lower-case hex digits."""

    credential_id: CredentialIdField


class EventPath(Body, frozen=True, kw_only=True):
    """An event by its id: 64 lower-case hex digits."""

    event_id: EventIdField
