"""The gateway's institutions, keys and settings, as calls. Knows no credential."""

from typing import Any, Literal

from proto.events import KeyRecord
from proto.ids import ApiKeyId
from proto.wire.institutions import (
    ApiKeyCreated,
    ApiKeyList,
    ApiKeyRequest,
    Institution,
    InstitutionCreated,
    InstitutionPage,
    InstitutionRequest,
    InstitutionSettings,
    SettingsRequest,
    SigningKeyRequest,
)
from services.clients.http_client import HttpClient

Json = dict[str, Any]


class InstitutionCalls(HttpClient):
    """Calls about institutions. A body is a record of `proto.wire.institutions`, or the same as decoded JSON."""

    async def create_institution(
        self, request: InstitutionRequest | Json, *, key: str | None = None
    ) -> InstitutionCreated:
        """Make a tenant (operator); the answer shows its first API key this once."""
        return await self.call("POST", "/v1/institutions", InstitutionCreated, send=request, key=key)

    async def institutions(
        self, *, q: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> InstitutionPage:
        """Return a page of the public register; `q` searches names."""
        query = {"q": q, "cursor": cursor, "limit": limit}
        return await self.call("GET", "/v1/institutions", InstitutionPage, query=query)

    async def institution(self, slug: str) -> Institution:
        """Return an institution as the log has it."""
        return await self.call("GET", f"/v1/institutions/{slug}", Institution)

    async def did_document(self, slug: str) -> Json:
        """Return an institution's DID document."""
        return await self.call("GET", f"/issuers/{slug}/did.json", Json)

    async def settings(self) -> InstitutionSettings:
        """Return the institution's own settings."""
        return await self.call("GET", "/v1/settings", InstitutionSettings)

    async def change_settings(self, request: SettingsRequest | Json) -> InstitutionSettings:
        """Change the institution's own settings."""
        return await self.call("PUT", "/v1/settings", InstitutionSettings, send=request)

    async def create_api_key(self, request: ApiKeyRequest | Json, *, key: str | None = None) -> ApiKeyCreated:
        """Make an API key; it is shown this once."""
        return await self.call("POST", "/v1/keys", ApiKeyCreated, send=request, key=key)

    async def api_keys(self) -> ApiKeyList:
        """Return the institution's API keys."""
        return await self.call("GET", "/v1/keys", ApiKeyList)

    async def revoke_api_key(self, api_key_id: ApiKeyId) -> None:
        """Revoke an API key."""
        await self.request_bytes("DELETE", f"/v1/keys/{api_key_id}")

    async def create_signing_key(self, purpose: Literal["event", "assertion"], *, key: str | None = None) -> KeyRecord:
        """Make a key that signs for the institution, once its recovery key has put it on the log."""
        request = SigningKeyRequest(purpose=purpose)
        return await self.call("POST", "/v1/signing-keys", KeyRecord, send=request, key=key)
