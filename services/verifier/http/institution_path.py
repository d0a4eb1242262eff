"""Institutions in paths: which DIDs a path may mean, after proxies had their hands on it."""

from collections.abc import Sequence
from typing import Annotated

from aiohttp import web
from msgspec import Meta

from proto.ids import Did
from proto.wire.ledger import Body

_DID_CHARACTERS_MAX = 600


class IssuerPath(Body, frozen=True, kw_only=True):
    """A DID, as it is, percent-encoded once more, or with its port decoded by a proxy."""

    did: Annotated[str, Meta(max_length=_DID_CHARACTERS_MAX)]


def dids_in(request: web.Request, path: IssuerPath) -> Sequence[Did]:
    """Return which DIDs the path may mean, the likeliest first; one may hold `%3A`, encoded, decoded or not."""
    raw = request.raw_path.partition("?")[0].rpartition("/")[2][:_DID_CHARACTERS_MAX]
    return tuple(map(Did, dict.fromkeys((path.did, raw, _with_port(path.did)))))


def _with_port(did: str) -> str:
    """Return a DID whose port was decoded on its way, as nginx does: `did:web:host:8102:a` for `did:web:host%3A8102:a`.

    Who is called `did:web:host:8102:a` indeed, by a path, is looked up before.
    """
    parts = did.split(":")
    if parts[:2] != ["did", "web"] or not "".join(parts[3:4]).isdecimal():
        return did
    return ":".join([*parts[:2], f"{parts[2]}%3A{parts[3]}", *parts[4:]])
