"""Applications for recognition at a running gateway: made, decided, made due."""

from typing import Any

from proto.wire.applications import ApplicationAnswer, ApplicationSeen
from services.persistence import postgres
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.judged import Verifier, document_of

Json = dict[str, Any]
REFUSAL = {"decision": "refused", "reasons": ["level-too-low"], "text": "Its level is below that of the programme."}


async def document_shown(verifier: Verifier, office: Office, name: str, ref: str) -> tuple[str, Json]:
    issued = await office.issue(name, ref)
    await office.published(issued.credential_id)
    document = await document_of(office, issued.credential_id)
    await verifier.answer(document)
    return issued.credential_id, document


async def apply_with(gateway: RunningGateway, office: Office, evidence: list[Json], **more: Any) -> Json:
    body = {
        "institution": office.slug,
        "programme": f"{office.created.admission_request.uri_prefixes[0]}programmes/data",
        "given_name": "Mia",
        "family_name": "Żółć",
        "statement": "I have learned this elsewhere.",
        "evidence": evidence,
    } | more
    answer = await gateway.client().post("/v1/recognition-applications", body)
    assert answer.status == 201, answer
    taken: Json = answer.body
    return taken


async def read_application(office: Office, made: Json) -> ApplicationAnswer:
    answer = await office.client.get(f"/v1/recognition-applications/{made['application_id']}")
    assert answer.status == 200, answer
    return answer.as_(ApplicationAnswer)


async def decide_item(office: Office, made: Json, number: int, body: Json) -> Answered:
    path = f"/v1/recognition-applications/{made['application_id']}/items/{number}/decision"
    return await office.client.post(path, body)


async def seen_by_applicant(gateway: RunningGateway, made: Json) -> ApplicationSeen:
    return (await gateway.client().get(f"/v1/application-links/{made['secret']}")).as_(ApplicationSeen)


async def second_person(office: Office) -> Office:
    made = await office.client.post("/v1/keys", {"name": "second person", "scopes": ["recognitions:write"]})
    assert made.status == 201, made
    other = Office(office.gateway, office.created)
    other.client = office.gateway.client(made.body["api_key"])
    return other


async def make_due(gateway: RunningGateway) -> None:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE application_item SET publish_at = now() WHERE publish_at IS NOT NULL")


async def let_its_day_pass(gateway: RunningGateway, made: Json) -> None:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute(
            "UPDATE application SET due_at = now() - interval '1 day' WHERE application_id = $1::text::uuid",
            made["application_id"],
        )
