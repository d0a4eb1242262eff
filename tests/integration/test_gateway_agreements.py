"""Agreements of institutions over real HTTP: proposed, accepted, handed over, ended; and what they decide at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proto import events
from proto.wire.agreements import AgreementAnswer
from tests.support.agreements import (
    UNTIL,
    Json,
    concluded,
    decided_at_once,
    handed_over,
    programme_of,
    propose,
    proven_document,
    seen_by_link,
    term_of,
)
from tests.support.command_shell import Shell
from tests.support.databases import MakeDatabase
from tests.support.gateways import RunningGateway, running_gateway
from tests.support.judged import Verifier
from tests.support.ledgers import RunningLedger, until
from tests.support.page_reader import Reader


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


async def test_what_two_institutions_agreed_decides_at_once_until_one_ends_it_and_what_it_decided_stays(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    stranger = await gateway.institution("stranger")
    uri = (await college.describe("hydrology", isced_f=["0532"])).achievement.uri
    documents = [await proven_document(verifier, college, "hydrology", f"s{number}") for number in range(4)]
    made = await propose(college, school, term_of(college, school, achievements=[uri]))
    assert (made.status, made.body["state"], made.body["proposer_name"]) == (201, "proposed", "Hogeschool College")
    path = f"/v1/agreements/{made.body['agreement_id']}"
    waits, _ = await decided_at_once(gateway, school, documents[0])
    assert waits is None, "one signature decides nothing"
    assert (await gateway.client().get("/v1/institutions/school/agreements")).body["agreements"] == []
    assert (await stranger.client.get(path)).slug == "unknown-agreement"
    assert (await stranger.client.send("POST", f"{path}/acceptance")).slug == "unknown-agreement"
    assert (await stranger.client.send("DELETE", path)).slug == "unknown-agreement"

    accepted = (await school.client.send("POST", f"{path}/acceptance")).as_(AgreementAnswer)
    assert (accepted.state, accepted.is_in_force) == ("concluded", True)
    assert len(accepted.document.signatures) == 2
    decided, secret = await decided_at_once(gateway, school, documents[1])
    assert (decided.decision, decided.ects_hundredths, decided.under) == ("full", 350, None)
    assert decided.agreement.agreement_id == made.body["agreement_id"]
    assert (decided.agreement.partner, decided.agreement.partner_name) == (college.did, "Hogeschool College")
    async with gateway.ledger.session.get(f"{gateway.url}/applications/{secret}") as response:
        assert "By an agreement with Hogeschool College" in await response.text()
    again, _ = await decided_at_once(gateway, school, documents[1])
    assert again is None, "what counts towards the programme already, a person decides"
    public = (await gateway.client().get("/v1/institutions/school/agreements")).body["agreements"]
    assert [(each["state"], each["accepted_at"] is not None) for each in public] == [("concluded", True)]

    ended = (await college.client.send("DELETE", path)).as_(AgreementAnswer)
    assert (ended.state, ended.is_in_force, ended.ended_by) == ("ended", False, college.did)
    assert (await school.client.send("POST", f"{path}/acceptance")).slug == "agreement-ended"
    later, _ = await decided_at_once(gateway, school, documents[2])
    assert later is None
    (kept,) = (await seen_by_link(gateway, secret)).items[0].decisions
    assert (kept.decision, kept.agreement and kept.agreement.agreement_id) == ("full", made.body["agreement_id"])


async def test_an_agreement_covers_no_more_than_its_terms_say(gateway: RunningGateway, verifier: Verifier) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    await college.describe("hydrology", isced_f=["0532"])
    await college.describe("music", isced_f=["0215"])
    water = [await proven_document(verifier, college, "hydrology", f"s{number}") for number in range(3)]
    music = await proven_document(verifier, college, "music", "s0")
    agreed = await concluded(
        school, college, term_of(college, school, isced_f="05", eqf_level=6, ects_hundredths_total_max=700)
    )
    first, second, third, other, _ = await decided_at_once(gateway, school, *water, music)
    assert [each and each.decision for each in (first, second, third, other)] == ["full", "full", None, None]
    twice, same, _ = await decided_at_once(gateway, school, water[2], water[2])
    assert (twice and twice.decision, same) == ("full", None), "one credential counts once"
    assert (await school.client.send("DELETE", f"/v1/agreements/{agreed.agreement_id}")).status == 200

    whole = [await proven_document(verifier, college, "hydrology", f"p{number}") for number in range(2)]
    for least, part, expected in ((None, 400, None), (400, 100, None), (350, 100, 100)):
        more = {"ects_hundredths_min": least} if least else {}
        term = term_of(college, school, eqf_level=6, decision="partial", ects_hundredths=part, **more)
        made = await concluded(school, college, term)
        found, _ = await decided_at_once(gateway, school, whole[0] if expected is None else whole[1])
        assert (found and found.ects_hundredths) == expected, (least, part)
        assert (await school.client.send("DELETE", f"/v1/agreements/{made.agreement_id}")).status == 200


WRONG: list[tuple[Json, str]] = [
    ({"programme": "https://elsewhere.example/p"}, "/terms/0/programme"),
    ({"achievements": ["https://elsewhere.example/a"]}, "/terms/0/achievements/0"),
    ({"achievements": []}, "/terms/0/achievements"),
    ({"eqf_level": 6}, "/terms/0/isced_f"),
    ({"decision": "partial"}, "/terms/0/ects_hundredths"),
    ({"ects_hundredths": 100}, "/terms/0/ects_hundredths"),
    ({"recogniser": "did:web:elsewhere.example"}, "/terms/0/awarded_by"),
]


async def test_what_may_not_be_agreed_is_refused_at_its_field(gateway: RunningGateway) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    term = term_of(college, school, achievements=[f"{college.created.admission_request.uri_prefixes[0]}a"])
    for wrong, pointer in WRONG:
        answer = await propose(college, school, term | wrong)
        assert (answer.status, answer.body["pointer"]) == (422, pointer), answer
    for more, pointer in (
        ({"valid_until": "2020-01-01"}, "/valid_until"),
        ({"valid_until": "2099-01-01"}, "/valid_until"),
    ):
        answer = await propose(college, school, term, **more)
        assert (answer.status, answer.body["pointer"]) == (422, pointer), answer
    own = await propose(college, college, term_of(college, college, eqf_level=6))
    assert (own.status, own.body["pointer"]) == (422, "/partner")


async def test_an_agreement_between_two_gateways_is_handed_over_and_judged_by_the_log(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, gateway: RunningGateway, verifier: Verifier
) -> None:
    school, other = await gateway.institution("school"), "http://second.example"
    async with running_gateway(make_database, tmp_path / "second", ledger, public_url=other) as second:
        college = await second.institution("college")
        await college.describe("hydrology")
        documents = [await proven_document(verifier, college, "hydrology", f"s{number}") for number in range(3)]
        first = await handed_over(college, school)
        decided, _ = await decided_at_once(gateway, school, documents[0])
        assert decided.agreement.partner_name == "Hogeschool College"
        path = f"/v1/agreements/{first.agreement_id}"
        assert (await college.client.send("DELETE", path)).body["ending_known_to"] == [college.did]
        assert (await school.client.get(path)).body["state"] == "concluded"
        ending = (await college.client.get(path)).body["ending"]
        told = await school.client.post("/v1/agreement-documents", ending)
        assert (told.body["state"], told.body["ended_by"]) == ("ended", college.did)
        waits, _ = await decided_at_once(gateway, school, documents[1])
        assert waits is None

        again = await handed_over(college, school)
        assert gateway.commands is not None
        condemned = {"subject": college.did, "key_id": again.document.signatures[0].keyid, "reason": "compromised"}
        registrar, now = ledger.registrar, gateway.commands.log_state.now()
        await ledger.say(registrar.make(events.IssuerKeyRetired, registrar.registrar, **condemned, invalid_from=now))

        async def void() -> bool | None:
            found = (await school.client.get(f"/v1/agreements/{again.agreement_id}")).body
            return (found["state"], found["is_in_force"]) == ("void", False) or None

        assert await until(void, "the gateway has followed the condemnation")
        waits, _ = await decided_at_once(gateway, school, documents[2])
        assert waits is None, "a key that was stolen consents to nothing"


async def test_an_agreement_is_made_and_ended_on_pages_and_by_command(gateway: RunningGateway, tmp_path: Path) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    uri = (await college.describe("hydrology")).achievement.uri
    async with Reader(gateway, "en") as decider:
        await decider.open("/office")
        await decider.sign_in(school.created.api_key)
        await decider.open("/office/agreements")
        assert "There are none." in decider.text
        fields = {"partner": college.did, "achievements": uri, "programme": programme_of(school), "valid_until": UNTIL}
        await decider.send(
            "/office/agreements", fields | {"token": decider.token, "decision": "full", "programme": "nowhere"}
        )
        assert decider.status == 422
        assert 'name="programme" inputmode="text" maxlength="500" spellcheck="false" value="nowhere"' in decider.text
        for file in (b"[" * 100_000, b'{"payload":"\xff"}', b"no agreement"):
            await decider.send("/office/agreement-documents", {"token": decider.token}, file, under="file")
            assert (decider.status, "This file is no agreement" in decider.text) == (422, True)
        await decider.send("/office/agreements", fields | {"token": decider.token, "decision": "full"})
        assert (decider.status, "Waits for the other signature" in decider.text) == (200, True)
        shell = Shell(gateway, tmp_path, college)
        (listed,) = [
            line for line in (await shell.run("agreement", "list", staff=True)).splitlines() if "proposed" in line
        ]
        name = listed.split()[0]
        assert "in force" in await shell.run("agreement", "accept", name, staff=True)
        saved = tmp_path / "agreement.json"
        await shell.run("agreement", "save", name, str(saved), staff=True)
        assert "in force" in await shell.run("agreement", "take-in", str(saved), staff=True)
        await decider.open("/office/agreements")
        assert "In force" in decider.text
        await decider.send(f"/office/agreements/{name}/end", {"token": decider.token})
        assert "Ended by Hogeschool School from " in decider.text
        proposed = ("--partner", school.did, "--awarded-by", college.did, "--counted-by", school.did)
        terms = ("--isced-f", "05", "--programme", programme_of(school), "--partial", "--ects", "2", "--until", UNTIL)
        assert "all of field 05" in await shell.run("agreement", "propose", *proposed, *terms, staff=True)
        other = (await shell.run("agreement", "list", staff=True)).split()[0]
        assert "ended" in await shell.run("agreement", "end", other, staff=True)
