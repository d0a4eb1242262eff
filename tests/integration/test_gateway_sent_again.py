"""What is sent again does nothing twice and gets the same answer: also without an account, an appeal, an erasure."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from services.issuer_gateway.http.caller import STRANGERS_KEY_MIN
from tests.support.gateways import Office, RunningGateway

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
KEY = "a-key-that-nobody-guesses"
DOSSIER = {"dossier": {"title": "Ten years at the water board", "description": "I built models of rivers."}}
REFUSAL = {"decision": "refused", "reasons": ["level-too-low"], "text": "Its level is below that of the programme."}


@pytest.fixture
async def office(gateway: RunningGateway) -> Office:
    school = await gateway.institution("school")
    await school.describe("hydrology", takes_requests=True)
    return school


def _programme(office: Office) -> str:
    return f"{office.created.admission_request.uri_prefixes[0]}programmes/data"


def _application(office: Office, **more: Any) -> Json:
    said = {"institution": office.slug, "programme": _programme(office), "given_name": "Mia", "family_name": "Żółć"}
    return said | {"evidence": [DOSSIER]} | more


def _request(office: Office, **more: Any) -> Json:
    said = {"institution": office.slug, "achievement": "hydrology", "given_name": "Mia", "family_name": "Żółć"}
    return said | {"email": "mia@learners.example"} | more


@pytest.mark.parametrize(
    ("path", "body_of", "listed"),
    [("/v1/requests", _request, "requests"), ("/v1/recognition-applications", _application, "applications")],
)
async def test_who_has_no_account_asks_once_however_often_the_same_is_sent(
    gateway: RunningGateway, office: Office, path: str, body_of: Any, listed: str
) -> None:
    client, body = gateway.client(), body_of(office)
    answers = await asyncio.gather(*(client.post(path, body, key=KEY) for _ in range(3)))
    turned = dict(reversed(body.items()))
    answers = [*answers, await client.post(path, turned, key=KEY)]
    assert {answer.status for answer in answers} == {201}, answers
    assert len({str(answer.body) for answer in answers}) == 1
    assert len((await office.client.get(path)).body[listed]) == 1
    other = await client.post(path, body_of(office, given_name="Ada"), key=KEY)
    assert (other.status, other.slug) == (409, "idempotency-conflict")
    short = await client.post(path, body, key="k" * (STRANGERS_KEY_MIN - 1))
    assert (short.status, short.body["header"]) == (422, "Idempotency-Key")
    another = await client.post(path, body, key=f"{KEY}-2")
    assert another.body["secret"] != answers[0].body["secret"]


async def test_an_appeal_in_the_same_words_is_the_one_that_was_made(gateway: RunningGateway, office: Office) -> None:
    made = (await gateway.client().post("/v1/recognition-applications", _application(office))).body
    decided = f"/v1/recognition-applications/{made['application_id']}/items/1/decision"
    assert (await office.client.post(decided, REFUSAL, key="decided")).status == 200
    again = await office.client.post(decided, REFUSAL, key="decided")
    assert (again.status, again.body["state"]) == (200, "decided")
    appeal, words = f"/v1/application-links/{made['secret']}/items/1/appeal", {"text": "I have twice the credits."}
    answers = await asyncio.gather(*(gateway.client().post(appeal, words) for _ in range(3)))
    assert {(answer.status, answer.body["state"]) for answer in answers} == {(200, "open")}, answers
    assert {answer.body["items"][0]["appeal"] for answer in answers} == {words["text"]}
    other = await gateway.client().post(appeal, {"text": "And something else."})
    assert (other.status, other.slug) == (409, "no-appeal")


async def test_an_erasure_and_the_end_of_a_condition_answer_the_same_to_the_same_key(office: Office) -> None:
    await office.issue("hydrology", "s1")
    erased = [await office.client.send("DELETE", "/v1/learners/s1", key="erase") for _ in range(2)]
    assert [answer.status for answer in erased] == [200, 200]
    assert erased[0].body == erased[1].body
    assert (await office.client.send("DELETE", "/v1/learners/s1")).status == 404
    place = {
        "achievement_issuer": office.did,
        "achievement": "https://college.example/hydrology",
        "programme": _programme(office),
    }
    said = await office.client.send("PUT", "/v1/grade-conditions", place | {"grades": ["A", "B"], "least": "A"})
    assert said.status == 200, said
    query = urlencode(place)
    removed = [
        (await office.client.send("DELETE", f"/v1/grade-conditions?{query}", key=key)).status
        for key in ("remove", "remove", None)
    ]
    assert removed == [204, 204, 404]
