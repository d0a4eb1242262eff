"""The ledger's HTTP (DESIGN 4) as a typed client. Checks form and bounds of answers; `services.follow` proves them."""

import io
import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import msgspec

from proto.base64_strict import decode_base64
from proto.canonical import DECODE_ERRORS
from proto.depth import is_deep
from proto.envelope import Envelope
from proto.ids import CredentialId, EventId, LeafIndex, TreeSize
from proto.log.entry import ENTRY_BYTES_MAX
from proto.log.merkle import HASH_BYTES
from proto.log.note import NOTE_BYTES_MAX
from proto.problem import MalformedProblem, Problem, UnavailableProblem, slug_of
from proto.wire.ledger import Appended, AppendLine, ConsistencyProof, EventPlace, LogInfo
from services.call_context import headers_along
from services.clients.bodies import CHUNK_BYTES, body_within, lines_within
from services.clients.http_session import HTTP_ERRORS
from services.clients.retry_after import asked_seconds
from services.settings import http_url

TIMEOUT_SECONDS = 10.0
ANSWER_BYTES_MAX = 8 * 1024 * 1024
LINES_MAX = 1000
_PROOF_HASHES_MAX = 2 * 64
_OK, _CREATED, _NO_CONTENT, _NOT_FOUND = 200, 201, 204, 404
_TOO_MANY, _SERVER_FAULT = 429, 500
_REDIRECT, _REFUSED = 300, 400

_TOO_LONG = f"The log sent a line longer than an entry may be ({ENTRY_BYTES_MAX} bytes)"
_T = TypeVar("_T")


class LogUnreachableProblem(UnavailableProblem):
    """The log did not answer, broke off, or has no room now; the same request may succeed later.

    `retry_after_seconds` is what the log asked for, or None; the member `log_problem` is its problem document, if it
    sent one. Nothing is known of what became of the request.
    """

    slug = "log-unreachable"
    title = "The log does not answer"


class LogAnswerProblem(Problem):
    """The log answered with something that is not what its interface promises."""

    slug = "log-answer"
    title = "The log's answer cannot be read"
    status = 502


class LogProblem(Problem):
    """The log refused; `problem` is its RFC 9457 problem document, `log_status` the HTTP status it came with."""

    slug = "log-refused"
    title = "The log refused"
    status = 502

    def __init__(self, problem: Mapping[str, Any], log_status: int) -> None:
        detail = str(problem.get("detail") or problem.get("title") or f"HTTP status {log_status}")
        super().__init__(f"The log refused: {detail[:600]}", members={"log_problem": dict(problem)})
        self.problem = dict(problem)
        self.log_status = log_status

    @property
    def log_slug(self) -> str:
        """The last part of the log's problem type, such as `unknown-key`."""
        return slug_of(self.problem)


class LogClient:
    """One log over HTTP. Holds no state but the session, which belongs to the caller; safe to use from many tasks.

    Every method raises `LogUnreachableProblem` (try again), `LogProblem` (refused) or `LogAnswerProblem`.
    """

    says_what_it_holds = True
    """Whether the log itself is asked, which knows how many entries it holds."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.url = http_url(url, "The log's address")
        self._session = session
        self._timeout_seconds = timeout_seconds

    async def log(self) -> LogInfo:
        """Return what the log says of itself: origin, verifier key, witness policy, sizes; its word, unproven."""
        return _decoded(await self._get("/v1/log"), LogInfo)

    async def credential_bundle(self, credential_id: CredentialId) -> bytes:
        """Return what shows offline that a credential is authentic; not verified here."""
        return await self._get(f"/v1/bundles/{credential_id}")

    async def held_size(self, published: TreeSize) -> TreeSize | None:
        """Return how many entries the log says it holds, published or not; its word. None where it cannot be asked.

        A log that says nothing of itself holds what it published. One that holds less has lost what it showed.
        """
        try:
            return (await self.log()).tree_size
        except LogProblem as problem:
            return published if problem.log_status == _NOT_FOUND else None
        except (LogUnreachableProblem, LogAnswerProblem):
            return None

    async def checkpoint(self) -> bytes:
        """Return the published checkpoint, a signed note; nothing of it is verified."""
        return await self._get("/checkpoint", bytes_max=NOTE_BYTES_MAX)

    async def checkpoint_after(self, size: int, *, wait_seconds: float) -> bytes | None:
        """Return the checkpoint as soon as its size exceeds `size`; None where `wait_seconds` pass before (204)."""
        path = f"/v1/checkpoint/after/{size}"
        found = await self._get(
            path,
            query={"wait_seconds": str(math.floor(wait_seconds))},
            bytes_max=NOTE_BYTES_MAX,
            timeout_seconds=wait_seconds + self._timeout_seconds,
        )
        return found or None

    async def consistency(self, first: TreeSize, second: TreeSize) -> list[bytes]:
        """Return the hashes (32 bytes each) of the consistency proof between two published sizes; unchecked."""
        body = _decoded(await self._get(f"/v1/consistency/{first}/{second}"), ConsistencyProof)
        if len(body.proof) > _PROOF_HASHES_MAX:
            raise LogAnswerProblem("The log's consistency proof is longer than any tree is high")
        try:
            return [decode_base64(text, length=HASH_BYTES) for text in body.proof]
        except MalformedProblem as problem:
            raise LogAnswerProblem(f"The log's consistency proof holds something else: {problem.detail}") from problem

    async def entries(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """Yield the bytes of the entries `[start, end)` in order; the log may stop earlier, then ask again from there.

        Lines longer than an entry may be raise `LogAnswerProblem`; a stream that breaks off raises after its last
        whole line.
        """
        path, query = "/v1/entries", {"from": str(start), "to": str(end)}
        timeout = aiohttp.ClientTimeout(total=None, connect=self._timeout_seconds, sock_read=self._timeout_seconds)
        try:
            async with self._session.get(
                self.url + path, params=query, headers=headers_along(), timeout=timeout, allow_redirects=False
            ) as response:
                await self._raise_refusal(response)
                refusal = LogAnswerProblem(_TOO_LONG)
                async for line, is_whole in lines_within(response, ENTRY_BYTES_MAX, refusal=refusal):
                    if not is_whole:
                        raise LogAnswerProblem("The log's entries broke off inside a line")
                    yield line
        except HTTP_ERRORS as error:
            raise self._unreachable(error) from error

    async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Send 1 to 1,000 envelopes and return one answer per envelope, in order; refusals are in the lines.

        After `LogUnreachableProblem` it is not known what was appended: send the same envelopes again.
        """
        if not 1 <= len(envelopes) <= LINES_MAX:
            raise LogAnswerProblem(f"A batch has 1 to {LINES_MAX} envelopes, not {len(envelopes)}")
        body = b"".join(msgspec.json.encode(envelope) + b"\n" for envelope in envelopes)
        answer = await self._post("/v1/events", body, media_type="application/x-ndjson")
        lines = [_decoded(line, AppendLine) for line in answer.splitlines() if line.strip()]
        if [line.line for line in lines] != list(range(1, len(envelopes) + 1)):
            raise LogAnswerProblem(f"{len(envelopes)} envelopes were sent; the log answered with {len(lines)} lines")
        return lines

    async def submit_one(self, envelope: Envelope) -> Appended:
        """Send one envelope and return where it stands; sent again, the same answer. Raises `LogProblem` if refused."""
        return _decoded(await self._post("/v1/events", msgspec.json.encode(envelope)), Appended)

    async def receipt(self, index: LeafIndex) -> bytes:
        """Return the receipt (C2SP tlog-proof) of a published entry; nothing of it is verified."""
        return await self._get(f"/v1/receipts/{index}", bytes_max=NOTE_BYTES_MAX)

    async def event(self, event_id: EventId) -> EventPlace | None:
        """Return where an event stands, or None if the log does not know it."""
        try:
            return _decoded(await self._get(f"/v1/events/{event_id}"), EventPlace)
        except LogProblem as problem:
            if problem.log_status == _NOT_FOUND:
                return None
            raise

    async def _get(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        bytes_max: int = ANSWER_BYTES_MAX,
        timeout_seconds: float | None = None,
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_seconds or self._timeout_seconds)
        try:
            async with self._session.get(
                self.url + path, params=query, headers=headers_along(), timeout=timeout, allow_redirects=False
            ) as response:
                await self._raise_refusal(response)
                return await body_within(response, bytes_max, refusal=_too_large(bytes_max))
        except HTTP_ERRORS as error:
            raise self._unreachable(error) from error

    async def _post(self, path: str, body: bytes, *, media_type: str = "application/json") -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        headers = headers_along() | {"Content-Type": media_type}
        data = io.BytesIO(body)  # aiohttp warns of large bytes, and sends these in pieces
        try:
            async with self._session.post(
                self.url + path, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                await self._raise_refusal(response)
                return await body_within(response, ANSWER_BYTES_MAX, refusal=_too_large(ANSWER_BYTES_MAX))
        except HTTP_ERRORS as error:
            raise self._unreachable(error) from error

    async def _raise_refusal(self, response: aiohttp.ClientResponse) -> None:
        """Return for 200, 201 and 204; raise for every other status."""
        if response.status in {_OK, _CREATED, _NO_CONTENT}:
            return
        if _REDIRECT <= response.status < _REFUSED:
            raise LogAnswerProblem(
                f"The log at {self.url} answered with a redirect (status {response.status}), and none is followed: it "
                "could lead anywhere. Configure the address at which the log itself answers"
            )
        problem = _problem(await body_within(response, CHUNK_BYTES, refusal=_too_large(CHUNK_BYTES)))
        if response.status == _TOO_MANY or response.status >= _SERVER_FAULT:
            raise LogUnreachableProblem(
                f"The log at {self.url} answered with status {response.status}; try again later",
                members={"log_problem": problem} if problem else None,
                retry_after_seconds=asked_seconds(response.headers),
            )
        raise LogProblem(problem, response.status)

    def _unreachable(self, error: Exception) -> LogUnreachableProblem:
        words = "did not answer in time" if isinstance(error, TimeoutError) else f"cannot be reached ({error})"
        return LogUnreachableProblem(f"The log at {self.url} {words}: check the address and that the ledger runs")


def _decoded(data: bytes, kind: type[_T]) -> _T:
    if is_deep(data):
        raise LogAnswerProblem(f"The log did not answer with {kind.__name__}: its JSON goes deeper than any of ours")
    try:
        return msgspec.json.decode(data, type=kind)
    except DECODE_ERRORS as error:
        raise LogAnswerProblem(f"The log did not answer with {kind.__name__}: {error}") from error


def _problem(body: bytes) -> dict[str, Any]:
    if is_deep(body):
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except DECODE_ERRORS:
        return {}


def _too_large(bytes_max: int) -> LogAnswerProblem:
    return LogAnswerProblem(f"The log answered with more than {bytes_max} bytes")
