"""One of each kind of thing that an institution has in a gateway, made through the API; for any test."""

from typing import Any

import msgspec

from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

Json = dict[str, Any]


class Holdings:
    """What an institution of the test has, by the names that placeholders have, and its secret links."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.ids: dict[str, str] = {"slug": office.slug, "number": "1", "form": "svg", "ref": "s-4711"}
        self.secrets: dict[str, str] = {}


async def made(office: Office, path: str, body: Any) -> Json:
    """Return the answer to a POST that is taken, once the rules have changed."""

    async def taken() -> Answered | None:  # while the rules change, it says: again
        answered = await office.client.post(path, body)
        return None if answered.status == 503 or "another version of its rules" in str(answered.body) else answered

    answer = await until(taken, f"{path} is taken")
    assert answer.status in {200, 201, 202}, answer
    found: Json = answer.body
    return found


async def fill(
    gateway: RunningGateway, office: Office, name: str, ref: str, said: str, *, achievement_id: str = "hydrology"
) -> Holdings:
    """Give an institution one of each kind of thing."""
    found = Holdings(office)
    uri = (await office.describe(achievement_id, takes_requests=True)).achievement.uri
    learner = {"ref": ref, "family_name": name}
    issued = await made(office, "/v1/credentials", office.award(uri) | {"learner": learner})
    link = await made(office, "/v1/holder-links", {"learner": ref})
    claim = await made(office, "/v1/claims", {"credential_id": issued["credential_id"]})
    key = await made(office, "/v1/keys", {"name": "another", "scopes": ["credentials:read"]})
    asked = {"institution": office.slug, "achievement": achievement_id, "family_name": name, "message": said}
    request = (await gateway.client().post("/v1/requests", asked)).body
    applied = {
        "institution": office.slug,
        "programme": f"https://{office.slug}.example/programmes/1",
        "given_name": said,
        "family_name": name,
        "evidence": [{"dossier": {"title": said, "description": said}}],
    }
    application = (await gateway.client().post("/v1/recognition-applications", applied)).body
    award = office.award(uri) | {"learner": learner | {"ref": f"{ref}-2"}}
    lines, media = msgspec.json.encode(award) + b"\n", "application/x-ndjson"
    batch = await office.client.send(
        "POST", "/v1/batches", lines, key=f"batch-{ref}-{achievement_id}", media_type=media
    )
    assert batch.status < 300, batch
    found.ids |= {
        "ref": ref,
        "achievement_id": achievement_id,
        "credential_id": issued["credential_id"],
        "event_id": issued["issue"]["event_id"],
        "link_id": link["link_id"],
        "claim_id": claim["claim_id"],
        "api_key_id": key["key"]["api_key_id"],
        "request_id": request["request_id"],
        "application_id": application["application_id"],
        "batch_id": batch.body["batch_id"],
        "uri": uri,
    }
    last = {
        "holder": link["link"],
        "claim": claim["link"],
        "request": request["link"],
        "application": application["link"],
    }
    found.secrets = {kind: each.rpartition("/")[2] for kind, each in last.items()}
    return found
