"""A button that is pressed twice: the form is carried out once, and both presses lead to where the first one did."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.page_reader import Reader

Fields = Mapping[str, Any]
SAID = {"given_name": "Mia", "family_name": "Żółć"}


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    async with running_ledger(make_database, tmp_path / "ledger", Registrar(rules_version=2)) as running:
        yield running


def _mark(reader: Reader, action: str = "") -> str:
    """Return the mark of the page's form with this action, or of its first one."""
    form = next(part for part in reader.text.split("<form")[1:] if f'action="{action}' in part or not action)
    found = re.search(r'name="once" value="([\w-]{22})"', form)
    assert found, form
    return found[1]


async def _twice(reader: Reader, path: str, fields: Fields, *, count: int = 2) -> list[tuple[int, str]]:
    """Send a form several times at once; return of each the status and the address that it led to."""

    async def send() -> tuple[int, str]:
        async with reader.session.post(f"{reader.url}{path}", data=dict(fields)) as response:
            return response.status, response.url.path

    return list(await asyncio.gather(*(send() for _ in range(count))))


async def _programme(office: Office) -> str:
    programme = f"{office.created.admission_request.uri_prefixes[0]}programmes/data"
    settings = {"programmes": [{"uri": programme, "title": "Data and water"}]}
    assert (await office.client.send("PUT", "/v1/settings", settings)).status == 200
    return programme


async def test_applying_and_asking_twice_lead_to_one_application_and_one_request(gateway: RunningGateway) -> None:
    school = await gateway.institution("school")
    programme = await _programme(school)
    await school.describe("hydrology", takes_requests=True)
    more = {"programme": programme, "dossier_title": "Rivers", "dossier_description": "I built models of rivers."}
    for path, fields, table in (
        ("/recognition/school", SAID | more, "application"),
        ("/issuers/school/achievements/hydrology/page", SAID, "request"),
    ):
        async with Reader(gateway) as applicant:
            await applicant.open(path)
            sent = fields | {"once": _mark(applicant)}
            found = await _twice(applicant, path, sent, count=3)
            assert {status for status, _ in found} == {200}
            assert len({address for _, address in found}) == 1, "all three show the same page"
            assert await gateway.database_count(table) == 1
            changed = await _twice(applicant, path, sent | {"family_name": "Nowak"}, count=1)
            assert changed[0] not in found, "what says something else is another"
            unmarked = await _twice(applicant, path, fields)
            assert len({address for _, address in unmarked}) == 2, "programs that send no mark mean what they do"
            assert await gateway.database_count(table) == 4


async def test_an_office_that_presses_twice_is_told_of_no_fault_of_its_own(gateway: RunningGateway) -> None:
    school, college = await gateway.institution("school"), await gateway.institution("college")
    programme = await _programme(school)
    uri = (await college.describe("hydrology")).achievement.uri
    dossier = {"title": "Rivers", "description": "I built models of rivers."}
    body = SAID | {"institution": "school", "programme": programme, "evidence": [{"dossier": dossier}]}
    made = (await gateway.client().post("/v1/recognition-applications", body)).body
    async with Reader(gateway) as office:
        await office.sign_in(school.created.api_key)
        path = f"/office/applications/{made['application_id']}"
        await office.open(path)
        decision = {"token": office.token, "once": _mark(office, f"{path}/items/1"), "decision": "full", "ects": "3"}
        decision |= {"assessor": "Dr Wind"}
        assert await _twice(office, f"{path}/items/1", decision) == [(200, path)] * 2
        other = await _twice(office, f"{path}/items/1", decision | {"ects": "2"}, count=1)
        assert other[0][0] == 409, "another decision on the same evidence is one too many"

        page = "/office/standing-decisions"
        await office.open(page)
        standing = {"achievement_issuer": college.did, "achievement": uri, "programme": programme, "ects": "3.5"}
        standing |= {"decision": "full", "valid_until": "2029-06-30", "token": office.token}

        async def ready() -> bool | None:
            await office.open(page)
            found = await _twice(office, page, standing | {"once": _mark(office, page)})
            return True if {status for status, _ in found} == {200} else None

        await until(ready, "the gateway has gone over to the new rules")
        assert await gateway.database_count("outbox WHERE event_type = 'achievement-recognised.v1'") == 1

        page = "/office/agreements"
        await office.open(page)
        proposal = {"token": office.token, "once": _mark(office, page), "partner": college.did, "direction": "theirs"}
        proposal |= {"achievements": uri, "programme": programme, "decision": "full", "valid_until": "2029-06-30"}
        assert await _twice(office, page, proposal) == [(200, page)] * 2
        assert await gateway.database_count("agreement") == 1
