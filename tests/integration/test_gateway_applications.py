"""Recognition as a process over real HTTP: applied for, seen by the office in its terms, decided, appealed, erased."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.wire.applications import ApplicationAnswer
from services.issuer_gateway.store import applications
from tests.support.applications import (
    REFUSAL,
    Json,
    apply_with,
    decide_item,
    document_shown,
    let_its_day_pass,
    make_due,
    read_application,
    second_person,
    seen_by_applicant,
)
from tests.support.databases import MakeDatabase
from tests.support.foreign_documents import open_badge
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.judged import Verifier, running_verifier
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until

pytestmark = pytest.mark.usefixtures("rounds_by_hand")


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


async def test_three_pieces_of_evidence_are_decided_each_in_its_own_way_and_one_anew_after_an_appeal(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    credential_id, document = await document_shown(verifier, college, "hydrology", "s1")
    stranger = open_badge()
    dossier = {"title": "Ten years at the water board", "description": "I built models of rivers."}
    file = base64.b64encode(msgspec.json.encode(document)).decode()
    made = await apply_with(gateway, school, [{"file": file}, {"document": stranger}, {"dossier": dossier}])
    assert made["state"] == "open"

    seen = await read_application(school, made)
    own, badge, prior = seen.items
    assert (own.credential_id, own.answer and own.answer.verdict) == (credential_id, "valid")
    assert own.answer is not None
    assert own.answer.content is not None
    assert [dict(each.title) for each in own.answer.content.learning_outcomes] == [{"en": "Explains it"}]
    assert badge.credential_id is None
    assert badge.stated is not None
    assert list(badge.stated.title.values()) == ["Soil"]
    assert prior.dossier is not None
    assert (prior.dossier.title, prior.answer) == (dossier["title"], None)
    assert seen.applicant is not None
    assert seen.applicant.family_name == "Żółć"

    assert (await decide_item(school, made, 1, {"decision": "full"})).status == 200
    partial = {"decision": "partial", "ects_hundredths": 100, "reasons": ["outcomes-differ"], "text": "Half of it."}
    assert (await decide_item(school, made, 2, partial)).status == 200
    assert (await decide_item(school, made, 3, REFUSAL)).status == 200
    found = await seen_by_applicant(gateway, made)
    assert found.state == "decided"
    assert [each.decisions[0].decision for each in found.items] == ["full", "partial", "refused"]
    assert [each.decisions[0].ects_hundredths for each in found.items] == [350, 100, None]
    assert [each.may_appeal for each in found.items] == [False, True, True]

    again = await decide_item(school, made, 3, {"decision": "full", "ects_hundredths": 100})
    assert (again.status, again.slug) == (409, "item-decided")
    await let_its_day_pass(gateway, made)
    link = f"/v1/application-links/{made['secret']}/items/3/appeal"
    appealed = await gateway.client().post(link, {"text": "The models were published."})
    assert appealed.status == 200, appealed
    assert appealed.body["state"] == "open"
    assert appealed.body["due_at"] > made["created_at"], "an appeal has a day of its own"
    assert not (await read_application(school, made)).is_overdue
    twice = await gateway.client().post(link, {"text": "Again."})
    assert (twice.status, twice.slug) == (409, "no-appeal")
    same = await decide_item(school, made, 3, {"decision": "full", "ects_hundredths": 100})
    assert (same.status, same.slug) == (409, "same-person")
    second = await second_person(school)
    anew = {"decision": "partial", "ects_hundredths": 100, "reasons": ["other"], "text": "The models convince."}
    anew |= {"assessor": "Dr Wind"}
    assert (await decide_item(second, made, 3, anew)).status == 200
    last = (await seen_by_applicant(gateway, made)).items[2].decisions
    assert [(each.round, each.decision) for each in last] == [(1, "refused"), (2, "partial")]
    await _shows_in_order(gateway, made)


async def _page(gateway: RunningGateway, made: Json) -> str:
    async with gateway.ledger.session.get(f"{gateway.url}/applications/{made['secret']}") as response:
        assert response.headers["Cache-Control"] == "no-store"
        return await response.text()


async def _shows_in_order(gateway: RunningGateway, made: Json) -> None:
    page = await _page(gateway, made)
    told = ["below that of the programme", "The models were published.", "The models convince."]
    assert [page.count(each) for each in told] == [1, 1, 1]
    assert sorted(told, key=page.index) == told, "decided, appealed, decided anew"


async def test_the_second_office_sees_how_the_first_decided_before_it_says_otherwise(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    evidence = [(await document_shown(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    first, second = [await apply_with(gateway, school, [{"document": each}]) for each in evidence]
    assert (await decide_item(school, first, 1, {"decision": "full"})).status == 200
    (item,) = (await read_application(school, second)).items
    assert [(each.scope, each.decision, each.count) for each in item.precedents] == [("own", "full", 1)]
    again = await apply_with(gateway, school, [{"document": evidence[0]}], given_name="Somebody", family_name="Else")
    (same,) = (await read_application(school, again)).items
    assert [(each.application_id, each.number) for each in same.counted_in] == [(first["application_id"], 1)]
    assert item.counted_in == (), "another credential of the same achievement"
    assert "You have an answer by" in await _page(gateway, again)
    await let_its_day_pass(gateway, again)
    assert "Ask the institution what became of it" in await _page(gateway, again)
    unlike = await decide_item(school, second, 1, REFUSAL)
    assert (unlike.status, unlike.slug) == (409, "unlike-case")
    assert [each["decision"] for each in unlike.body["precedents"]] == ["full"]
    assert (await decide_item(school, second, 1, REFUSAL | {"despite_precedents": True})).status == 200
    report = (await school.client.get("/v1/recognition-report")).body
    assert (report["full_count"], report["refused_count"], report["open_count"]) == (1, 1, 1)
    assert [(each["full"], each["refused"]) for each in report["unlike"]] == [(1, 1)]


async def test_another_institution_sees_what_is_public_on_an_achievement_before_it_decides_otherwise(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    academy = await gateway.institution("academy")
    await college.describe("hydrology")
    evidence = [(await document_shown(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    first = await apply_with(gateway, school, [{"document": evidence[0]}], publish=True)
    assert (await decide_item(school, first, 1, {"decision": "full"})).status == 200
    second = await apply_with(gateway, academy, [{"document": evidence[1]}])
    before = await read_application(academy, second)
    assert [(each.precedents, each.public_precedents) for each in before.items] == [((), "known")], "not public yet"

    await make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    public = (await seen_by_applicant(gateway, first)).items[0].decisions[0].recognition
    assert public is not None
    await school.event_published(public)

    async def told() -> ApplicationAnswer | None:
        found = await read_application(academy, second)
        return found if found.items[0].precedents else None

    (item,) = (await until(told, "the verifier has followed the recognition")).items
    (precedent,) = item.precedents
    assert (precedent.scope, precedent.institution, precedent.decision) == ("public", school.did, "full")
    assert (precedent.institution_name, precedent.ects_hundredths, precedent.count) == ("Hogeschool School", 350, 1)
    unlike = await decide_item(academy, second, 1, REFUSAL)
    assert (unlike.status, unlike.slug) == (409, "unlike-case")
    assert [(each["scope"], each["institution"]) for each in unlike.body["precedents"]] == [("public", school.did)]
    assert (await decide_item(academy, second, 1, REFUSAL | {"despite_precedents": True})).status == 200

    withdrawn = await school.client.send("DELETE", f"/v1/recognitions/{public}")
    assert withdrawn.status == 201, withdrawn

    async def forgotten() -> bool | None:
        found = await read_application(academy, second)
        return (found.items[0].public_precedents, found.items[0].precedents) == ("known", ()) or None

    assert await until(forgotten, "the verifier has followed the withdrawal")
    listed = (await academy.client.get("/v1/recognition-applications")).body["applications"]
    assert [each["items"][0]["public_precedents"] for each in listed] == ["not-asked"]


async def test_what_is_public_is_unknown_where_no_verifier_can_be_asked_and_a_person_decides(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, verifier: Verifier
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as alone:
        school = await alone.institution("school")
        made = await apply_with(alone, school, [{"document": open_badge()}])
        (item,) = (await read_application(school, made)).items
        assert (item.public_precedents, item.precedents) == ("known", ()), "an achievement that is not known is no case"
        assert (await decide_item(school, made, 1, REFUSAL)).status == 200


async def test_nothing_of_an_application_is_left_after_it_is_withdrawn(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    school = await gateway.institution("school")
    made = await apply_with(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
    assert (await decide_item(school, made, 1, REFUSAL)).status == 200
    gone = await gateway.client().send("DELETE", f"/v1/application-links/{made['secret']}", None)
    assert gone.status == 200, gone
    assert (gone.body["state"], gone.body["is_erased"], gone.body.get("items", [])) == ("withdrawn", True, [])
    read = await read_application(school, made)
    assert (read.applicant, read.items, read.is_erased) == (None, (), True)
    late = await decide_item(school, made, 1, {"decision": "full", "ects_hundredths": 100})
    assert (late.status, late.slug) == (409, "application-closed")
    assert gateway.inside is not None
    async with gateway.inside.pool.acquire() as connection:
        assert await applications.items(connection, [made["application_id"]]) == []
        assert await applications.decisions(connection, [made["application_id"]]) == []


async def test_what_an_applicant_wants_on_the_log_is_put_there_and_nothing_else(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    evidence = [(await document_shown(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    wanted = await apply_with(gateway, school, [{"document": evidence[0]}], publish=True)
    quiet = await apply_with(gateway, school, [{"document": evidence[1]}])
    for made in (wanted, quiet):
        assert (await decide_item(school, made, 1, {"decision": "full"})).status == 200
    assert gateway.inside is not None
    async with gateway.inside.pool.acquire() as connection:
        waiting = await connection.fetch("SELECT publish_at > now() AS is_later FROM application_item")
        assert sorted(row["is_later"] for row in waiting if row["is_later"] is not None) == [True]
    await make_due(gateway)
    assert gateway.commands is not None
    publish = gateway.commands.publish_recognitions
    assert await publish.publish_due() == 1
    assert await publish.publish_due() == 0, "once"
    decision = (await seen_by_applicant(gateway, wanted)).items[0].decisions[0]
    assert decision.recognition is not None
    await school.event_published(decision.recognition)
    assert (await seen_by_applicant(gateway, quiet)).items[0].decisions[0].recognition is None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"decision": "refused"}, "/reasons"),
        ({"decision": "refused", "reasons": ["other"]}, "/text"),
        ({"decision": "refused", "reasons": ["other"], "text": "No.", "ects_hundredths": 1}, "/ects_hundredths"),
        ({"decision": "partial", "reasons": ["other"], "text": "No."}, "/ects_hundredths"),
        ({"decision": "partial", "ects_hundredths": 5}, "/reasons"),
    ],
)
async def test_a_decision_that_says_too_little_is_refused_at_the_field(
    gateway: RunningGateway, body: Json, pointer: str
) -> None:
    school = await gateway.institution("school")
    made = await apply_with(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
    answer = await decide_item(school, made, 1, body)
    assert (answer.status, answer.body["pointer"]) == (422, pointer), answer


async def test_a_programme_of_somebody_else_and_another_institutions_application_are_not_there(
    gateway: RunningGateway,
) -> None:
    school, college = await gateway.institution("school"), await gateway.institution("college")
    made = await apply_with(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
    other = await college.client.get(f"/v1/recognition-applications/{made['application_id']}")
    assert (other.status, other.slug) == (404, "unknown-application")
    body = {"institution": "school", "programme": "https://elsewhere.example/p", "given_name": "A", "family_name": "B"}
    evidence = {"evidence": [{"dossier": {"title": "x", "description": "y"}}]}
    wrong = await gateway.client().post("/v1/recognition-applications", body | evidence)
    assert (wrong.status, wrong.body["pointer"]) == (422, "/programme")
    words = base64.b64encode(b"I have learned much.").decode()
    own = {"programme": f"https://{school.slug}.example/programmes/1", "evidence": [{"file": words}]}
    no_document = await gateway.client().post("/v1/recognition-applications", body | own)
    assert (no_document.status, no_document.body["pointer"]) == (422, "/evidence/0/file")
    assert "dossier" in no_document.body["detail"]


async def _public_without_any_recognition(verifier: Verifier, uri: str, college: Office, school: Office) -> None:
    """Wait until a verifier tells of a standing decision on an achievement that nobody has recognised yet."""

    async def told() -> list[Json] | None:
        found = await verifier.precedents(uri, college.did)
        assert found["precedents"] == []
        return found["decisions"] or None

    (decision,) = await until(told, "the verifier has followed the standing decision")
    assert (decision["recogniser"], decision["recogniser_name"]) == (school.did, "Hogeschool School")


async def test_a_standing_decision_decides_at_once_what_it_covers_and_the_log_names_it(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    registrar = Registrar(rules_version=2)
    async with (
        running_ledger(make_database, tmp_path / "ledger", registrar) as ledger,
        running_verifier(ledger, tmp_path) as verifier,
        running_gateway(make_database, tmp_path / "gateway", ledger, evidence_verifier_url=verifier.url) as gateway,
    ):
        college, school = await gateway.institution("college"), await gateway.institution("school")
        uri = (await college.describe("hydrology")).achievement.uri
        other_uri = (await college.describe("other")).achievement.uri
        covered = (await document_shown(verifier, college, "hydrology", "s1"))[1]
        other = (await document_shown(verifier, college, "other", "s1"))[1]
        programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
        standing = {
            "achievement_issuer": college.did,
            "achievement": uri,
            "decision": "full",
            "ects_hundredths": 350,
            "programme": programme,
            "valid_until": "2029-06-30",
            "ects_hundredths_min": 300,
        }

        async def said() -> Answered | None:
            answer = await school.client.post("/v1/standing-decisions", standing, key="standing")
            return answer if answer.status == 201 else None

        made = await until(said, "the gateway has gone over to the new rules")
        await school.event_published(made.body["event_id"])
        await _public_without_any_recognition(verifier, uri, college, school)
        more = {"achievement": other_uri, "decision": "partial", "ects_hundredths": 400, "ects_hundredths_min": 0}
        too_much = await school.client.post("/v1/standing-decisions", standing | more, key="more")
        await school.event_published(too_much.body["event_id"])

        application = await apply_with(gateway, school, [{"document": covered}, {"document": other}], publish=True)
        assert application["state"] == "open", "a part counts no more than a credential has: the second waits"
        first, second = (await seen_by_applicant(gateway, application)).items
        assert [(each.decision, each.under) for each in first.decisions] == [("full", made.body["event_id"])]
        assert second.decisions == ()
        answer = await decide_item(school, application, 1, REFUSAL)
        assert (answer.status, answer.slug) == (409, "item-decided")
        alike = await decide_item(school, application, 2, REFUSAL)
        assert (alike.status, alike.slug) == (409, "unlike-case"), "its own standing decision counts it in part"
        assert (await decide_item(school, application, 2, REFUSAL | {"despite_precedents": True})).status == 200
        await make_due(gateway)
        assert gateway.commands is not None
        assert await gateway.commands.publish_recognitions.publish_due() == 1
        decision = (await seen_by_applicant(gateway, application)).items[0].decisions[0]
        assert decision.recognition is not None
        await school.event_published(decision.recognition)
