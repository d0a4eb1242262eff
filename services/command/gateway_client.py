"""The issuer gateway's HTTP as a typed client, as far as the command uses it. Holds an API key in memory only."""

from typing import Any

import msgspec

from proto.ids import CredentialId
from proto.wire.gateway import (
    AchievementAnswer,
    BatchAnswer,
    CredentialAnswer,
    EventAnswer,
    InstitutionCreated,
    InstitutionPage,
    RecognitionRequest,
    StackRequest,
)
from services.command.http_client import HttpClient


def _key(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key} if idempotency_key else {}


class GatewayClient(HttpClient):
    """One gateway; `token` is the operator's token or an institution's API key. Raises what `HttpClient` raises."""

    async def create_institution(self, request: dict[str, Any], *, key: str | None = None) -> InstitutionCreated:
        """Make a tenant; the answer shows its first API key this once."""
        body = msgspec.json.encode(request)
        return await self.request("POST", "/v1/institutions", InstitutionCreated, body=body, headers=_key(key))

    async def institutions(self) -> InstitutionPage:
        """Return the first page of the public register."""
        return await self.request("GET", "/v1/institutions", InstitutionPage)

    async def put_achievement(self, achievement: dict[str, Any], *, key: str | None = None) -> AchievementAnswer:
        """Describe an achievement."""
        body = msgspec.json.encode(achievement)
        return await self.request("POST", "/v1/achievements", AchievementAnswer, body=body, headers=_key(key))

    async def import_open_badge(
        self, document: bytes, *, key: str | None = None, learner_ref: str | None = None
    ) -> CredentialAnswer:
        """Import one Open Badges 3.0 document: its achievement and a credential."""
        query = {"learner_ref": learner_ref} if learner_ref else {}
        return await self.request(
            "POST", "/v1/imports/open-badges", CredentialAnswer, body=document, query=query, headers=_key(key)
        )

    async def issue_batch(self, rows: bytes, *, content_type: str, key: str, dry_run: bool = False) -> BatchAnswer:
        """Issue a list, in CSV (`text/csv`), NDJSON or JSON; a result per row."""
        query = {"dry_run": "true"} if dry_run else {}
        return await self.request(
            "POST", "/v1/batches", BatchAnswer, body=rows, content_type=content_type, query=query, headers=_key(key)
        )

    async def credential(self, credential_id: CredentialId) -> CredentialAnswer:
        """Return a credential of the institution."""
        return await self.request("GET", f"/v1/credentials/{credential_id}", CredentialAnswer)

    async def document(self, credential_id: CredentialId) -> bytes:
        """Return the credential document as the learner gets it."""
        return await self.request_bytes("GET", f"/v1/credentials/{credential_id}/document")

    async def stack(self, request: StackRequest, *, key: str | None = None) -> CredentialAnswer:
        """Stack credentials."""
        body = msgspec.json.encode(request)
        return await self.request("POST", "/v1/stacks", CredentialAnswer, body=body, headers=_key(key))

    async def revoke(self, credential_id: CredentialId, *, reason: str, key: str | None = None) -> EventAnswer:
        """Revoke a credential from now on."""
        body = msgspec.json.encode({"reason": reason})
        path = f"/v1/credentials/{credential_id}/revoke"
        return await self.request("POST", path, EventAnswer, body=body, headers=_key(key))

    async def recognise(self, request: RecognitionRequest, *, key: str | None = None) -> EventAnswer:
        """Recognise a credential towards a programme."""
        body = msgspec.json.encode(request)
        return await self.request("POST", "/v1/recognitions", EventAnswer, body=body, headers=_key(key))
