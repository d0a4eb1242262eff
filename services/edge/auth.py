"""Bearer tokens: from the header to a principal. Stores no token and knows no tenant; the service looks hashes up."""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from proto.problem import InvalidProblem
from services.edge.problems import ForbiddenProblem, UnauthenticatedProblem

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,512}=*)")
IDEMPOTENCY_KEY_PATTERN = r'^"?([A-Za-z0-9._:~+/=-]{1,128})"?\Z'
_IDEMPOTENCY_KEY = re.compile(IDEMPOTENCY_KEY_PATTERN)


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who a token speaks for; a service extends it with what it needs to know of its tenant.

    `token_hash` is the stored SHA-256 (32 bytes) that the look-up found; it is compared again in constant time.
    """

    token_hash: bytes
    scopes: frozenset[str]


Authenticate = Callable[[bytes], Awaitable[Principal | None]]
"""From the SHA-256 (32 bytes) of a token to its principal, or None where no live token has this hash."""


def token_hash(token: str) -> bytes:
    """Return the SHA-256 (32 bytes) of a token: what is stored of it. Tokens are random, so no salt is needed."""
    return hashlib.sha256(token.encode()).digest()


def bearer_token(authorization: str) -> str | None:
    """Return the token of an `Authorization` header (RFC 6750 section 2.1), or None where it holds no one token."""
    found = _BEARER.fullmatch(authorization)
    return found[1] if found else None


async def authenticated(
    request: web.Request, authenticate: Authenticate, *, realm: str, scope: str | None
) -> Principal:
    """Return the principal of the request's bearer token.

    Raises `UnauthenticatedProblem` without a token or for an unknown one (one answer for unknown, revoked and expired),
    and `ForbiddenProblem` where `scope` is not among the principal's scopes.
    """
    header = request.headers.get("Authorization")
    if header is None:
        raise UnauthenticatedProblem("Send your API key as `Authorization: Bearer KEY`", realm=realm)
    token = bearer_token(header)
    if token is None:
        raise UnauthenticatedProblem(
            "The Authorization header must be `Bearer` and one key", realm=realm, error="invalid_request"
        )
    hashed = token_hash(token)
    principal = await authenticate(hashed)
    if principal is None or not hmac.compare_digest(principal.token_hash, hashed):
        raise UnauthenticatedProblem("This API key is not known here", realm=realm, error="invalid_token")
    if scope is not None and scope not in principal.scopes:
        raise ForbiddenProblem(f"This needs an API key with the scope `{scope}`", realm=realm, scope=scope)
    return principal


def idempotency_key_of(request: web.Request, *, required: bool) -> str | None:
    """Return the `Idempotency-Key` header (its quotes dropped), or None where it is absent and not required.

    Raises `InvalidProblem` (member `header`) where it is missing, sent twice, longer than 128 or of other characters.
    """
    members = {"header": "Idempotency-Key"}
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        if required:
            raise InvalidProblem("Send an Idempotency-Key of your choice, new for each new request", members=members)
        return None
    found = _IDEMPOTENCY_KEY.fullmatch(values[0])
    if found is None or len(values) > 1:
        raise InvalidProblem(
            "One Idempotency-Key of 1 to 128 letters, digits or ._:~+/=- is needed; a UUID is fine", members=members
        )
    return found[1]
