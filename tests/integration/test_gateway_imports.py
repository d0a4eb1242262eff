"""Imports of other systems' documents, and ESCO's list, through a running gateway."""

import json
from pathlib import Path

from proto.wire.esco import EscoFoundList
from proto.wire.gateway import CredentialAnswer
from tests.support.commands import credentify
from tests.support.gateways import OPERATOR_TOKEN, RunningGateway

ESCO_HEADER = b"conceptType,conceptUri,skillType,preferredLabel,altLabels,description\n"
_HASKELL = b"http://data.europa.eu/esco/skill/000f1d3d-220f-4789-9c0a-cc742521fb02"


async def test_the_commissions_sample_becomes_a_credential_once(gateway: RunningGateway, vendored: Path) -> None:
    office = await gateway.institution("waterland")
    document = (vendored / "elm" / "Sample-CertOfPart-unsigned.jsonld").read_bytes()
    first = await office.client.send("POST", "/v1/imports/elm?learner_ref=s-1", document)
    assert first.status == 201, first
    answer = first.as_(CredentialAnswer)
    assert "/credentialSubject/nationalID" in answer.unmapped
    assert any("P2M" in note for note in answer.notes)
    again = await office.client.send("POST", "/v1/imports/elm?learner_ref=s-1", document)
    assert again.body["credential_id"] == answer.credential_id
    refused = await office.client.send("POST", "/v1/imports/elm", b"{}")
    assert (refused.status, refused.slug, refused.body["pointer"]) == (422, "not-an-elm-credential", "/type")


async def test_flat_metadata_become_a_credential(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    metadata = {
        "identifier": "https://microhe.example/courses/42",
        "title": "Blockchain in education",
        "ECTSCreditPoints": "3.5",
        "volumeOfLearning": "P60M",
        "holder": "Zoë Ó Briain",
        "dateOfIssue": "2019-06-30",
        "schoolMascot": "otter",
    }
    answered = await office.client.send("POST", "/v1/imports/microhe", json.dumps(metadata).encode())
    assert answered.status == 201, answered
    answer = answered.as_(CredentialAnswer)
    assert answer.ects_hundredths == 350
    assert answer.unmapped == ("/volumeOfLearning", "/schoolMascot")
    refused = await office.client.send("POST", "/v1/imports/microhe", b'{"title": "x"}')
    assert (refused.status, refused.slug) == (422, "not-microhe")


async def test_the_official_list_of_skills_is_loaded_and_completes_what_is_typed(
    gateway: RunningGateway, tmp_path: Path, vendored: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(OPERATOR_TOKEN)
    for _ in range(2):  # loading it again changes nothing
        named = ("--gateway", gateway.url, "--operator-token-file", token)
        ran = await credentify("esco", "import", vendored / "esco_ict_skills_en.csv", *named, "--json")
        assert ran.status == 0, ran
        loaded = json.loads(ran.out)
        assert loaded["foreign_count"] > 0  # the list was passed on with additions of somebody else's
        assert loaded["skill_count"] == await gateway.database_count("esco_skill")
    found = (await gateway.client().get("/v1/esco/skills?q=Hask")).as_(EscoFoundList)
    assert found.skills[0].label == "Haskell"
    assert found.skills[0].uri == _HASKELL.decode()
    by_other_label = (await gateway.client().get("/v1/esco/skills?q=compile%20terminology")).as_(EscoFoundList)
    assert "develop terminology databases" in {skill.label for skill in by_other_label.skills}
    none = (await gateway.client().get("/v1/esco/skills?q=100%25_&limit=1")).as_(EscoFoundList)
    assert none.skills == ()


async def test_only_the_operator_loads_skills_and_a_wrong_file_names_its_line(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    row = ESCO_HEADER + b"Skill," + _HASKELL + b",knowledge,Haskell,,A language\n"
    refused = await office.client.send("PUT", "/v1/esco/skills", row, media_type="text/csv")
    assert refused.status == 403
    for body in (b"a,b\n1,2\n", row + b"Skill,,knowledge,X,,\n", row + b"one\n"):
        wrong = await gateway.operator.send("PUT", "/v1/esco/skills", body, media_type="text/csv")
        assert (wrong.status, wrong.slug) == (400, "malformed-esco")
    nothing = await gateway.client().get("/v1/esco/skills?q=")
    assert nothing.status == 422
