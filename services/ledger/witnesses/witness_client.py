"""One witness over HTTP (C2SP tlog-witness v1.0.0): sends one request, and says what the answer means. Keeps no state.

Nothing of an answer is verified here, and every answer is bounded in bytes and in time.
"""

import io

import aiohttp
import msgspec

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import parse_decimal
from proto.log.note import NOTE_BYTES_MAX
from proto.log.witness import SIZE_MEDIA_TYPE, AddCheckpoint, origin_hash
from proto.problem import MalformedProblem
from services.clients.bodies import body_within
from services.clients.http_session import HTTP_ERRORS
from services.clients.retry_after import asked_seconds
from services.edge.media_type import media_type_of

ANSWER_BYTES_MAX = 65_536
_WORDS_MAX = 200
_OK, _CONFLICT, _UNPROCESSABLE, _TOO_MANY, _SERVER_FAULT = 200, 409, 422, 429, 500
_REQUEST_TIMEOUT = 408


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request, in `words` for the operator."""

    words: str = ""


class Cosigned(Outcome, frozen=True, kw_only=True):
    """200: signature lines, among which the cosignature should be."""

    lines: str


class OtherSize(Outcome, frozen=True, kw_only=True):
    """409 with `text/x.tlog.size`: the witness cosigned this size last, and asks to be shown what came after."""

    size: TreeSize


class Contradicted(Outcome, frozen=True, kw_only=True):
    """422, or 409 without a size: the witness holds the tree to be another one than it cosigned. Never tried again."""


class Refused(Outcome, frozen=True, kw_only=True):
    """400, 403, 404 and everything that no protocol foresees: the same request will not be answered otherwise."""


class Failed(Outcome, frozen=True, kw_only=True):
    """429, 5xx, no answer, or one broken off: worth another try, not before `retry_after_seconds` if it said so.

    `is_slow` means that it took all the time there is: the next try is for a newer checkpoint.
    """

    retry_after_seconds: float | None = None
    is_slow: bool = False


class WitnessClient:
    """One witness; the session belongs to the caller. `url` is its submission prefix.

    `monitoring_url` is where it shows what it cosigned, by default under the same prefix.
    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, *, timeout_seconds: float, monitoring_url: str | None = None
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._monitoring_url = (monitoring_url or url).rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def add_checkpoint(self, request: AddCheckpoint) -> Outcome:
        """Return what the witness answers to a request for its cosignature; raises nothing for what it does."""
        url, data = f"{self._url}/add-checkpoint", io.BytesIO(request.encode())
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        try:
            async with self._session.post(
                url, data=data, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                body = await body_within(response, ANSWER_BYTES_MAX, refusal=_too_large(ANSWER_BYTES_MAX))
                return _meaning(response, body)
        except HTTP_ERRORS as error:
            return _failed(error)
        except MalformedProblem as problem:
            return Refused(words=problem.detail)

    async def last_cosigned(self, origin: Origin) -> bytes | None:
        """Return the checkpoint that the witness shows as cosigned last (its monitoring endpoint), unverified.

        None where it shows none, or does not answer.
        """
        url = f"{self._monitoring_url}/{origin_hash(origin).hex()}/checkpoint"
        try:
            async with self._session.get(url, timeout=self._timeout, allow_redirects=False) as response:
                if response.status != _OK:
                    return None
                return await body_within(response, NOTE_BYTES_MAX, refusal=_too_large(NOTE_BYTES_MAX))
        except (*HTTP_ERRORS, MalformedProblem):
            return None


def _meaning(response: aiohttp.ClientResponse, body: bytes) -> Outcome:
    words = f"It answered with status {response.status}: {_excerpt(body)}"
    if response.status == _OK:
        return Cosigned(words=words, lines=_text(body))
    if response.status == _CONFLICT and media_type_of(response) == SIZE_MEDIA_TYPE:
        return OtherSize(words=words, size=TreeSize(parse_decimal(_text(body).removesuffix("\n"))))
    if response.status in {_CONFLICT, _UNPROCESSABLE}:
        return Contradicted(words=words)
    if response.status in {_TOO_MANY, _REQUEST_TIMEOUT} or response.status >= _SERVER_FAULT:
        return Failed(words=words, retry_after_seconds=asked_seconds(response.headers))
    return Refused(words=words)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedProblem("Its answer is not UTF-8") from error


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer, fit for a log line."""
    return "".join(c if c.isprintable() else " " for c in body[:_WORDS_MAX].decode(errors="replace"))


def _failed(error: Exception) -> Failed:
    if isinstance(error, TimeoutError):
        return Failed(words="It did not answer in time", is_slow=True)
    return Failed(words=f"It cannot be reached: {error}")


def _too_large(bytes_max: int) -> MalformedProblem:
    return MalformedProblem(f"It answered with more than {bytes_max} bytes")
