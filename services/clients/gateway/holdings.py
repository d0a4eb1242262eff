"""What learners hold and share by secret links, as calls; and the logos of their institutions."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

from proto.ids import CredentialId, HolderLinkId
from proto.wire.holder_links import HolderLink, HolderLinkList, HolderLinkRequest, ShownCredentials
from services.clients.http_client import HttpClient

Json = dict[str, Any]
PictureForm = Literal["png", "svg"]
_FORM = "application/x-www-form-urlencoded"


class HoldingCalls(HttpClient):
    """Calls about secret links of learners. A `secret` is the last part of such a link; it needs no API key."""

    async def make_holder_link(self, request: HolderLinkRequest | Json, *, key: str | None = None) -> HolderLink:
        """Make a secret link by which a learner sees what the institution issued; it is shown this once."""
        return await self.call("POST", "/v1/holder-links", HolderLink, send=request, key=key)

    async def holder_links(self, learner: str) -> HolderLinkList:
        """Return the secret links of a learner."""
        return await self.call("GET", "/v1/holder-links", HolderLinkList, query={"learner": learner})

    async def end_holder_link(self, link_id: HolderLinkId) -> HolderLink:
        """End a secret link, and what was shared from it."""
        return await self.call("DELETE", f"/v1/holder-links/{link_id}", HolderLink)

    async def linked(self, secret: str) -> ShownCredentials:
        """Return what a secret link leads to."""
        return await self.call("GET", f"/v1/credential-links/{secret}", ShownCredentials)

    async def linked_page(self, secret: str) -> bytes:
        """Return the page (HTML) of a secret link."""
        return await self.request_bytes("GET", f"/credentials/{secret}")

    async def linked_credential_page(self, secret: str, credential_id: CredentialId) -> bytes:
        """Return the sheet (HTML) of a credential behind a secret link."""
        return await self.request_bytes("GET", f"/credentials/{secret}/{credential_id}")

    async def linked_document(self, secret: str, credential_id: CredentialId) -> bytes:
        """Return the signed document behind a secret link."""
        return await self.request_bytes("GET", f"/credentials/{secret}/{credential_id}/document")

    async def linked_pdf(self, secret: str, credential_id: CredentialId, *, language: str | None = None) -> bytes:
        """Return the supplement (PDF) behind a secret link."""
        query = {"lang": language} if language else None
        return await self.request_bytes("GET", f"/credentials/{secret}/{credential_id}/pdf", query=query)

    async def linked_export(self, secret: str) -> bytes:
        """Return all that is kept of a learner (ZIP), by the link to all that the learner holds."""
        return await self.request_bytes("GET", f"/credentials/{secret}/export")

    async def linked_picture(self, secret: str, credential_id: CredentialId, *, form: PictureForm = "png") -> bytes:
        """Return the picture behind a secret link, the document inside."""
        return await self.request_bytes("GET", f"/credentials/{secret}/{credential_id}/picture.{form}")

    async def share_on_page(self, secret: str, credential_id: CredentialId, fields: Mapping[str, str]) -> bytes:
        """Send the form that makes a share; return the page, which shows it."""
        return await self._sent(f"/credentials/{secret}/{credential_id}/shares", fields)

    async def end_share_on_page(self, secret: str, credential_id: CredentialId, link_id: HolderLinkId) -> bytes:
        """Send the form that ends a share."""
        return await self._sent(f"/credentials/{secret}/{credential_id}/shares/{link_id}/end", {})

    async def end_linked_on_page(self, secret: str) -> bytes:
        """Send the form that ends a learner's own link, and all that was shared from it."""
        return await self._sent(f"/credentials/{secret}/end", {})

    async def open_asked_page(self, secret: str) -> bytes:
        """Send the form of a request's page that leads to its credential; return the sheet."""
        return await self._sent(f"/requests/{secret}/page", {})

    async def end_asked_on_page(self, secret: str) -> bytes:
        """Send the form that ends the link of a request that was decided."""
        return await self._sent(f"/requests/{secret}/end", {})

    async def change_logo(self, png: bytes) -> None:
        """Change the institution's logo."""
        await self.request_bytes("PUT", "/v1/institution/logo", body=png, content_type="image/png")

    async def remove_logo(self) -> None:
        """Take the institution's logo away."""
        await self.request_bytes("DELETE", "/v1/institution/logo")

    async def logo(self, slug: str) -> bytes:
        """Return an institution's logo, a PNG."""
        return await self.request_bytes("GET", f"/issuers/{slug}/logo")

    async def _sent(self, path: str, fields: Mapping[str, str]) -> bytes:
        return await self.request_bytes("POST", path, body=urlencode(fields).encode(), content_type=_FORM)
