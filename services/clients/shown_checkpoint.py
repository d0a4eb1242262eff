"""Where the checkpoint that a log showed to somebody else is read: at a verifier, or at what ends in `/checkpoint`."""

import aiohttp

from services.clients.log_client import LogClient

_CHECKPOINT, _OF_VERIFIERS = "/checkpoint", "/v1"


def shown_at(session: aiohttp.ClientSession, address: str, *, timeout_seconds: float) -> LogClient:
    """Return a client whose `checkpoint()` is what a verifier, or whatever else ends in `/checkpoint`, shows."""
    base = address.removesuffix(_CHECKPOINT) if address.endswith(_CHECKPOINT) else address.rstrip("/") + _OF_VERIFIERS
    return LogClient(session, base, timeout_seconds=timeout_seconds)
