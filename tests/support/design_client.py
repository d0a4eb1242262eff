"""A reader of a log, written from proto/DESIGN.md, RFC 6962 and the texts of C2SP alone: imports nothing of ours.

So it shows that the texts say enough: what it computes is held against what the services say. Blocks while it reads.
"""

import base64
import hashlib
import json
import struct
import urllib.request
from collections.abc import Sequence
from typing import Any, NamedTuple

from nacl.signing import VerifyKey

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_TILE_WIDTH = 256
_CLAIMS_ROOT = "urn:credentify:term:claimsRoot"


class Read(NamedTuple):
    """One entry: its event and that one's id, and the ids of the credentials that it issues or is about."""

    event_id: str
    event: dict[str, Any]
    credential_ids: list[str]


def read_log(url: str) -> list[Read]:
    """Return all that a published checkpoint covers; raises `AssertionError` where anything does not follow."""
    origin, size, root = _get(url, "/checkpoint").decode().split("\n\n")[0].split("\n")[:3]
    entries = [entry for number in range(-(-int(size) // _TILE_WIDTH)) for entry in _bundle(url, number, int(size))]
    assert (len(entries), _root(entries)) == (int(size), base64.b64decode(root)), "3.5: entries under the checkpoint"
    return read_entries(origin, entries)


def _get(url: str, path: str) -> bytes:
    with urllib.request.urlopen(url + path, timeout=30) as answer:
        found: bytes = answer.read()
    return found


def _bundle(url: str, number: int, size: int) -> list[bytes]:
    """Return the entries of one bundle of C2SP tlog-tiles: each with its length in two bytes before it."""
    width = min(_TILE_WIDTH, size - number * _TILE_WIDTH)
    path = f"/tile/entries/{number:03}" + (f".p/{width}" if width < _TILE_WIDTH else "")
    data, found = _get(url, path), []
    while data:
        (length,) = struct.unpack_from(">H", data)
        found.append(data[2 : 2 + length])
        data = data[2 + length :]
    return found


def _leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def _root(entries: list[bytes]) -> bytes:
    if len(entries) == 1:
        return _leaf(entries[0])
    split = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(entries[:split]) + _root(entries[split:])).digest()


def read_entries(origin: str, entries: list[bytes], *, before: Sequence[Read] = ()) -> list[Read]:
    """Return what these entries, from the first on, say; `before` is the log that this one continues, if any.

    Raises `AssertionError` where anything does not follow.
    """
    keys = {name: key for each in before for name, key in _keys(each.event).items()}
    previous, found = hashlib.sha256(origin.encode()).hexdigest(), list[Read]()
    for index, line in enumerate(entries):
        entry = json.loads(line)
        assert _canonical(entry) == line, "3.5: an entry is canonical JSON"
        assert (entry["index"], entry["previous"]) == (index, previous), "3.5: the chain"
        payload = base64.b64decode(entry["envelope"]["payload"])
        event = json.loads(payload)
        assert _canonical(event) == payload, "3.4: a payload is canonical JSON"
        assert event["log"] == origin, "3.3: an event names its log"
        keys |= _keys(event)
        _check_signature(entry["envelope"], payload, keys)
        found.append(Read(hashlib.sha256(payload).hexdigest(), event, _about(event)))
        previous = _leaf(line).hex()
    return found


def _keys(event: dict[str, Any]) -> dict[str, bytes]:
    """Return the keys that an event brings, by their ids: `keys` of an opening or admission, `key` of an addition."""
    records = [*event.get("keys", ()), *([event["key"]] if "key" in event else ())]
    return {each["key_id"]: _public_key(each["public_key"]) for each in records}


def _check_signature(envelope: dict[str, Any], payload: bytes, keys: dict[str, bytes]) -> None:
    """Check the one signature over the pre-authentication encoding of DSSE (3.4); raises `BadSignatureError`."""
    kind = envelope["payloadType"].encode()
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    (signature,) = envelope["signatures"]
    VerifyKey(keys[signature["keyid"]][2:]).verify(encoded, base64.b64decode(signature["sig"]))


def _public_key(multibase: str) -> bytes:
    """Return the bytes of a public key (multibase z, base58btc), its multicodec in front (3.3)."""
    number = 0
    for character in multibase[1:]:
        number = number * 58 + _BASE58.index(character)
    return number.to_bytes((number.bit_length() + 7) // 8)


def _canonical(value: Any) -> bytes:
    """Return RFC 8785 of JSON whose names are ASCII and whose numbers are no large or whole floats (3.2)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _about(event: dict[str, Any]) -> list[str]:
    """Return the ids that an event says, or that follow from its commitments (9)."""
    said = [event["commitment"]] if "commitment" in event else event.get("commitments", [])
    named = [event["credential_id"]] if "credential_id" in event else event.get("credential_ids", [])
    return [credential_id_by(event["issuer"], each) for each in said] + list(named)


def credential_id_by(issuer: str, commitment: str) -> str:
    """Return the credential id that follows from an issuer and a commitment in lower-case hexadecimal (9)."""
    return hashlib.sha256(f"credentify/credential/v2\n{issuer}\n{commitment}".encode()).hexdigest()


def credential_id_of(document: dict[str, Any]) -> str:
    """Return the credential id of a document, of version 1 (3.1) or, where it says a claims root, of version 2 (9)."""
    issuer = document["issuer"]["id"]
    without_proof = {name: value for name, value in document.items() if name != "proof"}
    digest = hashlib.sha256(_canonical(without_proof))
    if _CLAIMS_ROOT not in document:
        return hashlib.sha256(f"credentify/credential/v1\n{issuer}\n{digest.hexdigest()}".encode()).hexdigest()
    said = b"credentify/commitment/v2\n" + digest.digest() + bytes.fromhex(document[_CLAIMS_ROOT])
    return credential_id_by(issuer, hashlib.sha256(said).hexdigest())
