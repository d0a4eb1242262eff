"""The verifier's HTTP as a typed client, as far as the command uses it."""

from proto.ids import CredentialId
from proto.wire.verifier import Answer, StackAnswer
from services.command.http_client import HttpClient


class VerifierClient(HttpClient):
    """One verifier. Raises what `HttpClient` raises."""

    async def verify(self, document: bytes) -> Answer:
        """Return the answer for one document, exactly the bytes that the learner sent."""
        return await self.request("POST", "/v1/verifications", Answer, body=document)

    async def status(
        self, credential_id: CredentialId, *, at: str | None = None, known_at: str | None = None
    ) -> Answer:
        """Return the public status of a credential, now or as of another time."""
        query = {name: value for name, value in (("at", at), ("known_at", known_at)) if value}
        return await self.request("GET", f"/v1/credentials/{credential_id}", Answer, query=query)

    async def stack(self, credential_id: CredentialId, *, at: str | None = None) -> StackAnswer:
        """Return a stack as a tree with the credits of each part."""
        query = {"at": at} if at else {}
        return await self.request("GET", f"/v1/stacks/{credential_id}", StackAnswer, query=query)
