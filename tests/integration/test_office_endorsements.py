"""The office's page of endorsements, as two offices without scripts go through it: invite, endorse, withdraw."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.page_reader import Reader

PAGE = "/office/endorsements"


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    async with running_ledger(make_database, tmp_path / "ledger", Registrar(rules_version=2)) as running:
        yield running


async def _shown(office: Reader, path: str, *texts: str) -> str:
    """Return the page once it shows these texts: what was said is there when the log has it."""

    async def ask() -> str | None:
        found = await office.open(path)
        return found if all(text in found for text in texts) else None

    return await until(ask, f"{texts} are on the page")


async def _signed_in(reader: Reader, office: Office) -> None:
    await reader.sign_in(office.created.api_key, PAGE)
    assert (reader.status, reader.address) == (200, PAGE)


def _withdrawing(page: str) -> str:
    (path,) = set(re.findall(r'action="(/office/endors\w+/[0-9a-f]{64}/withdraw)', page))
    return str(path)


async def test_an_office_invites_another_endorses_and_both_withdraw_on_the_page(gateway: RunningGateway) -> None:
    college, agency = await gateway.institution("college"), await gateway.institution("agency")
    uri = (await college.describe("hydrology")).achievement.uri
    credential_id = (await college.issue(uri)).credential_id
    await college.published(credential_id)
    async with Reader(gateway) as first, Reader(gateway, "de") as second:
        await _signed_in(first, college)
        invitation = {"token": first.token, "achievement": uri, "endorser": "the agency", "role": "quality"}
        await first.send("/office/endorsers", invitation)
        assert first.status == 422
        assert "Write the DID of the other institution" in first.text
        assert f'value="{uri}"' in first.text, "what was typed stays"

        async def invited() -> bool | None:
            await first.send("/office/endorsers", invitation | {"endorser": agency.did})
            return True if first.status == 200 else None

        await until(invited, "the gateway has gone over to the new rules")
        assert "on its way to the log" in first.text
        made = await _shown(first, PAGE, "Hogeschool Agency", "has assured its quality")
        assert '<span dir="auto">Hydrology</span>' in made

        await _signed_in(second, agency)
        assert "Wer Sie eingeladen hat" in await _shown(second, PAGE, "Hogeschool College", "In Kraft")
        endorsing = {"token": second.token, "credential": "nothing", "own_role": "quality"}
        await second.send(PAGE, endorsing)
        assert second.status == 422
        assert "64 Ziffern" in second.text
        await second.send(PAGE, endorsing | {"credential": credential_id, "own_role": "joint-award"})
        assert second.status == 422, "it is invited to something else"
        link = f"https://verify.example/c/{credential_id.upper()}?lang=de"
        await second.send(PAGE, endorsing | {"credential": link})
        assert second.status == 200
        path = f"{PAGE}?credential={credential_id}"
        endorsed = await _shown(second, path, "Hogeschool Agency", "Ihre Bestätigung vom")
        assert "Its invitation was withdrawn" not in await first.open(path)

        await second.send(_withdrawing(endorsed), {"token": second.token})
        assert second.status == 200
        await _shown(second, path, "Zurückgezogen")
        await second.send(PAGE, endorsing | {"credential": credential_id})
        await _shown(second, path, "Ihre Bestätigung vom")
        await first.open(PAGE)
        await first.send(_withdrawing(first.text), {"token": first.token})
        await _shown(first, path, "Its invitation was withdrawn")


async def test_a_key_that_may_not_invite_is_told_so_and_a_strange_id_is_no_fault_of_ours(
    gateway: RunningGateway,
) -> None:
    college = await gateway.institution("college")
    scopes = ["recognitions:write", "credentials:read"]
    made = await college.client.post("/v1/keys", {"name": "reads and recognises", "scopes": scopes})
    async with Reader(gateway) as office:
        await office.sign_in(made.body["api_key"], PAGE)
        token = office.token
        fields = {"token": token, "achievement": "https://x.example/1", "endorser": college.did, "role": "quality"}
        await office.send("/office/endorsers", fields)
        assert office.status == 403
        await office.open(f"{PAGE}?credential=nothing")
        assert office.status == 422
        await office.open(f"{PAGE}?credential={'a' * 64}")
        assert office.status == 200
        await office.open(f"{PAGE}?made=x")
        assert office.status == 422
