"""Agreements between institutions, as calls."""

from typing import Any

from proto.documents.recognition_agreement import ConsentEnvelope
from proto.ids import AgreementId
from proto.wire.agreements import AgreementAnswer, AgreementPage, AgreementRequest
from services.clients.http_client import HttpClient
from services.clients.pages import page_query

Json = dict[str, Any]


class AgreementCalls(HttpClient):
    """Calls of an institution that agrees with another; agreements are named by the digest of what is signed."""

    async def propose_agreement(self, request: AgreementRequest | Json, *, key: str | None = None) -> AgreementAnswer:
        """Propose to another institution what counts at either."""
        return await self.call("POST", "/v1/agreements", AgreementAnswer, send=request, key=key)

    async def take_in_agreement(self, document: ConsentEnvelope | Json) -> AgreementAnswer:
        """Keep what another institution signed at its own gateway: a proposal, a consent, an ending."""
        return await self.call("POST", "/v1/agreement-documents", AgreementAnswer, send=document)

    async def accept_agreement(self, agreement_id: AgreementId) -> AgreementAnswer:
        """Accept what another institution has proposed."""
        return await self.call("POST", f"/v1/agreements/{agreement_id}/acceptance", AgreementAnswer)

    async def end_agreement(self, agreement_id: AgreementId) -> AgreementAnswer:
        """End an agreement, decline it, or take it back; what was decided by it stays."""
        return await self.call("DELETE", f"/v1/agreements/{agreement_id}", AgreementAnswer)

    async def agreement(self, agreement_id: AgreementId) -> AgreementAnswer:
        """Return an agreement with the document that was signed."""
        return await self.call("GET", f"/v1/agreements/{agreement_id}", AgreementAnswer)

    async def agreements(self, *, cursor: str | None = None, limit: int | None = None) -> AgreementPage:
        """Return the institution's agreements, those that were proposed last first."""
        return await self.call("GET", "/v1/agreements", AgreementPage, query=page_query(cursor, limit))

    async def public_agreements(
        self, slug: str, *, cursor: str | None = None, limit: int | None = None
    ) -> AgreementPage:
        """Return what an institution of the gateway has agreed with others."""
        path = f"/v1/institutions/{slug}/agreements"
        return await self.call("GET", path, AgreementPage, query=page_query(cursor, limit))
