"""What an office asks of grades: tried out on what came, said by API, page and command, and then it decides so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.json import encode
from msgspec.structs import replace

from proto.documents.credential import GradingScheme
from proto.ids import Did, Origin, TreeSize
from proto.moment import Moment
from proto.wire.applications import ApplicationSeen
from proto.wire.grade_conditions import GradeConditionList, GradePreview
from proto.wire.register import AchievementFacts, DescribedAchievement
from proto.wire.verifier import AsOf, Check
from tests.support.command_shell import Shell
from tests.support.databases import MakeDatabase
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.judged import Verifier, document_of
from tests.support.ledgers import RunningLedger, until
from tests.support.loopback import on_loopback
from tests.support.page_reader import Reader
from tests.support.tenants import stored_achievement, tenant_of

Json = dict[str, Any]
GRADES = ("10", "9", "8", "7", "6")
SCALE = {"name": "Dutch grades", "allowed_values": list(GRADES[::-1]), "required_value": "6"}
PATH = "/v1/grade-conditions"


@pytest.fixture
async def gateway(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger, verifier: Verifier
) -> AsyncIterator[RunningGateway]:
    url = verifier.url
    async with running_gateway(make_database, tmp_path / "gateway", ledger, evidence_verifier_url=url) as running:
        yield running


class Case:
    """A college that gives grades, and a school that has decided once how its hydrology counts."""

    def __init__(self, gateway: RunningGateway, verifier: Verifier, college: Office, school: Office, uri: str) -> None:
        self.gateway, self.verifier, self.college, self.school = gateway, verifier, college, school
        programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
        self.place = {"achievement_issuer": college.did, "achievement": uri, "programme": programme}
        self.count = 0

    async def decide_once(self) -> None:
        standing = self.place | {"decision": "full", "ects_hundredths": 350, "valid_until": "2029-06-30"}

        async def said() -> Answered | None:
            answer = await self.school.client.post("/v1/standing-decisions", standing, key="standing")
            return answer if answer.status == 201 else None

        made = await until(said, "the gateway has gone over to the new rules")
        await self.school.event_published(made.body["event_id"])

    async def applied(self, *grades: str | None) -> list[str]:
        """Have one person for each grade apply; return how each stands."""
        states: list[str] = []
        for grade in grades:
            self.count += 1
            result: Json = {"result": {"value": grade}} if grade else {}
            issued = await self.college.issue("hydrology", f"s{self.count}", **result)
            await self.college.published(issued.credential_id)
            document = await document_of(self.college, issued.credential_id)
            await self.verifier.answer(document)
            body = {
                "institution": self.school.slug,
                "programme": self.place["programme"],
                "given_name": "Mia",
                "family_name": f"Żółć {self.count}",
                "evidence": [{"document": document}],
            }
            made = await self.gateway.client().post("/v1/recognition-applications", body)
            seen = await self.gateway.client().get(f"/v1/application-links/{made.body['secret']}")
            states.append(seen.as_(ApplicationSeen).state)
        return states

    async def preview(self, **more: Any) -> GradePreview:
        answer = await self.school.client.post(f"{PATH}/preview", self.place | more)
        assert answer.status == 200, answer
        return answer.as_(GradePreview)


@pytest.fixture
async def case(gateway: RunningGateway, verifier: Verifier) -> Case:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    uri = (await college.describe("hydrology", grading_scheme=SCALE)).achievement.uri
    made = Case(gateway, verifier, college, school, uri)
    programmes = [{"uri": made.place["programme"], "title": "Data and water"}]
    assert (await school.client.send("PUT", "/v1/settings", {"programmes": programmes})).status == 200
    await made.decide_once()
    return made


async def test_a_condition_is_tried_out_said_on_a_page_and_by_command_and_then_decides(
    case: Case, tmp_path: Path
) -> None:
    assert await case.applied("9", "6", None) == ["decided", "decided", "decided"], "nothing is asked of grades yet"
    now = await case.preview()
    assert (now.has_standing_decision, now.at_once, now.at_once_count, now.touched) == (True, (), 3, ())
    assert (now.title, now.institution_name) == ({"en": "Hydrology", "nl": "Leerdoel hydrology"}, "Hogeschool College")
    (scale,) = now.scales
    assert (scale.source, scale.name, scale.grades, scale.required) == ("catalogue", "Dutch grades", GRADES, "6")
    tried = await case.preview(grades=GRADES, least="7")
    assert (tried.at_once, tried.for_person) == (GRADES[:4], GRADES[4:])
    assert [(each.grade, each.judged, each.count) for each in tried.seen] == [
        ("9", "good", 1),
        ("6", "below", 1),
        (None, "none", 1),
    ]
    assert (tried.at_once_count, tried.person_count) == (1, 2)
    assert [(each.grade, each.is_at_once_now, each.is_at_once_then) for each in tried.touched] == [
        (None, True, False),
        ("6", True, False),
    ]
    assert (await case.school.client.get(PATH)).body == {"grade_conditions": []}, "nothing was kept"
    await _said_on_the_page(case)
    assert await case.applied("9", "7", "6", "6.5", None) == ["decided", "decided", "open", "open", "open"]
    loosened = await case.preview(grades=GRADES, least="6")
    assert [each.grade for each in loosened.touched] == ["6", "6"], "those are what would go another way, open or not"
    await _by_command(case, tmp_path)
    assert await case.applied("6") == ["decided"]


async def _said_on_the_page(case: Case) -> None:
    """Come from the standing decision, look, make a mistake, try it out in German, and keep it; without any script."""
    async with Reader(case.gateway, "de") as office:
        await office.sign_in(case.school.created.api_key)
        await office.open("/office/standing-decisions")
        assert "Hydrology, <bdi>Hogeschool College</bdi>" in office.text.replace("</span>", "")
        assert "Data and water" in office.text
        path = next(part for part in office.text.split('"') if part.startswith("/office/grade-conditions?"))
        await office.open(path.replace("&amp;", "&"))
        assert "Keine Note ist verlangt" in office.text
        assert "\n".join(GRADES) in office.text, "the scale is written in, the best first"
        form = case.place | {"token": office.token, "grades": "\r\n".join(GRADES), "least": "5", "do": "keep"}
        await office.send("/office/grade-conditions", form)
        assert (office.status, 'id="least"' in office.text) == (422, True)
        assert "als die letzte, die genügt" in office.text
        await office.send("/office/grade-conditions", form | {"least": "7", "do": "try"})
        assert office.status == 200
        assert "Für eine Person: <bdi>6</bdi>, jede andere Note" in office.text
        assert "Wen es betroffen hätte" in office.text
        await office.send("/office/grade-conditions", form | {"least": "7"})
        assert (office.status, office.address) == (200, "/office/grade-conditions")
        assert "Sofort, nach Ihrer dauerhaften Entscheidung: <bdi>10</bdi>, <bdi>9</bdi>" in office.text
        await office.open("/office/standing-decisions")
        assert "Noten: <bdi>10</bdi>" in office.text
    held = (await case.school.client.get(PATH)).as_(GradeConditionList).grade_conditions
    assert [(each.grades, each.least) for each in held] == [(GRADES, "7")]


async def _by_command(case: Case, folder: Path) -> None:
    shell = Shell(case.gateway, folder, case.school)
    named = {"achievement_issuer": "--issuer", "achievement": "--achievement", "programme": "--programme"}
    place = [word for name, option in named.items() for word in (option, case.place[name])]
    said = await shell.run("grades", "list", staff=True)
    assert "Hydrology, Hogeschool College" in said
    assert "at once: 10, 9, 8, 7" in said
    grades = [word for grade in GRADES for word in ("--grade", grade)]
    said = await shell.run("grades", "try", *place, *grades, "--least", "6", staff=True)
    assert "at once, in place of a person" in said
    assert "scale: Dutch grades: 10, 9, 8, 7, 6" in said
    assert "1 condition" in await shell.run("grades", "ask", *place, *grades, "--least", "6", staff=True)
    await shell.run("grades", "ask-none", *place, staff=True)
    assert "0 conditions" in await shell.run("grades", "list", staff=True)
    await shell.run("grades", "ask-none", *place, staff=True, status=1)


async def test_conditions_that_are_said_at_once_are_all_kept_and_what_is_wrong_is_refused_at_its_field(
    gateway: RunningGateway,
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
    place = {"achievement_issuer": college.did, "programme": programme}
    condition: Json = {"grades": ["pass"], "least": "pass"}
    uris = [f"https://college.example/achievements/{number}" for number in range(8)]
    sent = (school.client.send("PUT", PATH, place | condition | {"achievement": uri}) for uri in uris)
    assert {answer.status for answer in await asyncio.gather(*sent)} == {200}
    held = (await school.client.get(PATH)).as_(GradeConditionList).grade_conditions
    assert sorted(each.achievement for each in held) == uris
    assert {each.title for each in held} == {None}, "nobody here describes them"
    preview = await school.client.post(f"{PATH}/preview", place | {"achievement": uris[0]})
    assert (preview.body["has_standing_decision"], preview.body.get("scales", [])) == (False, [])

    foreign = place | condition | {"achievement": uris[0], "programme": "https://college.example/programmes/1"}
    for path in (PATH, f"{PATH}/preview"):
        answer = await school.client.send("PUT" if path == PATH else "POST", path, foreign)
        assert (answer.status, answer.body["pointer"]) == (422, "/programme"), answer
    contradictions: list[Json] = [{"least": "fail"}, {"grades": ["pass", "pass"]}, {"grades": []}]
    for wrong in contradictions:
        answer = await school.client.send("PUT", PATH, place | condition | {"achievement": uris[0]} | wrong)
        assert answer.status == 422, answer
    reading = await school.client.post("/v1/keys", {"name": "reads", "scopes": ["credentials:read"]})
    assert (await gateway.client(reading.body["api_key"]).get(PATH)).status == 403


async def test_what_another_gateway_describes_has_its_title_and_scale_if_it_is_of_the_institution_that_is_meant(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    app = web.Application()
    app.router.add_get("/v1/achievements/{uri}", _far_achievement)
    folder = tmp_path / "gateway"
    async with (
        on_loopback(app) as far,
        running_gateway(make_database, folder, ledger, evidence_verifier_url=far) as gateway,
    ):
        school = await gateway.institution("school")
        programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
        place = {"achievement": "https://far.example/rivers", "programme": programme}
        ours, others = (place | {"achievement_issuer": f"did:web:{name}.example"} for name in ("far", "other"))
        tried = (await school.client.post(f"{PATH}/preview", ours)).as_(GradePreview)
        assert (tried.title, tried.institution_name) == ({"en": "Rivers"}, "Far School")
        assert [(each.source, each.grades) for each in tried.scales] == [("catalogue", GRADES)]
        tried = (await school.client.post(f"{PATH}/preview", others)).as_(GradePreview)
        assert (tried.title, tried.scales) == (None, ()), "its address is not that institution's"
        for each in (ours, others):
            await school.client.send("PUT", PATH, each | {"grades": ["10"], "least": "10"})
        held = (await school.client.get(PATH)).as_(GradeConditionList).grade_conditions
        assert [each.title for each in held] == [{"en": "Rivers"}, None]


async def _far_achievement(request: web.Request) -> web.Response:
    """Answer as a verifier does that has read another gateway's catalogue."""
    far = tenant_of("far", "Far School")
    scale = GradingScheme(name="Dutch grades", allowed_values=GRADES[::-1], required_value="6")
    achievement = replace(stored_achievement(far).achievement, title={"en": "Rivers"}, grading_scheme=scale)
    facts = AchievementFacts(
        achievement=request.match_info["uri"],
        owner=Did("did:web:far.example"),
        owner_name=far.legal_name,
        description=DescribedAchievement(
            catalogue="https://far.example",
            read_at=Moment("2026-01-01T00:00:00Z"),
            digest="00",
            achievement=achievement,
        ),
        awards=(),
        recognitions=(),
        decisions=(),
        has_more=False,
        as_of=AsOf(
            origin=Origin("log.example/1"),
            size=TreeSize(12),
            root_hash="x",
            time=None,
            time_source="log",
            age_seconds=None,
        ),
        freshness=Check(check="freshness", result="valid", code="fresh", detail="It is new"),
    )
    return web.Response(body=encode(facts), content_type="application/json")
