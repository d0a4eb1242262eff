"""Signing events with a key file, and handing them to a log. Holds a secret key only as long as the command runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import uuid_utils

from proto import events
from proto.envelope import Envelope, seal
from proto.ids import Did, KeyId, Origin
from proto.keys import SecretKey, did_key, key_id_of
from proto.moment import Moment, from_datetime
from services.command.key_file import read_key


def now() -> Moment:
    """Return the time of this machine's clock."""
    return from_datetime(datetime.now(UTC))


def nonce() -> str:
    """Return a fresh UUIDv7 for an event."""
    return str(uuid_utils.uuid7())


class Speaker:
    """Somebody who signs events: a DID, one of its keys, and the log that the events are meant for."""

    def __init__(self, key: SecretKey, origin: Origin, *, did: Did | None = None) -> None:
        self.did = did or did_key(key.public_key)
        self.key_id: KeyId = key_id_of(self.did, key.public_key)
        self._key = key
        self._origin = origin

    @classmethod
    def from_file(cls, path: Path, origin: Origin, *, did: Did | None = None) -> "Speaker":
        """Return the speaker whose key lies in a file; without `did`, the registrar, who is the did:key of its key."""
        return cls(read_key(path), origin, did=did)

    def say(self, kind: type[events.EventBase], **fields: Any) -> Envelope:
        """Return the signed envelope of one event; absent (None) fields are left out.

        Raises `InvalidProblem` with a pointer where a field breaks its limits.
        """
        said = {name: value for name, value in fields.items() if value is not None}
        common = {"log": self._origin, "issuer": self.did, "at": now(), "nonce": nonce()}
        builtins = msgspec.to_builtins(common | said) | {"type": kind.__struct_config__.tag}
        try:
            event: events.Event = msgspec.convert(builtins, events.Event)
        except msgspec.ValidationError as error:
            raise events.invalid(error, within="event") from error
        return seal(event, self.key_id, self._key.sign)
