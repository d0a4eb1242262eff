"""What an institution sets for recognition on a page: days, reminders, programmes; and what then holds."""

import re
from datetime import datetime
from typing import Any

import msgspec
import pytest

from services.issuer_gateway.unit_of_work.audit_chain import AuditChain
from tests.support.applications import apply_with
from tests.support.gateways import Office, RunningGateway
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
DOSSIER = {"dossier": {"title": "Ten years", "description": "I built models of rivers."}}
PAGE = "/office/settings"


async def _key(office: Office, *scopes: str) -> str:
    made = await office.client.post("/v1/keys", {"name": "second", "scopes": scopes})
    return str(made.body["api_key"])


async def _settings(office: Office) -> Json:
    found: Json = (await office.client.get("/v1/settings")).body
    return found


async def _operations(gateway: RunningGateway, office: Office) -> set[str]:
    """Return what the office's audit trail says was done."""
    assert gateway.inside is not None
    await AuditChain(gateway.inside.pool).chain()
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    async with gateway.ledger.session.get(f"{gateway.url}/v1/audit-trail", headers=headers) as response:
        lines = (await response.read()).splitlines()
    return {msgspec.json.decode(line)["record"]["operation"] for line in lines}


def _days(made: Json) -> int:
    due, created = (datetime.fromisoformat(made[name]) for name in ("due_at", "created_at"))
    return round((due - created).total_seconds() / 86_400)


async def test_programmes_are_named_called_otherwise_and_taken_away_on_a_page(gateway: RunningGateway) -> None:
    school = await gateway.institution("school")
    prefix = school.created.admission_request.uri_prefixes[0]
    async with Reader(gateway) as staff, Reader(gateway) as applicant:
        await staff.sign_in(school.created.api_key, then="/office/report")
        assert f'href="{PAGE}"' in staff.text
        await staff.open(PAGE)
        assert "there is no page on which one applies" in staff.text
        await staff.send("/office/programmes", {"token": staff.token, "title": "Wasser & Daten (M.Sc.)"})
        assert (staff.address, staff.status) == (PAGE, 200)
        assert "It is kept, and holds from now on." in staff.text
        own = {"uri": f"{prefix}programmes/wasser-daten-m-sc", "title": "Wasser & Daten (M.Sc.)"}
        assert (await _settings(school))["programmes"] == [own]
        assert "Wasser &amp; Daten (M.Sc.)" in await applicant.open("/recognition/school")

        await staff.send("/office/programmes", {"token": staff.token, "title": "Water", "address": own["uri"]})
        await staff.send(
            "/office/programmes", {"token": staff.token, "title": "Soil", "address": f"{prefix}programmes/soil"}
        )
        soil = {"uri": f"{prefix}programmes/soil", "title": "Soil"}
        assert (await _settings(school))["programmes"] == [own | {"title": "Water"}, soil]
        (link,) = re.findall(rf'href="({PAGE}\?title=Water&amp;[^"]+)#programme"', staff.text)
        await staff.open(link.replace("&amp;", "&"))
        assert f'value="{own["uri"]}"' in staff.text

        for _ in range(2):
            await staff.send("/office/programmes/remove", {"token": staff.token, "address": own["uri"]})
            assert staff.status == 200
        assert (await _settings(school))["programmes"] == [soil]
        await staff.send("/office/programmes/remove", {"token": staff.token, "address": soil["uri"]})
        assert "so nobody can apply" in staff.text
        assert "takes no applications here" in await applicant.open("/recognition/school")
    assert {"name_programme_by_form", "remove_programme_by_form"} <= await _operations(gateway, school)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"title": "", "address": ""}, "title", "Schreiben Sie in höchstens 300 Zeichen, wie der Studiengang heißt"),
        ({"title": "Wasser", "address": "wasser"}, "address", "Schreiben Sie die Adresse des Studiengangs"),
        ({"title": "Wasser", "address": "https://elsewhere.example/p"}, "address", "seine Adresse beginnt also mit"),
        ({"title": "水", "address": ""}, "address", "Aus diesem Namen lässt sich keine Adresse machen"),
        ({"title": "\u2800", "address": ""}, "address", "Aus diesem Namen lässt sich keine Adresse machen"),
    ],
)
async def test_a_programme_that_is_not_understood_stands_in_the_form_again(
    gateway: RunningGateway, fields: dict[str, str], field: str, said: str
) -> None:
    school = await gateway.institution("school")
    async with Reader(gateway, "de") as staff:
        await staff.sign_in(school.created.api_key, then=PAGE)
        await staff.send("/office/programmes", {"token": staff.token} | fields)
        assert (staff.status, said in staff.text) == (422, True)
        assert re.search(rf'id="{field}"[^>]* aria-invalid="true"', staff.text)
        assert f'value="{fields["title"].strip()}"' in staff.text
        assert 'lang="en" dir' not in staff.text
    assert "programmes" not in await _settings(school)


async def test_days_and_reminders_hold_for_what_comes_from_then_on(gateway: RunningGateway) -> None:
    school, other = await gateway.institution("school"), await gateway.institution("other")
    before = await apply_with(gateway, school, [DOSSIER])
    fields = {"decide_within_days": "30", "remind_days_before": "31", "time_zone": "Europe/Amsterdam"}
    async with Reader(gateway) as staff:
        await staff.sign_in(school.created.api_key, then=PAGE)
        for name in fields:
            await staff.send(PAGE, {"token": staff.token} | fields | {name: "soon/never"})
            assert staff.status == 422
            assert re.search(rf'id="{name}"[^>]* aria-invalid="true"', staff.text)
        await staff.send(PAGE, {"token": staff.token} | fields)
        assert (staff.address, staff.status) == (PAGE, 200)
        assert 'name="decide_within_days" inputmode="numeric" maxlength="6" spellcheck="false" value="30"' in staff.text
        stated = await _settings(school)
        assert (stated["decide_within_days"], stated["decide_within_days_in_force"]) == (30, 30)
        assert (stated["remind_days_before"], stated["time_zone"]) == (31, "Europe/Amsterdam")

        made = await apply_with(gateway, school, [DOSSIER])
        elsewhere = await apply_with(gateway, other, [DOSSIER])
        assert [_days(each) for each in (before, made, elsewhere)] == [60, 30, 60]
        assert gateway.commands is not None
        assert await gateway.commands.remind_offices.remind() == 1, "the one that is due within 31 days"
        told = (await school.client.get("/v1/reminders")).body["reminders"]
        assert [(each["kind"], each["application_id"]) for each in told] == [("due-soon", made["application_id"])]
        await staff.open("/office/applications")
        assert staff.text.count("Due soon") == 1

        await staff.open(PAGE)
        nothing = {"decide_within_days": "", "remind_days_before": "0", "time_zone": ""}
        await staff.send(PAGE, {"token": staff.token} | nothing)
        stated = await _settings(school)
        assert ("decide_within_days" in stated, stated["decide_within_days_in_force"]) == (False, 60)
        assert (stated["remind_days_before"], stated["time_zone"]) == (0, "UTC")


async def test_an_appeal_is_due_by_the_days_that_hold_when_it_is_made(gateway: RunningGateway) -> None:
    school = await gateway.institution("school")
    made = await apply_with(gateway, school, [DOSSIER])
    body = {"decision": "refused", "reasons": ["other"], "text": "It is another subject."}
    path = f"/v1/recognition-applications/{made['application_id']}/items/1/decision"
    assert (await school.client.post(path, body)).status == 200
    assert (await school.client.send("PUT", "/v1/settings", {"decide_within_days": 90})).status == 200
    appealed = await gateway.client().post(f"/v1/application-links/{made['secret']}/items/1/appeal", {"text": "Look."})
    assert _days(appealed.body) == 90
    back = await school.client.send("PUT", "/v1/settings", {"decide_within_days": None})
    assert back.body["decide_within_days_in_force"] == 60


async def test_a_key_that_may_only_decide_sees_the_settings_and_changes_nothing(gateway: RunningGateway) -> None:
    school, college = await gateway.institution("school"), await gateway.institution("college")
    async with Reader(gateway) as staff, Reader(gateway) as stranger:
        await staff.sign_in(await _key(school, "recognitions:write"), then=PAGE)
        assert "may look at this and not change it" in staff.text
        assert "Keep this" not in staff.text
        fields = {"decide_within_days": "3", "remind_days_before": "1", "time_zone": ""}
        for path in (PAGE, "/office/programmes", "/office/programmes/remove"):
            await staff.open(PAGE)
            await staff.send(path, {"token": staff.token, "title": "Soil"} | fields)
            assert staff.status == 403
        await stranger.sign_in(college.created.api_key, then=PAGE)
        await staff.sign_in(school.created.api_key, then=PAGE)
        await staff.send(PAGE, {"token": stranger.token} | fields)
        assert staff.status == 403, "a form of another session does nothing"
    assert "decide_within_days" not in await _settings(school)


async def test_single_programmes_change_by_the_api_and_all_others_stay(gateway: RunningGateway) -> None:
    school = await gateway.institution("school")
    prefix = school.created.admission_request.uri_prefixes[0]
    one, two, three = ({"uri": f"{prefix}programmes/{name}", "title": name} for name in ("one", "two", "three"))

    async def said(**body: object) -> Any:
        answer = await school.client.send("PUT", "/v1/settings", body)
        return answer.body["programmes"] if answer.status == 200 else (answer.status, answer.body.get("pointer"))

    assert await said(put_programmes=[one, two]) == [one, two]
    renamed = one | {"title": "First"}
    changed = await said(put_programmes=[three, renamed], remove_programmes=[two["uri"]], remind_days_before=3)
    assert changed == [renamed, three]
    assert await said(remove_programmes=[two["uri"]]) == [renamed, three], "what is not there needs no removing"
    for both in ({"programmes": [two], "put_programmes": [one]}, {"put_programmes": [one, one]}):
        assert (await said(**both))[0] == 422
    assert await said(put_programmes=[two, {"uri": "https://elsewhere.example/p", "title": "Not ours"}]) == (
        422,
        "/put_programmes/1/uri",
    )
    many = [{"uri": f"{prefix}programmes/{number}", "title": f"{number}"} for number in range(63)]
    assert await said(put_programmes=many) == (422, "/put_programmes/62"), "none of them is kept"
    assert await said(remove_programmes=[one["uri"]]) == [three]
