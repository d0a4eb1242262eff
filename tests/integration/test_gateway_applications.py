"""Recognition as a process over real HTTP: applied for, seen by the office in its terms, decided, appealed, erased."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.wire.applications import ApplicationAnswer, ApplicationSeen
from services.issuer_gateway.store import applications
from services.persistence import postgres
from tests.support.databases import MakeDatabase
from tests.support.foreign_documents import open_badge
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.judged import Verifier, document_of, running_verifier
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
REFUSAL = {"decision": "refused", "reasons": ["level-too-low"], "text": "Its level is below that of the programme."}


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


async def _document(verifier: Verifier, office: Office, name: str, ref: str) -> tuple[str, Json]:
    issued = await office.issue(name, ref)
    await office.published(issued.credential_id)
    document = await document_of(office, issued.credential_id)
    await verifier.answer(document)
    return issued.credential_id, document


async def _apply(gateway: RunningGateway, office: Office, evidence: list[Json], **more: Any) -> Json:
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


async def _read(office: Office, made: Json) -> ApplicationAnswer:
    answer = await office.client.get(f"/v1/recognition-applications/{made['application_id']}")
    assert answer.status == 200, answer
    return answer.as_(ApplicationAnswer)


async def _decide(office: Office, made: Json, number: int, body: Json) -> Answered:
    path = f"/v1/recognition-applications/{made['application_id']}/items/{number}/decision"
    return await office.client.post(path, body)


async def _seen(gateway: RunningGateway, made: Json) -> ApplicationSeen:
    return (await gateway.client().get(f"/v1/application-links/{made['secret']}")).as_(ApplicationSeen)


async def _second_key(office: Office) -> Office:
    made = await office.client.post("/v1/keys", {"name": "second person", "scopes": ["recognitions:write"]})
    assert made.status == 201, made
    other = Office(office.gateway, office.created)
    other.client = office.gateway.client(made.body["api_key"])
    return other


async def test_three_pieces_of_evidence_are_decided_each_in_its_own_way_and_one_anew_after_an_appeal(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    credential_id, document = await _document(verifier, college, "hydrology", "s1")
    stranger = open_badge()
    dossier = {"title": "Ten years at the water board", "description": "I built models of rivers."}
    file = base64.b64encode(msgspec.json.encode(document)).decode()
    made = await _apply(gateway, school, [{"file": file}, {"document": stranger}, {"dossier": dossier}])
    assert made["state"] == "open"

    seen = await _read(school, made)
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

    assert (await _decide(school, made, 1, {"decision": "full"})).status == 200
    partial = {"decision": "partial", "ects_hundredths": 100, "reasons": ["outcomes-differ"], "text": "Half of it."}
    assert (await _decide(school, made, 2, partial)).status == 200
    assert (await _decide(school, made, 3, REFUSAL)).status == 200
    found = await _seen(gateway, made)
    assert found.state == "decided"
    assert [each.decisions[0].decision for each in found.items] == ["full", "partial", "refused"]
    assert [each.decisions[0].ects_hundredths for each in found.items] == [350, 100, None]
    assert [each.may_appeal for each in found.items] == [False, True, True]

    again = await _decide(school, made, 3, {"decision": "full", "ects_hundredths": 100})
    assert (again.status, again.slug) == (409, "item-decided")
    link = f"/v1/application-links/{made['secret']}/items/3/appeal"
    appealed = await gateway.client().post(link, {"text": "The models were published."})
    assert appealed.status == 200, appealed
    assert appealed.body["state"] == "open"
    twice = await gateway.client().post(link, {"text": "Again."})
    assert (twice.status, twice.slug) == (409, "no-appeal")
    same = await _decide(school, made, 3, {"decision": "full", "ects_hundredths": 100})
    assert (same.status, same.slug) == (409, "same-person")
    second = await _second_key(school)
    anew = {"decision": "partial", "ects_hundredths": 100, "reasons": ["other"], "text": "The models convince."}
    assert (await _decide(second, made, 3, anew)).status == 200
    last = (await _seen(gateway, made)).items[2].decisions
    assert [(each.round, each.decision) for each in last] == [(1, "refused"), (2, "partial")]
    async with gateway.ledger.session.get(f"{gateway.url}/applications/{made['secret']}") as response:
        page = await response.text()
    assert "The models convince." in page
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_second_office_sees_how_the_first_decided_before_it_says_otherwise(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology")
    evidence = [(await _document(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    first, second = [await _apply(gateway, school, [{"document": each}]) for each in evidence]
    assert (await _decide(school, first, 1, {"decision": "full"})).status == 200
    (item,) = (await _read(school, second)).items
    assert [(each.scope, each.decision, each.count) for each in item.precedents] == [("own", "full", 1)]
    unlike = await _decide(school, second, 1, REFUSAL)
    assert (unlike.status, unlike.slug) == (409, "unlike-case")
    assert [each["decision"] for each in unlike.body["precedents"]] == ["full"]
    assert (await _decide(school, second, 1, REFUSAL | {"despite_precedents": True})).status == 200
    report = (await school.client.get("/v1/recognition-report")).body
    assert (report["full_count"], report["refused_count"], report["open_count"]) == (1, 1, 0)
    assert [(each["full"], each["refused"]) for each in report["unlike"]] == [(1, 1)]


async def test_another_institution_sees_what_is_public_on_an_achievement_before_it_decides_otherwise(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    academy = await gateway.institution("academy")
    await college.describe("hydrology")
    evidence = [(await _document(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    first = await _apply(gateway, school, [{"document": evidence[0]}], publish=True)
    assert (await _decide(school, first, 1, {"decision": "full"})).status == 200
    second = await _apply(gateway, academy, [{"document": evidence[1]}])
    before = await _read(academy, second)
    assert [(each.precedents, each.public_precedents) for each in before.items] == [((), "known")], "not public yet"

    await _make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    public = (await _seen(gateway, first)).items[0].decisions[0].recognition
    assert public is not None
    await school.event_published(public)

    async def told() -> ApplicationAnswer | None:
        found = await _read(academy, second)
        return found if found.items[0].precedents else None

    (item,) = (await until(told, "the verifier has followed the recognition")).items
    (precedent,) = item.precedents
    assert (precedent.scope, precedent.institution, precedent.decision) == ("public", school.did, "full")
    assert (precedent.institution_name, precedent.ects_hundredths, precedent.count) == ("Hogeschool School", 350, 1)
    unlike = await _decide(academy, second, 1, REFUSAL)
    assert (unlike.status, unlike.slug) == (409, "unlike-case")
    assert [(each["scope"], each["institution"]) for each in unlike.body["precedents"]] == [("public", school.did)]
    assert (await _decide(academy, second, 1, REFUSAL | {"despite_precedents": True})).status == 200

    withdrawn = await school.client.send("DELETE", f"/v1/recognitions/{public}")
    assert withdrawn.status == 201, withdrawn

    async def forgotten() -> bool | None:
        found = await _read(academy, second)
        return (found.items[0].public_precedents, found.items[0].precedents) == ("known", ()) or None

    assert await until(forgotten, "the verifier has followed the withdrawal")
    listed = (await academy.client.get("/v1/recognition-applications")).body["applications"]
    assert [each["items"][0]["public_precedents"] for each in listed] == ["not-asked"]


async def test_what_is_public_is_unknown_where_no_verifier_can_be_asked_and_a_person_decides(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, verifier: Verifier
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as alone:
        school = await alone.institution("school")
        made = await _apply(alone, school, [{"document": open_badge()}])
        (item,) = (await _read(school, made)).items
        assert (item.public_precedents, item.precedents) == ("known", ()), "an achievement that is not known is no case"
        assert (await _decide(school, made, 1, REFUSAL)).status == 200


async def test_nothing_of_an_application_is_left_after_it_is_withdrawn(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    school = await gateway.institution("school")
    made = await _apply(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
    assert (await _decide(school, made, 1, REFUSAL)).status == 200
    gone = await gateway.client().send("DELETE", f"/v1/application-links/{made['secret']}", None)
    assert gone.status == 200, gone
    assert (gone.body["state"], gone.body["is_erased"], gone.body.get("items", [])) == ("withdrawn", True, [])
    read = await _read(school, made)
    assert (read.applicant, read.items, read.is_erased) == (None, (), True)
    late = await _decide(school, made, 1, {"decision": "full", "ects_hundredths": 100})
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
    evidence = [(await _document(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    wanted = await _apply(gateway, school, [{"document": evidence[0]}], publish=True)
    quiet = await _apply(gateway, school, [{"document": evidence[1]}])
    for made in (wanted, quiet):
        assert (await _decide(school, made, 1, {"decision": "full"})).status == 200
    assert gateway.inside is not None
    async with gateway.inside.pool.acquire() as connection:
        waiting = await connection.fetch("SELECT publish_at > now() AS is_later FROM application_item")
        assert sorted(row["is_later"] for row in waiting if row["is_later"] is not None) == [True]
    await _make_due(gateway)
    assert gateway.commands is not None
    publish = gateway.commands.publish_recognitions
    assert await publish.publish_due() == 1
    assert await publish.publish_due() == 0, "once"
    decision = (await _seen(gateway, wanted)).items[0].decisions[0]
    assert decision.recognition is not None
    await school.event_published(decision.recognition)
    assert (await _seen(gateway, quiet)).items[0].decisions[0].recognition is None


async def _make_due(gateway: RunningGateway) -> None:
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE application_item SET publish_at = now() WHERE publish_at IS NOT NULL")


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
    made = await _apply(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
    answer = await _decide(school, made, 1, body)
    assert (answer.status, answer.body["pointer"]) == (422, pointer), answer


async def test_a_programme_of_somebody_else_and_another_institutions_application_are_not_there(
    gateway: RunningGateway,
) -> None:
    school, college = await gateway.institution("school"), await gateway.institution("college")
    made = await _apply(gateway, school, [{"dossier": {"title": "Sailing", "description": "Years at sea."}}])
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
        covered = (await _document(verifier, college, "hydrology", "s1"))[1]
        other = (await _document(verifier, college, "other", "s1"))[1]
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

        application = await _apply(gateway, school, [{"document": covered}, {"document": other}], publish=True)
        assert application["state"] == "open", "a part counts no more than a credential has: the second waits"
        first, second = (await _seen(gateway, application)).items
        assert [(each.decision, each.under) for each in first.decisions] == [("full", made.body["event_id"])]
        assert second.decisions == ()
        answer = await _decide(school, application, 1, REFUSAL)
        assert (answer.status, answer.slug) == (409, "item-decided")
        alike = await _decide(school, application, 2, REFUSAL)
        assert (alike.status, alike.slug) == (409, "unlike-case"), "its own standing decision counts it in part"
        assert (await _decide(school, application, 2, REFUSAL | {"despite_precedents": True})).status == 200
        await _make_due(gateway)
        assert gateway.commands is not None
        assert await gateway.commands.publish_recognitions.publish_due() == 1
        decision = (await _seen(gateway, application)).items[0].decisions[0]
        assert decision.recognition is not None
        await school.event_published(decision.recognition)
