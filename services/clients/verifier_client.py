"""The verifier's HTTP as a typed client, as far as the command uses it."""

from collections.abc import Sequence
from urllib.parse import quote

from proto.ids import CredentialId
from proto.wire.precedents import PrecedentsAnswer
from proto.wire.register import AchievementFacts, IssuerPage
from proto.wire.verifier import Answer, StackAnswer, VerificationLine
from services.clients.http_client import HttpClient, UnreachableProblem
from services.clients.pages import page_query

_ROWS = 200


class VerifierClient(HttpClient):
    """One verifier. Raises what `HttpClient` raises."""

    async def verify(
        self, document: bytes, *, at: str | None = None, known_at: str | None = None, lang: str | None = None
    ) -> Answer:
        """Return the answer for one document, as the learner sent it: JSON, or a PDF or picture that holds it.

        `at` and `known_at` are days or moments, as for `status`; checks say what they found in `lang`, else in English.
        """
        media_type = "application/pdf" if document.startswith(b"%PDF-") else "application/json"
        query = _moments(at, known_at) | ({"lang": lang} if lang else {})
        return await self.request(
            "POST", "/v1/verifications", Answer, query=query, body=document, content_type=media_type
        )

    async def verify_lines(self, documents: Sequence[bytes]) -> list[VerificationLine]:
        """Return the answer for each of these documents, one line each, in their order.

        Raises `UnreachableProblem` too where the answers broke off.
        """
        body = b"\n".join(documents)
        data = await self.request_bytes("POST", "/v1/verifications", body=body, content_type="application/x-ndjson")
        found = [self.decoded(line, VerificationLine, "/v1/verifications") for line in data.splitlines()]
        if len(found) != len(documents) or any(line.line == 0 for line in found):
            detail = (found[-1].problem or {}).get("detail", "") if found else ""
            raise UnreachableProblem(f"{self.url} answered {len(found)} of {len(documents)} documents. {detail}")
        return found

    async def status(
        self, credential_id: CredentialId, *, at: str | None = None, known_at: str | None = None
    ) -> Answer:
        """Return the public status of a credential, now or as of another time."""
        return await self.request("GET", f"/v1/credentials/{credential_id}", Answer, query=_moments(at, known_at))

    async def issuers(self, cursor: str | None = None) -> IssuerPage:
        """Return institutions of the register, in the order of their names, from a cursor on."""
        return await self.request("GET", "/v1/issuers", IssuerPage, query=page_query(cursor, _ROWS))

    async def achievement(self, uri: str) -> AchievementFacts:
        """Return what is on record of an achievement, and what a catalogue says of it."""
        return await self.request("GET", f"/v1/achievements/{quote(uri, safe='')}", AchievementFacts)

    async def precedents(self, achievement: str, issuer: str) -> PrecedentsAnswer:
        """Return how institutions decided, on the public log, on the credentials of an achievement."""
        query = {"achievement": achievement, "issuer": issuer}
        return await self.request("GET", "/v1/precedents", PrecedentsAnswer, query=query)

    async def stack(self, credential_id: CredentialId, *, at: str | None = None) -> StackAnswer:
        """Return a stack as a tree with the credits of each part."""
        query = {"at": at} if at else {}
        return await self.request("GET", f"/v1/stacks/{credential_id}", StackAnswer, query=query)


def _moments(at: str | None, known_at: str | None) -> dict[str, str]:
    return {name: value for name, value in (("at", at), ("known_at", known_at)) if value}
