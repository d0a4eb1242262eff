"""Who is asking, by address, and how often they may. Knows no request; takes the clock as argument."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache

from proto.problem import InvalidProblem

IPV6_PREFIX_BITS = 64  # one customer has a whole /64, so a limit by single IPv6 address limits nobody
_ROUNDING_SECONDS = 1e-6  # of a clock that has run for years: a full bucket is full
ADDRESS_CHARACTERS_MAX = 100  # what is longer is none, and is not remembered
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _parsed(text: str) -> _Address | None:
    """Return the address in `text` (an IPv4-mapped one as IPv4, any port or brackets dropped), or None."""
    return _remembered(text) if len(text) <= ADDRESS_CHARACTERS_MAX else None


@lru_cache(maxsize=4096)
def _remembered(text: str) -> _Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


class TrustedProxies:
    """The networks whose word about the client's address counts. None are trusted unless configured."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raise `InvalidProblem` for a text that is no network, such as `10.0.0.0/8` or `::1`."""
        try:
            self._networks = [ipaddress.ip_network(network.strip()) for network in networks]
        except ValueError as error:
            raise InvalidProblem(f"A trusted proxy must be a network such as 10.0.0.0/8: {error}") from error

    def is_trusted(self, text: str) -> bool:
        """Return whether the address in `text` belongs to a configured proxy."""
        if not self._networks:
            return False
        address = _parsed(text)
        return address is not None and any(address in network for network in self._networks)

    def client_address(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the client's address: the peer, unless it is a trusted proxy.

        Then it is the right-most entry of the `X-Forwarded-For` values that is not itself a trusted proxy; what stands
        left of it was written by the client and counts for nothing. An entry that is no address stops the search.
        """
        if not self.is_trusted(peer):
            return peer
        client = peer
        for entry in reversed(",".join(forwarded_for).split(",")):
            address = _parsed(entry)
            if address is None:
                return client
            client = str(address)
            if not self.is_trusted(client):
                return client
        return client


@lru_cache(maxsize=4096)
def rate_key(address: str) -> str:
    """Return what a rate limit counts for an address: itself, or its /64 where it is IPv6."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX_BITS), strict=False))
    return address


class RateLimit:
    """A token bucket for each key, kept as one number (GCRA: the time at which the bucket will be full again).

    Memory is bounded: past `keys_max` the least recently seen key is forgotten, which gives it a full bucket. A service
    may hold more of these, such as one by issuer, and charge a batch by its lines.
    """

    def __init__(self, *, per_second: float, burst: int, keys_max: int) -> None:
        self._seconds_each = 1.0 / per_second
        self._burst = burst
        self._slack_seconds = burst / per_second
        self._keys_max = keys_max
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def charge(self, key: str, now: float, cost: float = 1.0) -> float:
        """Take `cost` tokens at `now` (seconds of any monotonic clock) and return 0.0.

        Where there are too few, nothing is taken, and the seconds until there are enough are returned. What costs more
        than a whole burst takes a whole burst: it would otherwise never be let through.
        """
        full_at = max(self._full_at.get(key, now), now) + min(cost, self._burst) * self._seconds_each
        wait_seconds = full_at - now - self._slack_seconds
        if wait_seconds > _ROUNDING_SECONDS:
            return wait_seconds
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._keys_max:
            self._full_at.popitem(last=False)
        return 0.0
