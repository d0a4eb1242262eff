"""What an import signs are the words of its own document: one name used by two sources, or described anew by one."""

import asyncio
from typing import Any

from proto.wire.gateway import CredentialAnswer
from tests.support.foreign_documents import elm, open_badge
from tests.support.gateways import Office, RunningGateway
from tests.support.judged import Judge, Verifier, judge_for

Json = dict[str, Any]


async def _office(gateway: RunningGateway, verifier: Verifier) -> tuple[Office, Judge]:
    office = await gateway.institution("waterland")
    return office, judge_for(verifier, office)


async def _import(office: Office, kind: str, document: Json, ref: str = "s-1") -> CredentialAnswer:
    answered = await office.client.post(f"/v1/imports/{kind}?learner_ref={ref}", document)
    assert answered.status == 201, answered
    return answered.as_(CredentialAnswer)


def _badge(name: str, *, by: str = "https://badges.example/issuers/7", **words: Any) -> Json:
    badge = open_badge()
    badge["issuer"]["id"] = by
    badge["credentialSubject"]["achievement"] |= {"name": name, "description": f"All about {name}."} | words
    return badge


def _revisable(current: Json) -> Json:
    return {name: value for name, value in current.items() if value is not None}


def _achievement(document: Json) -> Json:
    achievement: Json = document["credentialSubject"]["achievement"]
    return achievement


async def test_two_issuers_may_use_one_name_and_each_is_signed_with_its_own_words(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    bread = _achievement(await judged((await _import(office, "open-badges", _badge("Bread baking"))).credential_id))
    brains = _badge("Brain surgery", by="https://clinic.example/issuers/1")
    surgery = _achievement(await judged((await _import(office, "open-badges", brains, "s-2")).credential_id))
    assert (bread["name"], surgery["name"]) == ("Bread baking", "Brain surgery")
    assert bread["id"] != surgery["id"]
    again = _achievement(await judged((await _import(office, "open-badges", brains, "s-3")).credential_id))
    assert again == surgery
    former = "https://badges.example/achievements/soil"
    ambiguous = await office.client.post("/v1/credentials", office.award(former))
    assert (ambiguous.status, ambiguous.slug) == (422, "unknown-achievement")
    assert (await office.issue(bread["id"], "s-4")).achievement == bread["id"]


async def test_what_one_issuer_describes_otherwise_is_another_version(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    texts = [("Soil", "one"), ("Soil and water", "two"), ("Soil", "three"), ("Soil and water", "four")]
    found = []
    for name, ref in texts:
        answer = await _import(office, "open-badges", _badge(name, creditsAvailable=len(name)), ref)
        document = await judged(answer.credential_id)
        found.append((answer, _achievement(document)))
    assert [each["name"] for _, each in found] == [name for name, _ in texts]
    assert {each["id"] for _, each in found} == {found[0][1]["id"]}
    assert [each["version"] for _, each in found] == ["1", "1.2", "1", "1.2"]
    assert [each["creditsAvailable"] for _, each in found] == [4, 14, 4, 14]
    assert any("version 1.2" in note and "title" in note for note in found[1][0].notes)
    current = (await office.client.get("/v1/achievements/soil")).body
    assert (current["revision"], current["achievement"]["title"]) == (1, {"und": "Soil"})
    revised = current["achievement"] | {"title": {"en": "Soils"}}
    answered = await office.client.send("PUT", "/v1/achievements/soil", _revisable(revised))
    assert (answered.status, answered.body["revision"]) == (200, 3)


async def test_what_an_institution_described_itself_is_not_altered_by_an_import(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    own = await office.describe("soil", uri="https://waterland.example/soil", title={"en": "Soil"})
    same = _badge(
        "Soil", id=own.achievement.uri, description="All about soil", criteria={"narrative": "An exam is passed"}
    )
    document = await judged((await _import(office, "open-badges", same)).credential_id)
    assert _achievement(document)["id"] == own.achievement.uri
    assert document["credentialSubject"]["creditsEarned"] == 0  # the document states none
    other = _badge("Brain surgery", id=own.achievement.uri)
    answer = await _import(office, "open-badges", other, "s-2")
    signed = _achievement(await judged(answer.credential_id))
    assert signed["name"] == "Brain surgery"
    assert signed["id"] != own.achievement.uri
    assert any("otherwise" in note for note in answer.notes)
    assert (await office.client.get("/v1/achievements/soil")).body["revision"] == 1


async def test_an_older_version_keeps_what_must_be_held_for_it(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await _import(office, "open-badges", _badge("Soil"))
    needed = (await office.describe("hydrology")).achievement.uri
    current = (await office.client.get("/v1/achievements/soil")).body["achievement"]
    revised = _revisable(current) | {"entry_requirements": {"achievements": [needed]}}
    assert (await office.client.send("PUT", "/v1/achievements/soil", revised)).status == 200
    for name in ("Soil", "Soil and more"):
        refused = await office.client.post("/v1/imports/open-badges?learner_ref=s-2", _badge(name))
        assert (refused.status, refused.slug) == (422, "prerequisite-missing"), refused


async def test_one_title_of_two_issuers_is_two_achievements(gateway: RunningGateway, verifier: Verifier) -> None:
    office, judged = await _office(gateway, verifier)
    flat = {"title": "Mathematics 1", "holder": "Zoë", "dateOfIssue": "2020-06-30"}
    school = flat | {"awardingBody": "Zuidzee School", "ECTSCreditPoints": "2"}
    university = flat | {"awardingBody": "University of Zuidzee", "ECTSCreditPoints": "6"}
    found = []
    for ref, record in (("s-1", school), ("s-2", university), ("s-3", university | {"ECTSCreditPoints": "5"})):
        answer = await _import(office, "microhe", record, ref)
        found.append((answer.ects_hundredths, _achievement(await judged(answer.credential_id))))
    assert [(hundredths, each["creditsAvailable"]) for hundredths, each in found] == [(200, 2), (600, 6), (500, 5)]
    assert found[0][1]["id"] != found[1][1]["id"] == found[2][1]["id"]
    assert [each["version"] for _, each in found] == ["1", "1", "1.2"]


async def test_one_title_of_two_organisations_is_two_achievements_in_the_learning_model(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    issuers = [
        {"id": "urn:epass:org:1", "type": "Organisation", "legalName": {"en": name}}
        for name in ("School", "University")
    ]
    found = []
    for number, issuer in enumerate(issuers):
        answer = await _import(office, "elm", elm("Mathematics 1", issuer=issuer), f"s-{number}")
        found.append(_achievement(await judged(answer.credential_id)))
    assert found[0]["id"] != found[1]["id"]
    other = _achievement(await judged((await _import(office, "elm", elm("History"), "s-9")).credential_id))
    assert other["name"] == "History"  # the id of its specification numbers a part of the document


async def test_parallel_imports_describe_an_achievement_once(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    names = ["Soil", "Soil and water"] * 4
    made = await asyncio.gather(
        *(_import(office, "open-badges", _badge(name), f"s-{number}") for number, name in enumerate(names))
    )
    assert len({each.achievement for each in made}) == 1
    assert await gateway.database_count("achievement_revision") == 2
