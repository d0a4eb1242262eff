"""DSSE v1 envelopes around events: sealing and strict opening. Knows no rule of admission and no key ring.

The bytes that were signed are the bytes that are sent, stored, hashed and served (DESIGN 3.4).
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from proto import events
from proto.base64_strict import decode_base64, encode_base64
from proto.canonical import DECODE_ERRORS
from proto.ids import KEY_ID_PATTERN, CredentialId, EventId, KeyId, event_id, owner_of
from proto.keys import SIGNATURE_BYTES, Sign
from proto.problem import InvalidProblem, MalformedProblem
from proto.subjects import credential_ids

PAYLOAD_TYPE = "application/vnd.credentify.event+json"
ENVELOPE_BYTES_MAX = 60_000
_PAE_HEAD = b"DSSEv1 %d %s " % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode())


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One DSSE signature: `keyid` is the key's DID URL, `sig` 64 bytes in base64."""

    keyid: Annotated[str, Meta(pattern=KEY_ID_PATTERN, max_length=300)]
    sig: Annotated[str, Meta(min_length=88, max_length=88)]


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A DSSE v1 envelope with exactly one signature; `payload` is the event's canonical bytes in base64."""

    payload: Annotated[str, Meta(min_length=4, max_length=56_000)]
    payload_type: Annotated[str, Meta(pattern=r"^application/vnd\.credentify\.event\+json\Z")] = msgspec.field(
        name="payloadType"
    )
    signatures: Annotated[tuple[Signature, ...], Meta(min_length=1, max_length=1)]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope whose form has been checked; the signature has not.

    `payload` and `signature` are bytes, `pae` is what the signature is over, `key_id` who claims to have made it,
    `credential_ids` which credentials the event is about (`proto.subjects`).
    """

    envelope: Envelope
    event: events.Event
    event_id: EventId
    payload: bytes
    key_id: KeyId
    signature: bytes
    credential_ids: tuple[CredentialId, ...]

    @property
    def weight(self) -> int:
        """For how much the event counts where limits count credentials: for each it is about, and for one at least."""
        return len(self.credential_ids) or 1

    @property
    def pae(self) -> bytes:
        """The pre-authentication encoding that was signed (DSSE v1 protocol)."""
        return pre_authentication_encoding(self.payload)


_DECODER = msgspec.json.Decoder(Envelope)


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return DSSE's PAE: `DSSEv1 <length of type> <type> <length of payload> <payload>`."""
    return b"%s%d %s" % (_PAE_HEAD, len(payload), payload)


def seal(event: events.Event, key_id: KeyId, sign: Sign) -> Envelope:
    """Return the event's envelope, signed by `sign` under `key_id`; raises `InvalidProblem` if the event is not valid.

    The event is decoded again from its own bytes, so that nothing is signed that no one would accept.
    """
    payload = events.encode(event)
    events.decode(payload)
    signature = Signature(keyid=key_id, sig=encode_base64(sign(pre_authentication_encoding(payload))))
    return Envelope(payload=encode_base64(payload), payload_type=PAYLOAD_TYPE, signatures=(signature,))


def seal_opened(event: events.Event, key_id: KeyId, sign: Sign) -> Opened:
    """Return what `open_envelope(seal(event, key_id, sign))` returns, decoded once; raises what that raises."""
    payload = events.encode(event)
    decoded = events.decode(payload)
    signature = sign(pre_authentication_encoding(payload))
    stated = Signature(keyid=key_id, sig=encode_base64(signature))
    envelope = Envelope(payload=encode_base64(payload), payload_type=PAYLOAD_TYPE, signatures=(stated,))
    return _opened(envelope, decoded, payload, signature)


def decode(data: bytes) -> Envelope:
    """Return the envelope in `data` (JSON in any spacing), or raise `MalformedProblem` or `InvalidProblem`."""
    if len(data) > ENVELOPE_BYTES_MAX:
        raise MalformedProblem(f"An envelope has at most {ENVELOPE_BYTES_MAX} bytes; this one has {len(data)}")
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise events.invalid(error, within="envelope") from error
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"Not a DSSE envelope in JSON: {error}") from error


def open_envelope(envelope: Envelope) -> Opened:
    """Check the form of an envelope and of the event in it; the signature remains to be checked by who knows the key.

    Raises `MalformedProblem` for bad base64 and payloads that are not canonical, `InvalidProblem` for fields that break
    their limits or a key that is not the speaker's.
    """
    payload = decode_base64(envelope.payload)
    signature = decode_base64(envelope.signatures[0].sig, length=SIGNATURE_BYTES)
    return _opened(envelope, events.decode(payload), payload, signature)


def _opened(envelope: Envelope, event: events.Event, payload: bytes, signature: bytes) -> Opened:
    if events.encode(event) != payload:
        raise MalformedProblem("The payload is not canonical JSON (RFC 8785): sort keys, no spaces, no repeated keys")
    key_id = KeyId(envelope.signatures[0].keyid)
    if owner_of(key_id) != event.issuer:
        raise InvalidProblem(
            f"The event speaks for {event.issuer} but is signed with a key of {owner_of(key_id)}",
            pointer="/signatures/0",
        )
    return Opened(
        envelope=envelope,
        event=event,
        event_id=event_id(payload),
        payload=payload,
        key_id=key_id,
        signature=signature,
        credential_ids=credential_ids(event),
    )
