"""What credentials went through as short rows: ids as bytes, times as numbers, long names by their digest.

Knows no SQL and no rule.

Key ids and achievement URIs are said over and over; a row holds 16 bytes of SHA-256 of each, and a table of names holds
them once. What a row looks like does not depend on how the log was cut into chunks, so two projections can be compared.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from proto.ids import AchievementUri, CredentialId, EventId, KeyId, LeafIndex
from proto.lifecycle import Change, Life, Stamp
from proto.moment import Moment

NAME_BYTES = 16
_ID_BYTES = 32
_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(list[list[Any]]).decode

NameOf = Callable[[bytes], str]
"""From the digest of a name to the name; raises `msgspec.DecodeError` where it is not stored."""


@lru_cache(maxsize=8192)
def name_digest(name: str) -> bytes:
    """Return the 16 bytes under which a name is stored once."""
    return hashlib.sha256(name.encode()).digest()[:NAME_BYTES]


def pack(lives: tuple[Life, ...]) -> bytes:
    """Return the row of a credential's lives; `names_in` are the names that must be stored with it."""
    return _ENCODE([_pack_life(life) for life in lives])


def names_in(lives: tuple[Life, ...]) -> set[str]:
    """Return every name that the row of these lives holds by its digest."""
    found: set[str] = set()
    for life in lives:
        found |= {life.achievement, life.stamp.key_id}
        found.update(change.stamp.key_id for change in life.changes)
    return found


def unpack(row: bytes, name_of: NameOf) -> tuple[Life, ...]:
    """Return the lives of a row; raises `msgspec.DecodeError` for what is none, and what `name_of` raises."""
    try:
        return tuple(_unpack_life(fields, name_of) for fields in _DECODE(row))
    except (ValueError, TypeError, AttributeError) as error:
        raise msgspec.DecodeError(f"the row of a credential is damaged: {error}") from error


def _pack_life(life: Life) -> list[Any]:
    return [
        *_pack_stamp(life.stamp),
        name_digest(life.achievement),
        life.ects_hundredths,
        life.eqf_level,
        _number(life.valid_from),
        None if life.valid_until is None else _number(life.valid_until),
        _joined(life.components),
        _joined(life.parts),
        life.level,
        [_pack_change(change) for change in life.changes],
    ]


def _unpack_life(fields: list[Any], name_of: NameOf) -> Life:
    index, event_id, key, received, achievement, ects, level, begins, ends, components, parts, height, changes = fields
    return Life(
        stamp=_unpack_stamp(index, event_id, key, received, name_of),
        achievement=AchievementUri(name_of(achievement)),
        ects_hundredths=ects,
        eqf_level=level,
        valid_from=_moment(begins),
        valid_until=None if ends is None else _moment(ends),
        components=_split(components),
        parts=_split(parts),
        level=height,
        changes=tuple(_unpack_change(change, name_of) for change in changes),
    )


def _pack_change(change: Change) -> list[Any]:
    replaced_by = change.replaced_by and bytes.fromhex(change.replaced_by)
    return [*_pack_stamp(change.stamp), change.kind, change.reason, _number(change.effective_at), replaced_by]


def _unpack_change(fields: list[Any], name_of: NameOf) -> Change:
    index, event_id, key, received, kind, reason, effective_at, replaced_by = fields
    return Change(
        stamp=_unpack_stamp(index, event_id, key, received, name_of),
        kind=kind,
        reason=reason,
        effective_at=_moment(effective_at),
        replaced_by=None if replaced_by is None else CredentialId(replaced_by.hex()),
    )


def _pack_stamp(stamp: Stamp) -> tuple[int, bytes, bytes, int]:
    return stamp.index, bytes.fromhex(stamp.event_id), name_digest(stamp.key_id), _number(stamp.received_at)


def _unpack_stamp(index: int, event_id: bytes, key: bytes, received: int, name_of: NameOf) -> Stamp:
    return Stamp(
        index=LeafIndex(index),
        event_id=EventId(event_id.hex()),
        key_id=KeyId(name_of(key)),
        received_at=_moment(received),
    )


def _joined(ids: tuple[CredentialId, ...]) -> bytes:
    return bytes.fromhex("".join(ids))


def _split(data: bytes) -> tuple[CredentialId, ...]:
    return tuple(CredentialId(data[at : at + _ID_BYTES].hex()) for at in range(0, len(data), _ID_BYTES))


def _number(moment: Moment) -> int:
    """Return the 17 digits of a moment: no calendar is asked, so any moment comes back as it was."""
    return int(moment[:4] + moment[5:7] + moment[8:10] + moment[11:13] + moment[14:16] + moment[17:19] + moment[20:23])


def _moment(number: int) -> Moment:
    digits = f"{number:017d}"
    day = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return Moment(f"{day}T{digits[8:10]}:{digits[10:12]}:{digits[12:14]}.{digits[14:]}Z")
