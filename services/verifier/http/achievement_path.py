"""Achievements in paths: an address percent-encoded as one segment, or as proxies leave it."""

import re
from typing import Annotated

from msgspec import Meta

from proto.wire.ledger import Body

_URI_CHARACTERS_MAX = 2_048
_ONE_SLASH = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*):/(?=[^/])")


class AchievementPath(Body, frozen=True, kw_only=True):
    """An achievement's address."""

    uri: Annotated[str, Meta(max_length=_URI_CHARACTERS_MAX)]


def uri_in(path: AchievementPath) -> str:
    """Return the address that a path means; where a proxy decoded it and merged its slashes, they are two again."""
    return _ONE_SLASH.sub(r"\1://", path.uri)
