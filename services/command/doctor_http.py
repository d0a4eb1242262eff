"""How `credentify doctor` asks an address over HTTP."""

import email.utils
import time

import aiohttp

from proto.problem import MalformedProblem
from services.clients.bodies import body_within
from services.clients.http_session import HTTP_ERRORS

_SECONDS = aiohttp.ClientTimeout(total=5)
_BYTES_MAX, HTTP_OK = 1_048_576, 200
_ERRORS = (*HTTP_ERRORS, ValueError, MalformedProblem)


class HttpAnswer:
    """What an address answered: its status, body and the other machine's clock; or why there is no answer."""

    def __init__(self, status: int, body: bytes, date: str, fault: str = "") -> None:
        self.status, self.body, self.fault = status, body, fault
        found = email.utils.parsedate_to_datetime(date) if date else None
        self.ahead_seconds = found.timestamp() - time.time() if found else 0.0


async def asked(session: aiohttp.ClientSession, url: str) -> HttpAnswer:
    """Return what an address answers; never raises."""
    try:
        async with session.get(url, timeout=_SECONDS, allow_redirects=False) as response:
            body = await body_within(response, _BYTES_MAX, refusal=MalformedProblem(f"more than {_BYTES_MAX} bytes"))
            return HttpAnswer(response.status, body, response.headers.get("Date", ""))
    except _ERRORS as error:
        return HttpAnswer(0, b"", "", fault=str(error) or type(error).__name__)
