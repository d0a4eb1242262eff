"""Reminders of applications that wait: once each, over restarts, of none that was decided; how an office decides."""

from pathlib import Path
from typing import Any

import pytest

from services.persistence.postgres import connected
from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]


async def _apply(gateway: RunningGateway, count: int = 1) -> list[Json]:
    body = {
        "institution": "waterland",
        "programme": "https://waterland.example/programmes/data",
        "given_name": "Mia",
        "family_name": "Nowak",
        "evidence": [{"dossier": {"title": "Ten years", "description": "I built models of rivers."}}],
    }
    return [(await gateway.client().post("/v1/recognition-applications", body)).body for _ in range(count)]


async def _move_due(gateway: RunningGateway, made: Json, days: int) -> None:
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute(
            "UPDATE application SET due_at = now() + make_interval(days => $2) WHERE application_id = $1",
            made["application_id"],
            days,
        )


async def _remind(gateway: RunningGateway) -> int:
    assert gateway.commands is not None
    return await gateway.commands.remind_offices.remind()


async def _told(office: Office, after: int = 0) -> list[tuple[str, str]]:
    page = (await office.client.get(f"/v1/reminders?after={after}")).body
    return [(each["kind"], each["application_id"]) for each in page["reminders"]]


async def _decide(office: Office, made: Json, body: Json) -> None:
    path = f"/v1/recognition-applications/{made['application_id']}/items/1/decision"
    answer = await office.client.post(path, body)
    assert answer.status == 200, answer


REFUSED: Json = {"decision": "refused", "reasons": ["other"], "text": "It is another subject."}


async def test_an_office_is_reminded_once_of_what_waits_and_never_of_what_was_decided(gateway: RunningGateway) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    far, soon, late, decided = await _apply(gateway, 4)
    for made, days in ((soon, 3), (late, -1), (decided, -2)):
        await _move_due(gateway, made, days)
    await _decide(office, decided, REFUSED)
    assert await _remind(gateway) == 2
    assert await _remind(gateway) == 0
    await gateway.stop()
    await gateway.start()
    office.client = gateway.client(office.created.api_key)
    assert await _remind(gateway) == 0
    names = {late["application_id"]: "late", soon["application_id"]: "soon", far["application_id"]: "far"}
    told = [(kind, names[name]) for kind, name in await _told(office)]
    assert told == [("overdue", "late"), ("due-soon", "soon")]
    assert await _told(Office(gateway, other.created)) == []

    await _move_due(gateway, soon, -1)
    assert await _remind(gateway) == 1
    after = (await office.client.get("/v1/reminders?limit=2")).body["next_after"]
    assert await _told(office, after) == [("overdue", soon["application_id"])]
    await _decide(office, soon, REFUSED)
    assert await _told(office, after) == []
    assert (await gateway.client().send("DELETE", f"/v1/application-links/{late['secret']}")).status == 200
    assert await _told(office) == []
    assert await gateway.database_count("application_reminder") == 2, "an erasure takes reminders away"


async def test_after_an_appeal_an_office_is_reminded_once_more(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    (made,) = await _apply(gateway)
    await _move_due(gateway, made, -1)
    assert await _remind(gateway) == 1
    await _decide(office, made, REFUSED)
    link = f"/v1/application-links/{made['secret']}/items/1/appeal"
    assert (await gateway.client().post(link, {"text": "Look again."})).status == 200
    assert await _remind(gateway) == 0, "the appeal has a day of its own"
    await _move_due(gateway, made, -1)
    assert await _remind(gateway) == 1
    assert await _remind(gateway) == 0
    assert len(await _told(office)) == 2


async def test_the_report_says_how_fast_and_how_an_office_decides(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    empty = (await office.client.get("/v1/recognition-report")).body
    assert empty.get("refused_percent") is empty.get("median_hours") is None
    made = await _apply(gateway, 4)
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        for hours, each in zip((10, 20, 60), made, strict=False):
            await connection.execute(
                "UPDATE application SET created_at = now() - make_interval(hours => $2) WHERE application_id = $1",
                each["application_id"],
                hours,
            )
    full: Json = {"decision": "full", "ects_hundredths": 300, "assessor": "Dr Wind"}
    for body, each in zip((full, full, REFUSED), made, strict=False):
        await _decide(office, each, body)
    report = (await office.client.get("/v1/recognition-report")).body
    counts = [report[name] for name in ("open_count", "full_count", "refused_count", "refused_percent", "median_hours")]
    assert counts == [1, 2, 1, 33, 20]
    link = f"/v1/application-links/{made[2]['secret']}/items/1/appeal"
    assert (await gateway.client().post(link, {"text": "Look again."})).status == 200
    second = await office.client.post("/v1/keys", {"name": "second", "scopes": ["recognitions:write"]})
    office.client = gateway.client(second.body["api_key"])
    await _decide(office, made[2], full)
    report = (await office.client.get("/v1/recognition-report")).body
    assert (report["appealed_count"], report["changed_on_appeal_count"], report["refused_percent"]) == (1, 1, 0), report


async def test_reminders_and_retention_are_read_and_changed_by_command(gateway: RunningGateway, tmp_path: Path) -> None:
    office = await gateway.institution("waterland")
    late, far = await _apply(gateway, 2)
    await _move_due(gateway, late, -1)
    await _remind(gateway)
    shell = Shell(gateway, tmp_path, office)
    said = await shell.run("reminders", staff=True)
    assert f"{late['application_id']}  was due" in said
    assert far["application_id"] not in said
    after = said.split()[-1]
    assert "0 reminders" in await shell.run("reminders", "--after", after, staff=True)

    uri = "https://waterland.example/achievements/hydrology"
    assert "kept for ever" in await shell.run("retention", "show", staff=True)
    await shell.run("retention", "keep", staff=True, status=1)
    await shell.run("retention", "keep", "--documents", "3650", "--yes", staff=True)
    mine = ("retention", "keep", "--achievement", uri, "--yes")
    await shell.run(*mine, "--documents", "9", staff=True)
    await shell.run(*mine, "--applications", "400", staff=True)
    said = await shell.run("retention", "audit-trail", "--days", "365", "--yes", staff=True)
    assert said.splitlines() == [
        f"{uri}: applications 400 days",
        "all others: documents 3650 days",
        "audit trail: 365 days",
    ]
    said = await shell.run("retention", "keep-for-ever", "--achievement", uri, staff=True)
    assert uri not in said
    assert "audit trail: for ever" in await shell.run("retention", "audit-trail", staff=True)
    assert "Aborted" in await shell.run("retention", "keep", "--documents", "1", staff=True, status=1)
    rules = (await office.client.get("/v1/retention")).body
    assert rules == {"rules": [{"document_days": 3650}]}
