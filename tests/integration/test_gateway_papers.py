"""Papers over HTTP: the supplement of a credential as staff fetch it, and as it stands after a revocation."""

import io
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from pypdf import PdfReader

from proto.bundles.bundle import decode_bundle
from proto.documents.open_badge_names import IRIS
from services.clients.gateway import GatewayClient
from services.clients.http_client import AnsweredProblem
from tests.support.gateways import Office, RunningGateway

VERIFIER = "https://verifier.example"


@pytest.fixture
def gateway_settings() -> Mapping[str, Any]:
    """The gateway's papers and pages lead to a verifier."""
    return {"verifier_url": VERIFIER}


def _client(office: Office) -> GatewayClient:
    return GatewayClient(office.gateway.ledger.session, office.gateway.url, token=office.created.api_key)


def text_of(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


async def test_staff_fetch_a_supplement_with_the_document_inside_and_it_says_how_it_stands(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    credential = await office.issue((await office.describe()).achievement.uri, result={"value": "8"})
    client = _client(office)
    await office.published(credential.credential_id)
    pdf = await client.pdf(credential.credential_id)
    (attached,) = PdfReader(io.BytesIO(pdf)).attachments["credential.json"]
    assert msgspec.json.decode(attached) == msgspec.json.decode(await client.document(credential.credential_id))
    (bundle,) = PdfReader(io.BytesIO(pdf)).attachments["bundle.json"]
    assert decode_bundle(bundle).credential_id == credential.credential_id, "so it is checked without a network"
    assert f"{VERIFIER}/c/{credential.credential_id}" in "".join(text_of(pdf).split())
    assert "Holds. By the public record" in text_of(pdf).replace("\n", " ")
    assert msgspec.json.decode(attached)[IRIS["verifiedAt"]] == {"id": VERIFIER}
    revoked = await client.revoke(credential.credential_id, {"reason": "error"})
    await office.event_published(revoked.event_id)
    assert "Revoked" in text_of(await client.pdf(credential.credential_id)).partition("1. The holder")[0]
    german = text_of(await client.pdf(credential.credential_id, language="de-AT"))
    assert "Widerrufen" in german
    with pytest.raises(AnsweredProblem, match="en, de, es, fr"):
        await client.pdf(credential.credential_id, language="xx")


async def test_nobody_else_gets_a_paper_and_an_erasure_ends_them(gateway: RunningGateway) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    credential = await office.issue((await office.describe()).achievement.uri, "s-1")
    path = f"/v1/credentials/{credential.credential_id}/pdf"
    assert (await other.client.get(path)).slug == "unknown-credential-here"
    assert (await gateway.client().get(path)).status == 401
    assert (await office.client.send("DELETE", "/v1/learners/s-1")).status == 200
    assert (await office.client.get(path)).slug == "erased"
