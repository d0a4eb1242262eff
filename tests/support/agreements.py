"""Agreements between offices of a running gateway, and what they decide at once."""

import base64
from typing import Any

from proto.wire.agreements import AgreementAnswer
from proto.wire.applications import ApplicationSeen
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import until

Json = dict[str, Any]
UNTIL = "2029-06-30"


def programme_of(office: Office) -> str:
    return f"{office.created.admission_request.uri_prefixes[0]}programmes/data"


def term_of(awards: Office, counts: Office, **more: Any) -> Json:
    return {
        "awarded_by": awards.did,
        "recogniser": counts.did,
        "programme": programme_of(counts),
        "decision": "full",
    } | more


async def propose(office: Office, partner: Office, *terms: Json, **more: Any) -> Answered:
    body = {"partner": partner.did, "valid_until": UNTIL, "terms": list(terms)} | more
    return await office.client.post("/v1/agreements", body)


async def concluded(office: Office, partner: Office, *terms: Json) -> AgreementAnswer:
    made = await propose(office, partner, *terms)
    assert made.status == 201, made
    path = f"/v1/agreements/{made.body['agreement_id']}"
    accepted = await partner.client.send("POST", f"{path}/acceptance")
    assert accepted.status == 200, accepted
    return accepted.as_(AgreementAnswer)


async def proven_document(verifier: Verifier, office: Office, name: str, ref: str) -> Json:
    issued = await office.issue(name, ref)
    await office.published(issued.credential_id)
    document = await document_of(office, issued.credential_id)
    assert (await verifier.answer(document))["verdict"] == "valid"
    return document


async def decided_at_once(gateway: RunningGateway, office: Office, *documents: Json) -> list[Any]:
    """Apply with documents, and return what was decided on each at once; None for what waits for a person."""
    body = {
        "institution": office.slug,
        "programme": programme_of(office),
        "given_name": "Mia",
        "family_name": "Bo",
        "evidence": [{"document": each} for each in documents],
    }
    made = await gateway.client().post("/v1/recognition-applications", body)
    assert made.status == 201, made
    seen = await seen_by_link(gateway, made.body["secret"])
    return [each.decisions[0] if each.decisions else None for each in seen.items] + [made.body["secret"]]


async def seen_by_link(gateway: RunningGateway, secret: str) -> ApplicationSeen:
    return (await gateway.client().get(f"/v1/application-links/{secret}")).as_(ApplicationSeen)


async def handed_over(college: Office, school: Office) -> AgreementAnswer:
    """Have the college propose, and the school, at another gateway, take it in, accept it and hand it back."""
    made = (await propose(college, school, term_of(college, school, eqf_level=6))).as_(AgreementAnswer)
    path = f"/v1/agreements/{made.agreement_id}"
    sent: Json = (await college.client.get(path)).body["document"]

    async def known_here() -> Answered | None:
        taken = await school.client.post("/v1/agreement-documents", sent)
        return taken if taken.status == 200 else None

    assert (await until(known_here, "the school's gateway has followed the admission")).body["state"] == "proposed"
    forged = sent | {"signatures": [sent["signatures"][0] | {"sig": base64.b64encode(bytes(64)).decode()}]}
    refused = await school.client.post("/v1/agreement-documents", forged)
    assert (refused.status, refused.body["pointer"]) == (422, "/signatures/0/sig")
    accepted = await school.client.send("POST", f"{path}/acceptance")
    assert accepted.body["state"] == "concluded"
    assert (await college.client.get(path)).body["state"] == "proposed", "nobody has told the other gateway"
    for _ in range(2):
        back = await college.client.post("/v1/agreement-documents", accepted.body["document"])
        assert (back.status, back.body["state"]) == (200, "concluded")
    return back.as_(AgreementAnswer)
