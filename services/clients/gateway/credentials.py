"""The gateway's credentials, stacks and imports, as calls."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

from proto.documents.credential import Award
from proto.ids import CredentialId, EventId
from proto.wire.gateway import (
    ChangeRequest,
    CredentialAnswer,
    CredentialPage,
    ErasureAnswer,
    EventAnswer,
    StackRequest,
)
from proto.wire.said_again import SaidAgain
from services.clients.http_client import HttpClient
from services.clients.pages import every_page

Json = dict[str, Any]
Proof = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022", "none"]
ImportFormat = Literal["open-badges", "elm", "microhe"]


class CredentialCalls(HttpClient):
    """Calls about credentials. What says something on the log is 202 while it is on its way: see `issue.state`."""

    async def issue(self, award: Award | Json, *, key: str | None = None) -> CredentialAnswer:
        """Issue a credential."""
        return await self.call("POST", "/v1/credentials", CredentialAnswer, send=award, key=key)

    async def credentials(
        self, *, learner: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> CredentialPage:
        """Return a page of the institution's credentials, the newest first; of one learner, or of all."""
        query = {"learner": learner, "cursor": cursor, "limit": limit}
        return await self.call("GET", "/v1/credentials", CredentialPage, query=query)

    async def all_credentials(self, *, learner: str | None = None) -> AsyncIterator[CredentialAnswer]:
        """Yield all credentials of the institution, or of one learner."""
        async for page in every_page(lambda cursor: self.credentials(learner=learner, cursor=cursor)):
            for item in page.credentials:
                yield item

    async def credential(self, credential_id: CredentialId) -> CredentialAnswer:
        """Return how a credential of the institution stands."""
        return await self.call("GET", f"/v1/credentials/{credential_id}", CredentialAnswer)

    async def document(self, credential_id: CredentialId, *, proof: Proof | None = None) -> bytes:
        """Return the credential document as the learner gets it."""
        query = {"proof": proof} if proof else None
        return await self.request_bytes("GET", f"/v1/credentials/{credential_id}/document", query=query)

    async def pdf(self, credential_id: CredentialId, *, language: str | None = None) -> bytes:
        """Return the supplement of a credential as a PDF, the document attached."""
        query = {"lang": language} if language else None
        return await self.request_bytes("GET", f"/v1/credentials/{credential_id}/pdf", query=query)

    async def picture(self, credential_id: CredentialId, *, form: Literal["png", "svg"] = "png") -> bytes:
        """Return the picture of a credential, the document inside by the rule of Open Badges."""
        return await self.request_bytes("GET", f"/v1/credentials/{credential_id}/picture.{form}")

    async def stack(self, request: StackRequest | Json, *, key: str | None = None) -> CredentialAnswer:
        """Stack credentials."""
        return await self.call("POST", "/v1/stacks", CredentialAnswer, send=request, key=key)

    async def revoke(
        self, credential_id: CredentialId, request: ChangeRequest | Json, *, key: str | None = None
    ) -> EventAnswer:
        """Revoke a credential for good."""
        return await self._change(credential_id, "revoke", request, key)

    async def suspend(
        self, credential_id: CredentialId, request: ChangeRequest | Json, *, key: str | None = None
    ) -> EventAnswer:
        """Suspend a credential until it is reinstated."""
        return await self._change(credential_id, "suspend", request, key)

    async def reinstate(
        self, credential_id: CredentialId, request: ChangeRequest | Json, *, key: str | None = None
    ) -> EventAnswer:
        """Let a suspended credential hold again."""
        return await self._change(credential_id, "reinstate", request, key)

    async def _change(
        self, credential_id: CredentialId, verb: str, request: ChangeRequest | Json, key: str | None
    ) -> EventAnswer:
        path = f"/v1/credentials/{credential_id}/{verb}"
        return await self.call("POST", path, EventAnswer, send=request, key=key)

    async def event(self, event_id: EventId) -> EventAnswer:
        """Return where an event of the institution stands."""
        return await self.call("GET", f"/v1/events/{event_id}", EventAnswer)

    async def say_event_again(self, event_id: EventId, *, dry_run: bool = False) -> SaidAgain:
        """Say an event again that a condemned key made void, once; or try to."""
        query = {"dry_run": "true"} if dry_run else None
        return await self.call("POST", f"/v1/events/{event_id}/again", SaidAgain, query=query)

    async def erase_learner(self, ref: str) -> ErasureAnswer:
        """Erase a learner: nobody can read the learner's documents here any more."""
        return await self.call("DELETE", f"/v1/learners/{ref}", ErasureAnswer)

    async def status_list(self, slug: str, number: int) -> bytes:
        """Return a status list as it was signed."""
        return await self.request_bytes("GET", f"/issuers/{slug}/status/{number}")

    async def import_document(
        self,
        form: ImportFormat,
        document: bytes,
        *,
        learner_ref: str | None = None,
        despite: Sequence[str] = (),
        key: str | None = None,
    ) -> CredentialAnswer:
        """Import a document of another system: its achievement is described, and a credential of ours issued.

        `despite` names what of it is known and overlooked: `not-on-log`, `revoked`, `suspended`, `expired`.
        """
        overlooked = urlencode([("despite", kind) for kind in despite])
        path, query = f"/v1/imports/{form}{'?' if overlooked else ''}{overlooked}", {"learner_ref": learner_ref}
        return await self.call("POST", path, CredentialAnswer, send=document, query=query, key=key)
