"""What learners ask for and claim by secret links, and what staff decide, as calls."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

from proto.ids import AchievementId, BatchId, ClaimId, RequestId
from proto.tables.day_order import DayOrder
from proto.tables.dialect import Encoding
from proto.wire.gateway import CredentialAnswer
from proto.wire.requests import (
    AcceptBody,
    Claim,
    Claimed,
    ClaimLine,
    ClaimMade,
    ClaimRequest,
    ClaimSeen,
    ClaimUse,
    RequestAnswer,
    RequestBody,
    RequestDecision,
    RequestMade,
    RequestPage,
    RequestSeen,
)
from services.clients.http_client import HttpClient
from services.clients.pages import every_page

Json = dict[str, Any]
_FORM = "application/x-www-form-urlencoded"


class LinkCalls(HttpClient):
    """Calls about requests and one-time links. A `secret` is the last part of such a link; it needs no API key."""

    async def ask(self, request: RequestBody | Json, *, key: str | None = None) -> RequestMade:
        """Ask an institution for an achievement; the link in the answer is shown this once."""
        return await self.call("POST", "/v1/requests", RequestMade, send=request, key=key)

    async def request_seen(self, secret: str) -> RequestSeen:
        """Return how a request stands."""
        return await self.call("GET", f"/v1/request-links/{secret}", RequestSeen)

    async def withdraw_request(self, secret: str) -> RequestSeen:
        """Withdraw a request; what was said in it is erased."""
        return await self.call("DELETE", f"/v1/request-links/{secret}", RequestSeen)

    async def requested_document(self, secret: str) -> bytes:
        """Return the document of a request that was accepted."""
        return await self.request_bytes("GET", f"/requests/{secret}/document")

    async def requests(
        self, *, state: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> RequestPage:
        """Return a page of the requests to the institution, the oldest first."""
        query = {"state": state, "cursor": cursor, "limit": limit}
        return await self.call("GET", "/v1/requests", RequestPage, query=query)

    async def all_requests(self, *, state: str | None = None) -> AsyncIterator[RequestAnswer]:
        """Yield all requests to the institution."""
        async for page in every_page(lambda cursor: self.requests(state=state, cursor=cursor)):
            for item in page.requests:
                yield item

    async def asked(self, request_id: RequestId) -> RequestAnswer:
        """Return a request to the institution."""
        return await self.call("GET", f"/v1/requests/{request_id}", RequestAnswer)

    async def accept(
        self, request_id: RequestId, body: AcceptBody | Json | None = None, *, key: str | None = None
    ) -> CredentialAnswer:
        """Accept a request: its credential is issued, once, however often this is said."""
        path = f"/v1/requests/{request_id}/accept"
        return await self.call("POST", path, CredentialAnswer, send=body or {}, key=key)

    async def reject(self, request_id: RequestId, reason: str, *, key: str | None = None) -> RequestDecision:
        """Reject a request; the learner reads why."""
        path = f"/v1/requests/{request_id}/reject"
        return await self.call("POST", path, RequestDecision, send={"reason": reason}, key=key)

    async def make_claim(self, request: ClaimRequest | Json, *, key: str | None = None) -> ClaimMade:
        """Make a one-time link; it is shown this once."""
        return await self.call("POST", "/v1/claims", ClaimMade, send=request, key=key)

    async def claim(self, claim_id: ClaimId) -> Claim:
        """Return how a one-time link stands."""
        return await self.call("GET", f"/v1/claims/{claim_id}", Claim)

    async def cancel_claim(self, claim_id: ClaimId) -> Claim:
        """Cancel a one-time link."""
        return await self.call("DELETE", f"/v1/claims/{claim_id}", Claim)

    async def claims_of_batch(self, batch_id: BatchId, *, hours_valid: int | None = None) -> AsyncIterator[ClaimMade]:
        """Yield a one-time link for each credential of a batch; said again, the new links replace these."""
        path, query = f"/v1/batches/{batch_id}/claims", {"hours_valid": hours_valid}
        async for line in self.lines("POST", path, query=query):
            yield self.decoded(line, ClaimMade, path)

    async def claims_of_awards(
        self,
        rows: bytes,
        *,
        media_type: str,
        key: str,
        hours_valid: int | None = None,
        dates: DayOrder | None = None,
        encoding: Encoding | None = None,
    ) -> AsyncIterator[ClaimLine]:
        """Yield a one-time link, or a problem, for each award of a CSV, XLSX or NDJSON file of at most 1,000 rows."""
        headers = {"Content-Type": media_type, "Idempotency-Key": key}
        query = {"hours_valid": hours_valid, "dates": dates, "encoding": encoding}
        path = "/v1/claims/awards"
        async for line in self.lines("POST", path, query=query, body=rows, headers=headers):
            yield self.decoded(line, ClaimLine, path)

    async def claim_seen(self, secret: str) -> ClaimSeen:
        """Return what a one-time link leads to."""
        return await self.call("GET", f"/v1/claim-links/{secret}", ClaimSeen)

    async def use_claim(self, secret: str, use: ClaimUse | Json | None = None) -> Claimed:
        """Use a one-time link up: the credential document is the learner's to keep."""
        return await self.call("POST", f"/v1/claim-links/{secret}", Claimed, send=use or {})

    async def request_page(self, secret: str) -> bytes:
        """Return the page (HTML) of a request."""
        return await self.request_bytes("GET", f"/requests/{secret}")

    async def claim_page(self, secret: str) -> bytes:
        """Return the page (HTML) of a one-time link."""
        return await self.request_bytes("GET", f"/claims/{secret}")

    async def ask_on_page(self, slug: str, achievement_id: AchievementId, fields: Mapping[str, str]) -> bytes:
        """Send the form on the page of an achievement; return the page that it leads to."""
        return await self._form(f"/issuers/{slug}/achievements/{achievement_id}/page", fields)

    async def withdraw_on_page(self, secret: str) -> bytes:
        """Send the form on the page of a request."""
        return await self._form(f"/requests/{secret}/withdraw", {})

    async def claim_on_page(self, secret: str, fields: Mapping[str, str] | None = None) -> bytes:
        """Send the form on the page of a one-time link."""
        return await self._form(f"/claims/{secret}", fields or {})

    async def _form(self, path: str, fields: Mapping[str, str]) -> bytes:
        return await self.request_bytes("POST", path, body=urlencode(fields).encode(), content_type=_FORM)
