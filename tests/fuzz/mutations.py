"""Inputs near to real ones: a seed, altered by bytes, by tokens that broke something before, and by its JSON values."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

TOKENS = (
    b"[" * 15_000,
    b'{"a":' * 2_000,
    b"9999-12-31T23:59:59-05:00",
    b"0001-01-01T00:00:00+14:00",
    b"2016-12-31T23:59:60Z",
    b"9999-12-31",
    b"\\ud800",
    b"\xff\xfe",
    b"\x00",
    b"_:b0",
    b"javascript:alert(1)",
    b"did:key:z",
    b"did:web:a%3A1",
    b"1e999",
    b"-0",
    b"123456789012345678901234567890",
    b"\r\n",
    b"\n\n",
    b'"',
    b"--x",
    b"%41" * 100,
    "é٣\u2028".encode(),
)
"""Pieces that some decoder somewhere took badly."""
VALUES: tuple[Any, ...] = (
    None,
    True,
    [],
    {},
    "",
    0,
    -1,
    2**53,
    0.5,
    1e300,
    "9999-12-31T23:59:59-05:00",
    "0001-01-01T00:00:00+14:00",
    "x" * 5_000,
    "_:b",
    "javascript:alert(1)",
    "did:key:z6Mk",
    ["a", ["b"]],
    [None],
    {"@value": 1},
    {"@id": "_:b"},
    {"id": "urn:x", "@context": {"@vocab": "urn:v:"}},
    {"p": {"@id": "_:b", "@prefix": True}, "k": {"@id": "https://x.example/k", "@type": "@id"}},
)
"""JSON values that are put in the place of others."""


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    """Return one of the seeds, altered one to six times."""
    data = random.choice(seeds)
    for _ in range(random.randint(1, 6)):
        data = random.choice(_WAYS)(data, seeds, random)
    return data


def _flip(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    place = random.randrange(len(data))
    return data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]


def _cut(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    first, last = sorted(random.randint(0, len(data)) for _ in range(2))
    return data[:first] + data[last:]


def _double(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    first, last = sorted(random.randint(0, len(data)) for _ in range(2))
    return data[:last] + data[first:last] * random.randint(1, 3) + data[last:]


def _insert(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    place = random.randint(0, len(data))
    return data[:place] + random.choice(TOKENS) + data[place:]


def _splice(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    other = random.choice(seeds)
    return data[: random.randint(0, len(data))] + other[random.randint(0, len(other)) :]


def _revalue(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Put another value, or the value of another member, into a JSON document."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return _flip(data, (), random)
    places = list(_places(content))
    if not places:
        return data
    holder, key = random.choice(places)
    other, name = random.choice(places)
    way = random.randrange(4)
    if way == 0 and isinstance(holder, dict):
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder[str(name)] = holder[key]
    elif way == 2 and len(data) < 100_000:
        holder[key] = json.loads(json.dumps(other[name]))
    else:
        holder[key] = random.choice(VALUES)
    return json.dumps(content, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")


def _places(content: Any) -> list[tuple[Any, Any]]:
    found, waiting = [], [content]
    while waiting:
        each = waiting.pop()
        inside = (
            list(each.items()) if isinstance(each, dict) else list(enumerate(each)) if isinstance(each, list) else []
        )
        found += [(each, key) for key, _ in inside]
        waiting += [value for _, value in inside]
    return found


_WAYS = (_flip, _cut, _double, _insert, _splice, _revalue, _revalue, _revalue)
