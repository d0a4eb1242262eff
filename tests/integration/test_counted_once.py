"""A credential counts once towards a programme, and prior learning by who assessed it: by API, page and command."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.support.applications import (
    REFUSAL,
    Json,
    apply_with,
    decide_item,
    document_shown,
    make_due,
    read_application,
    second_person,
    seen_by_applicant,
)
from tests.support.command_shell import Shell
from tests.support.databases import MakeDatabase
from tests.support.foreign_documents import open_badge
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import RunningLedger, until
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")
FULL: Json = {"decision": "full"}
DOSSIER = {"dossier": {"title": "Ten years at the water board", "description": "I built models of rivers."}}


@pytest.fixture
async def gateway(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, verifier: Verifier
) -> AsyncIterator[RunningGateway]:
    url = verifier.url
    async with running_gateway(make_database, tmp_path / "gateway", ledger, evidence_verifier_url=url) as running:
        yield running


async def _shown(gateway: RunningGateway, verifier: Verifier) -> tuple[Office, Office, str, Json]:
    """Return a college, a school, an achievement of the college, and the document of a credential."""
    college, school = await gateway.institution("college"), await gateway.institution("school")
    uri = (await college.describe("hydrology")).achievement.uri
    _, document = await document_shown(verifier, college, "hydrology", "s1")
    return college, school, uri, document


async def test_what_counts_already_is_counted_again_only_by_who_says_so(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    _, school, _, document = await _shown(gateway, verifier)
    first, second, third = [await apply_with(gateway, school, [{"document": document}]) for _ in range(3)]
    assert (await decide_item(school, first, 1, FULL)).status == 200
    refused = await decide_item(school, second, 1, FULL)
    assert (refused.status, refused.slug) == (409, "counts-already")
    assert refused.body["counted_in"] == [{"application_id": first["application_id"], "number": 1}]
    assert f"application {first['application_id']}, document 1" in refused.body["detail"]
    assert "despite_counted" in refused.body["detail"]
    said = REFUSAL | {"reasons": ["counted-already"], "despite_precedents": True}
    assert (await decide_item(school, second, 1, said)).status == 200, "who refuses counts nothing"
    despite = {"despite_counted": True, "despite_precedents": True, "text": "As before."}
    again = await decide_item(school, third, 1, FULL | despite)
    assert again.status == 200, again

    programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/other"
    other = await apply_with(gateway, school, [{"document": document}], programme=programme)
    assert (await read_application(school, other)).items[0].counted_in == (), "each programme counts for itself"


async def test_the_page_names_where_it_counts_beside_the_box_that_confirms(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    _, school, _, document = await _shown(gateway, verifier)
    first, second = [await apply_with(gateway, school, [{"document": document}]) for _ in range(2)]
    assert (await decide_item(school, first, 1, FULL)).status == 200
    async with Reader(gateway, "de") as decider:
        await decider.sign_in(school.created.api_key)
        path, place = f"/office/applications/{second['application_id']}", first["application_id"][:8]
        await decider.open(path)
        assert f"dass er schon zählt (Antrag {place}, Dokument 1); er soll noch einmal zählen" in decider.text
        await decider.decide(path, 1, {"decision": "full"})
        assert decider.status == 409
        assert f"Er zählt für diesen Studiengang schon: Antrag {first['application_id']}, Dokument 1." in decider.text
        assert "despite_counted`" not in decider.text
        await decider.decide(path, 1, {"decision": "full", "despite_counted": "1"})
        assert decider.status == 200
    assert (await read_application(school, second)).items[0].decisions[0].decision == "full"


async def test_of_two_people_who_count_the_same_credential_at_once_one_is_told(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    _, school, _, document = await _shown(gateway, verifier)
    made = [await apply_with(gateway, school, [{"document": document}]) for _ in range(4)]
    answers = await asyncio.gather(*(decide_item(school, each, 1, FULL) for each in made))
    assert sorted(each.status for each in answers) == [200, 409, 409, 409]
    assert {each.slug for each in answers if each.status == 409} == {"counts-already"}


async def _decides_at_once(college: Office, school: Office, uri: str, ects_hundredths: int = 350) -> None:
    """Have the school decide once for all on the college's achievement."""
    standing = {
        "achievement_issuer": college.did,
        "achievement": uri,
        "programme": f"{school.created.admission_request.uri_prefixes[0]}programmes/data",
        "decision": "full",
        "ects_hundredths": ects_hundredths,
        "valid_until": "2029-06-30",
    }

    async def said() -> Answered | None:
        answer = await school.client.post("/v1/standing-decisions", standing, key=f"standing-{ects_hundredths}")
        return answer if answer.status == 201 else None

    await school.event_published((await until(said, "the gateway has gone over to the new rules")).body["event_id"])


async def test_what_the_log_says_counts_too_for_people_and_for_what_decides_at_once(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school, uri, document = await _shown(gateway, verifier)
    await _decides_at_once(college, school, uri)
    made = await apply_with(gateway, school, [{"document": document}], publish=True)
    assert made["state"] == "decided"
    await make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    recognition = (await seen_by_applicant(gateway, made)).items[0].decisions[0].recognition
    assert recognition is not None
    await school.event_published(recognition)
    same = await apply_with(gateway, school, [{"document": document}])
    assert same["state"] == "open"
    (place,) = (await read_application(school, same)).items[0].counted_in
    assert (place.application_id, place.recognition) == (made["application_id"], None), "told once"

    gone = await gateway.client().send("DELETE", f"/v1/application-links/{made['secret']}")
    assert gone.status == 200, gone
    again = await apply_with(gateway, school, [{"document": document}])
    assert again["state"] == "open", "what is left of it is on the log, and a person decides"
    (place,) = (await read_application(school, again)).items[0].counted_in
    assert (place.application_id, place.recognition) == (None, recognition)
    refused = await decide_item(school, again, 1, FULL)
    assert (refused.status, refused.body["counted_in"]) == (409, [{"recognition": recognition}])
    async with Reader(gateway) as decider:
        await decider.sign_in(school.created.api_key)
        await decider.open(f"/office/applications/{again['application_id']}")
        assert f"recognition {recognition[:8]} on the log" in decider.text

    withdrawn = await school.client.send("DELETE", f"/v1/recognitions/{recognition}")
    await school.event_published(withdrawn.body["event_id"])
    assert (await read_application(school, again)).items[0].counted_in == ()
    assert (await apply_with(gateway, school, [{"document": document}]))["state"] == "decided"


async def test_what_is_decided_anew_after_an_appeal_does_not_count_against_itself(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    _, school, _, document = await _shown(gateway, verifier)
    made = await apply_with(gateway, school, [{"document": document}], publish=True)
    partial = {"decision": "partial", "ects_hundredths": 100, "reasons": ["outcomes-differ"], "text": "Half of it."}
    assert (await decide_item(school, made, 1, partial)).status == 200
    await make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    recognition = (await seen_by_applicant(gateway, made)).items[0].decisions[0].recognition
    assert recognition is not None
    await school.event_published(recognition)
    appeal = f"/v1/application-links/{made['secret']}/items/1/appeal"
    assert (await gateway.client().post(appeal, {"text": "It is all of it."})).status == 200
    assert (await read_application(school, made)).items[0].counted_in == ()
    anew = await decide_item(await second_person(school), made, 1, FULL)
    assert anew.status == 200, "nor is its own first decision a like case, though the log has it"


async def test_prior_learning_counts_only_with_who_assessed_it(gateway: RunningGateway, tmp_path: Path) -> None:
    school = await gateway.institution("school")
    titles = ("Rivers", "Boats", "Dikes")
    made = await apply_with(gateway, school, [{"dossier": DOSSIER["dossier"] | {"title": each}} for each in titles])
    part = {"ects_hundredths": 200, "reasons": ["other"], "text": "Some of it is ours."}
    for body in (FULL | {"ects_hundredths": 300}, {"decision": "partial"} | part):
        nobody = await decide_item(school, made, 1, body)
        assert (nobody.status, nobody.body["pointer"]) == (422, "/assessor")
        assert nobody.body["detail"].startswith("Name who assessed it")
        blank = await decide_item(school, made, 1, body | {"assessor": "\u2800"})
        assert (blank.status, blank.body["pointer"]) == (422, "/assessor")
    assert (await decide_item(school, made, 1, FULL | {"ects_hundredths": 300, "assessor": "Dr Wind"})).status == 200
    assert (await decide_item(school, made, 2, REFUSAL)).status == 200, "who refuses it needs nobody's assessment"

    path = f"/office/applications/{made['application_id']}"
    async with Reader(gateway, "fr") as decider:
        await decider.sign_in(school.created.api_key)
        await decider.open(path)
        await decider.decide(path, 3, {"decision": "full", "ects": "3"})
        assert decider.status == 422
        assert "Nommez qui l" in decider.text
        assert 'name="assessor" aria-invalid="true"' in decider.text
    shell = Shell(gateway, tmp_path, school)
    words = ("recognition", "decide", made["application_id"], "3", "full", "--ects", "3")
    assert "Name who assessed it" in await shell.run(*words, staff=True, status=1)
    assert "full, 3 ECTS" in await shell.run(*words, "--assessor", "Dr Wind", staff=True)


async def test_the_command_confirms_what_counts_already(
    gateway: RunningGateway, verifier: Verifier, tmp_path: Path
) -> None:
    _, school, _, document = await _shown(gateway, verifier)
    first, second = [await apply_with(gateway, school, [{"document": document}]) for _ in range(2)]
    shell = Shell(gateway, tmp_path, school)
    await shell.run("recognition", "decide", first["application_id"], "1", "full", staff=True)
    words = ("recognition", "decide", second["application_id"], "1", "full")
    assert first["application_id"] in await shell.run(*words, staff=True, status=1)
    assert "full, 3.5 ECTS" in await shell.run(*words, "--despite-counted", staff=True)


async def test_a_stack_and_its_parts_count_once(gateway: RunningGateway, verifier: Verifier) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    uris = {name: (await college.describe(name)).achievement.uri for name in ("hydrology", "soil")}
    recipe = {"ects_hundredths_min": 700, "required_achievements": list(uris.values())}
    uris["rivers"] = (await college.describe("rivers", ects_hundredths=700, recipe=recipe)).achievement.uri
    parts = [await document_shown(verifier, college, name, "s1") for name in ("hydrology", "soil")]
    award = college.award(uris["rivers"], "s1") | {"components": sorted(name for name, _ in parts)}
    stacked = await college.client.post("/v1/stacks", award)
    assert stacked.status == 201, stacked
    await college.published(stacked.body["credential_id"])
    stack = await document_of(college, stacked.body["credential_id"])
    assert (await verifier.answer(stack))["verdict"] == "valid"
    for name, credits_of in (("rivers", 700), ("soil", 350)):
        await _decides_at_once(college, school, uris[name], credits_of)

    both = await apply_with(gateway, school, [{"document": stack}, {"document": parts[1][1]}])
    whole, part = (await read_application(school, both)).items
    assert [len(each.decisions) for each in (whole, part)] == [1, 0], "the stack has counted its part"
    assert [(each.application_id, each.number) for each in part.counted_in] == [(both["application_id"], 1)]
    other = await apply_with(gateway, school, [{"document": parts[0][1]}])
    assert (await decide_item(school, other, 1, FULL)).slug == "counts-already"

    programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/other"
    first = await apply_with(gateway, school, [{"document": parts[0][1]}], programme=programme)
    assert (await decide_item(school, first, 1, FULL | {"despite_precedents": True, "text": "Here."})).status == 200
    second = await apply_with(gateway, school, [{"document": stack}], programme=programme)
    (seen,) = (await read_application(school, second)).items
    assert [each.application_id for each in seen.counted_in] == [first["application_id"]], "of a stack a part counts"


async def test_a_strangers_document_or_prior_learning_shown_twice_in_an_application_counts_once(
    gateway: RunningGateway,
) -> None:
    school = await gateway.institution("school")
    badge = open_badge()
    file = base64.b64encode(msgspec.json.encode(badge)).decode()
    other = {"dossier": DOSSIER["dossier"] | {"title": "Sailing"}}
    made = await apply_with(gateway, school, [{"document": badge}, {"file": file}, DOSSIER, DOSSIER, other])
    assert [each.counted_in for each in (await read_application(school, made)).items] == [()] * 5
    counted = FULL | {"ects_hundredths": 100, "assessor": "Dr Wind"}
    for number in (1, 3):
        assert (await decide_item(school, made, number, counted)).status == 200
    places = [[each.number for each in item.counted_in] for item in (await read_application(school, made)).items]
    assert places == [[], [1], [], [3], []]
    for number in (2, 4):
        assert (await decide_item(school, made, number, counted)).slug == "counts-already"
        assert (await decide_item(school, made, number, counted | {"despite_counted": True})).status == 200
    assert (await decide_item(school, made, 5, counted)).status == 200
