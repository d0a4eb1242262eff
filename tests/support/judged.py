"""What our own verifier says of documents that a gateway issued, over the same ledger; for any test."""

import contextlib
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp

from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support.gateways import Office
from tests.support.ledgers import RunningLedger, until

Json = dict[str, Any]


class Verifier:
    """Asks a running verifier."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def answer(self, document: Json, **query: str) -> Json:
        """Return what it answers about a document once it has followed its issue."""

        async def ask() -> Json | None:
            async with self._session.post(f"{self.url}/v1/verifications", json=document, params=query) as response:
                answer: Json = await response.json(content_type=None)
                return answer if response.status == 200 and answer.get("credential") else None

        return await until(ask, "the verifier knows the credential")

    async def by_id(self, credential_id: str) -> Json:
        """Return what it answers about a credential of which it has the id alone."""
        async with self._session.get(f"{self.url}/v1/credentials/{credential_id}") as response:
            answer: Json = await response.json(content_type=None)
            return answer

    async def precedents(self, achievement: str, issuer: str) -> Json:
        """Return how an achievement was decided on, on the public log; it answers whatever is there."""
        asked = {"achievement": achievement, "issuer": issuer}
        async with self._session.get(f"{self.url}/v1/precedents", params=asked) as response:
            assert response.status == 200, await response.text()
            answer: Json = await response.json()
            return answer

    async def page(self, credential_id: str) -> str:
        """Return the page about a credential."""
        async with self._session.get(
            f"{self.url}/v1/credentials/{credential_id}", headers={"Accept": "text/html"}
        ) as response:
            return await response.text()


@contextlib.asynccontextmanager
async def running_verifier(ledger: RunningLedger, folder: Path, **settings: Any) -> AsyncIterator[Verifier]:
    """Run a verifier that follows the ledger while the block runs."""
    config = Config(
        **settings,
        ledger_url=ledger.url,
        log_verifier_key=ledger.verifier_key,
        database_file=folder / "projection.sqlite",
        poll_seconds=5,
        port=0,
    )
    app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        yield Verifier(session, address.url)


async def document_of(office: Office, credential_id: str) -> Json:
    """Return the signed document of a credential."""
    answered = await office.client.get(f"/v1/credentials/{credential_id}/document")
    assert answered.status == 200, answered
    body: Json = answered.body
    return body


Judge = Callable[[str], Coroutine[Any, Any, Json]]


def judge_for(verifier: Verifier, office: Office) -> Judge:
    """Return what gives a credential's document once the verifier calls it valid."""

    async def valid(credential_id: str) -> Json:
        document = await document_of(office, credential_id)
        answer = await verifier.answer(document)
        assert answer["verdict"] == "valid", answer["checks"]
        return document

    return valid
