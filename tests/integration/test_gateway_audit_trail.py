"""The audit trail of a running gateway: who did what, from where, answered what; chained, and altered by nobody."""

from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from proto.audit_trail import check_trail
from services.issuer_gateway.unit_of_work.audit_chain import AuditChain
from services.persistence.postgres import connected
from tests.support.commands import STRICT, credentify
from tests.support.databases import MakeDatabase
from tests.support.gateways import NO_WAIT, Client, Office, RunningGateway, running_gateway
from tests.support.ledgers import RunningLedger

Json = dict[str, Any]
json_of = msgspec.json.decode


async def _credentify(*words: str) -> str:
    ran = await credentify(*words, environ=STRICT)
    assert ran.status == 0, ran
    return ran.out


async def _lines(gateway: RunningGateway, client: Client, *, after: int = 0) -> list[bytes]:
    assert gateway.inside is not None
    await AuditChain(gateway.inside.pool).chain()
    headers = {"Authorization": f"Bearer {client._token}"}
    async with gateway.ledger.session.get(f"{gateway.url}/v1/audit-trail?after={after}", headers=headers) as response:
        assert response.status == 200, await response.text()
        return (await response.read()).splitlines()


async def _records(gateway: RunningGateway, office: Office) -> list[Json]:
    lines = await _lines(gateway, office.client)
    check_trail(lines)
    return [json_of(line)["record"] for line in lines]


async def test_what_keys_do_is_recorded_with_who_from_where_and_the_answer(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    issued = await office.issue(uri, "s-1001")
    await office.client.get(f"/v1/credentials/{issued.credential_id}/document")
    refused = await office.client.post(f"/v1/credentials/{issued.credential_id}/revoke", {"reason": "nonsense"})
    assert refused.status == 422
    revoked = await office.client.post(f"/v1/credentials/{issued.credential_id}/revoke", {"reason": "error"})
    weak = gateway.client(
        (await office.client.post("/v1/keys", {"name": "weak", "scopes": ["credentials:read"]})).body["api_key"]
    )
    assert (await weak.post("/v1/credentials", office.award(uri))).status == 403
    assert (await office.client.send("DELETE", "/v1/learners/s-1001")).status == 200

    found = await _records(gateway, office)
    told = [(each["operation"], each.get("answer", "done"), each.get("status")) for each in found]
    assert told == [
        ("create_achievement", "done", None),
        ("issue_credential", "done", None),
        ("read_document", "done", None),
        ("revoke_credential", "invalid", 422),
        ("revoke_credential", "done", None),
        ("create_key", "done", None),
        ("issue_credential", "forbidden", 403),
        ("erase_learner", "done", None),
    ]
    assert {each["actor"] for each in found} == {"api-key"}
    assert {each["address"] for each in found} == {"127.0.0.1"}
    assert len({each["key"] for each in found}) == 2
    assert found[1]["subjects"] == {"credential_id": issued.credential_id, "event_id": issued.issue.event_id}
    assert found[4]["subjects"] == {"credential_id": issued.credential_id, "event_id": revoked.body["event_id"]}
    assert "s-1001" not in str(found)
    assert "ukasiewicz" not in str(found)
    makers = [json_of(line)["record"] for line in await _lines(gateway, gateway.operator)]
    assert [(each["operation"], each["actor"]) for each in makers] == [("create_institution", "operator")]


async def test_a_trail_goes_on_where_it_ended_and_is_its_own_institutions_alone(gateway: RunningGateway) -> None:
    one, two = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    for name in ("a", "b", "c"):
        await one.describe(name)
    await two.describe("d")
    lines = await _lines(gateway, one.client)
    assert len(lines) == 3
    await one.describe("e")
    more = await _lines(gateway, one.client, after=3)
    end = (await one.client.get("/v1/audit-trail/end")).body
    assert check_trail([*lines, *more]).hash == end["hash"]
    assert (end["number"], end["purged_number"]) == (5, 0), "reading the trail stands in it, too"
    assert len(await _lines(gateway, two.client)) == 1
    reader = await two.client.post("/v1/keys", {"name": "reader", "scopes": ["credentials:read"]})
    assert (await gateway.client(reader.body["api_key"]).get("/v1/audit-trail")).status == 403


async def test_a_link_is_recorded_by_its_kind_and_without_an_address(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    body = {
        "institution": "waterland",
        "programme": "https://waterland.example/programmes/data",
        "given_name": "Mia",
        "family_name": "Żółć",
        "evidence": [{"dossier": {"title": "Ten years", "description": "I built models of rivers."}}],
    }
    made = (await gateway.client().post("/v1/recognition-applications", body)).body
    assert (await gateway.client().send("DELETE", f"/v1/application-links/{made['secret']}")).status == 200
    found = await _records(gateway, office)
    assert [(each["operation"], each["actor"], each["key"], each.get("address")) for each in found] == [
        ("send_application", "link", "applicant", None),
        ("withdraw_application", "link", "application", None),
    ]
    assert found[0]["subjects"] == {"application_id": made["application_id"]}
    assert made["secret"] not in str(found)


async def test_a_proxy_that_is_trusted_says_from_where(
    make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger
) -> None:
    proxies = ("127.0.0.0/8",)
    async with running_gateway(make_database, tmp_path / "proxied", ledger, trusted_proxies=proxies) as gateway:
        office = await gateway.tenant("waterland")
        sent = {"X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
        await office.client.send("PUT", "/v1/settings", {"time_zone": "Europe/Amsterdam"}, headers=sent)
        assert [each["address"] for each in await _records(gateway, office)] == ["203.0.113.7"]


async def test_nobody_alters_a_trail_in_the_database_itself(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe()
    await _lines(gateway, office.client)
    waiting = "INSERT INTO audit_record (institution_id, record) VALUES (gen_random_uuid(), '{}')"
    for url in (gateway.database.owner_url, gateway.database.running_url):
        async with connected(url, application_name="test") as connection:
            for statement in (
                "UPDATE audit_entry SET record = '{}'",
                "DELETE FROM audit_entry",
                "TRUNCATE audit_entry",
                "UPDATE audit_record SET record = ''",
                "DELETE FROM audit_record",
                "TRUNCATE audit_record",
            ):
                undone = connection.transaction()
                await undone.start()
                await connection.execute(waiting)
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
                await undone.rollback()
    assert len(await _records(gateway, office)) == 2


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_what_was_not_carried_out_is_not_recorded_as_done(gateway: RunningGateway) -> None:
    await gateway.ready()
    office = await gateway.tenant("waterland")
    await office.describe()
    refused = await office.client.post("/v1/credentials", office.award("hydrology"))
    assert refused.status == 403
    found = await _records(gateway, office)
    assert [each.get("answer", "done") for each in found] == ["done", "unknown-key"]


async def test_the_command_exports_a_trail_goes_on_with_it_and_checks_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    office = await gateway.institution("waterland")
    await office.describe()
    key_file, file = tmp_path / "key", tmp_path / "trail.ndjson"
    key_file.write_text(office.created.api_key)
    await _lines(gateway, office.client)
    where = ("--gateway", gateway.url, "--api-key-file", str(key_file))
    first = await _credentify("trail", "export", str(file), *where, "--json")
    await _records(gateway, office)
    file.write_bytes(file.read_bytes() + b'{"number":')  # that export broke off
    again = await _credentify("trail", "export", str(file), *where, "--json")
    assert json_of(first.encode())["last"] < json_of(again.encode())["last"]
    assert json_of((await _credentify("trail", "check", str(file), "--json")).encode()) == json_of(again.encode())
    file.write_bytes(file.read_bytes().replace(b"create_achievement", b"revise_achievement"))
    with pytest.raises(AssertionError, match="was altered"):
        await _credentify("trail", "check", str(file))
