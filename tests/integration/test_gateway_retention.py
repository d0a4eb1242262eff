"""What an institution keeps no longer by its rules goes, is recorded, and an erasure leaves nothing of a learner."""

import contextlib
import io
import zipfile
from typing import Any

import msgspec
import pytest

from services.issuer_gateway.keys.vault import Vault, vault_folder
from services.issuer_gateway.unit_of_work.audit_chain import AuditChain
from services.persistence.postgres import connected
from tests.support.erased import assert_nowhere
from tests.support.gateways import RunningGateway

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
REF = "s-4711@waterland"
SAID = (REF, "Zebedea", "Quarkowska", "zebedea@quark.example", "rivers-of-old", "models-of-rivers", "why-not-so")
"""What names or was said by the learner of these tests; nothing else that is stored has it in it."""
LEARNER_TABLES = {
    "learner": "its name goes, and with it the key that all of the following is sealed under",
    "credential": "the document is sealed; the rest is on the log",
    "request": "what was said is sealed",
    "claim": "the award is sealed, and the link cancelled",
    "holder_link": "terms are sealed, and the link is forgotten",
    "application": "the applicant is sealed, and taken away",
    "application_item": "is taken away",
    "application_decision": "is taken away",
    "application_reminder": "is taken away",
    "imported": "is taken away",
    "document_proof": "a signature, which says nothing without its document",
    "status_place": "which bit stands for a credential that stays on the log",
    "batch_row": "which row became which credential",
}
"""Every table whose rows lead to a learner, and what an erasure does to it."""
_LED_TO = """
    WITH RECURSIVE refers (name, referred_to) AS (
        SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid <> 'institution'::regclass
        UNION SELECT tgrelid, regexp_split_to_table(obj_description(oid, 'pg_trigger'), ', ')::regclass
        FROM pg_trigger WHERE tgname = 'refers'
    ), reached (name) AS (
        SELECT 'learner'::regclass::oid
        UNION SELECT refers.name FROM refers JOIN reached ON referred_to = reached.name)
    SELECT name::regclass::text FROM reached
    UNION SELECT table_name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name IN ('learner_id', 'application_id', 'ref', 'learner_ref')"""


async def _application(gateway: RunningGateway, **more: Any) -> Json:
    body = {
        "institution": "waterland",
        "programme": "https://waterland.example/programmes/data",
        "given_name": "Zebedea",
        "family_name": "Quarkowska",
        "email": "zebedea@quark.example",
        "statement": "rivers-of-old",
        "evidence": [{"dossier": {"title": "models-of-rivers", "description": "models-of-rivers"}}],
    } | more
    made: Json = (await gateway.client().post("/v1/recognition-applications", body)).body
    return made


async def _fetch(gateway: RunningGateway, statement: str) -> list[Any]:
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        return list(await connection.fetch(statement))


async def _records(gateway: RunningGateway) -> list[Json]:
    assert gateway.inside is not None
    await AuditChain(gateway.inside.pool).chain()
    rows = await _fetch(gateway, "SELECT record FROM audit_entry ORDER BY number")
    found = []
    for row in rows:
        record = msgspec.json.decode(row["record"])
        if record["actor"] == "retention":
            found.append(record)
    return found


async def test_an_erasure_reaches_every_table_that_leads_to_a_learner(gateway: RunningGateway) -> None:
    found = {row[0] for row in await _fetch(gateway, _LED_TO)}
    assert found == set(LEARNER_TABLES), "say what an erasure does to a table, see that it does, and name it here"


async def test_a_learner_takes_all_of_an_application_along_and_with_the_learner_it_goes(
    gateway: RunningGateway,
) -> None:
    office, other = await gateway.institution("waterland"), await gateway.institution("other")
    uri = (await office.describe()).achievement.uri
    await office.published((await office.issue(uri, REF)).credential_id)
    applied = await _application(gateway)
    refused = {"decision": "refused", "reasons": ["other"], "text": "why-not-so", "assessor": "Professor Y"}
    path = f"/v1/recognition-applications/{applied['application_id']}"
    assert (await office.client.post(f"{path}/items/1/decision", refused)).status == 200
    link = f"/v1/application-links/{applied['secret']}"
    assert (await gateway.client().post(f"{link}/items/1/appeal", {"text": "rivers-of-old"})).status == 200
    assert gateway.commands is not None
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE application SET due_at = now()")
    assert await gateway.commands.remind_offices.remind() == 1

    for name, status in (("nobody", 422), (None, 200), (REF, 200)):
        said = await office.client.send("PUT", f"{path}/learner", msgspec.json.encode({"learner": name}))
        assert said.status == status, said
    assert said.body["learner"] == REF
    assert (await other.client.send("PUT", f"{path}/learner", b'{"learner": null}')).status == 404
    made = (await office.client.post("/v1/holder-links", {"learner": REF})).body
    own = made["link"].rpartition("/")[2]
    by_link = await _zip(gateway, f"{link}/export")
    of_all = await _zip(gateway, f"/credentials/{own}/export")
    by_office = await _zip(gateway, f"{path}/export", office.created.api_key)
    assert by_link.keys() == by_office.keys() == {"README.txt", "record.json"}
    for files in (by_link, by_office, of_all):
        text = files["record.json"].decode()
        assert all(said in text for said in SAID if said != REF), text
        assert "due-soon" in text or "overdue" in text
        assert "Professor Y" not in text, "whoever assessed is another person"

    assert (await office.client.send("DELETE", f"/v1/learners/{REF}")).status == 200
    seen = (await gateway.client().get(link)).body
    assert (seen["state"], seen["is_erased"]) == ("withdrawn", True)
    assert (await gateway.client().get(f"{link}/export")).slug == "application-closed"
    await _assert_gone(gateway)


async def _zip(gateway: RunningGateway, path: str, key: str = "") -> dict[str, bytes]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with gateway.ledger.session.get(f"{gateway.url}{path}", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Cache-Control"] == "no-store"
        with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


async def test_after_an_erasure_nothing_that_was_said_by_or_of_a_learner_is_left_in_clear(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe(takes_requests=True)).achievement.uri
    learner = {"ref": REF, "given_name": "Zebedea", "family_name": "Quarkowska"}
    issued = await office.client.post("/v1/credentials", office.award(uri) | {"learner": learner})
    assert issued.status == 201, issued
    other = (await office.describe("geology")).achievement.uri
    award = office.award(other) | {"learner": learner}
    assert (await office.client.post("/v1/claims", {"award": award})).status == 201
    assert (await office.client.post("/v1/holder-links", {"learner": REF})).status == 201
    line = msgspec.json.encode(office.award(uri) | {"learner": learner}) + b"\n"
    listed = await office.client.send("POST", "/v1/batches", line, key="list", media_type="application/x-ndjson")
    assert listed.status < 300, listed
    applied = await _application(gateway)
    refused = {"decision": "refused", "reasons": ["other"], "text": "why-not-so"}
    path = f"/v1/recognition-applications/{applied['application_id']}/items/1/decision"
    assert (await office.client.post(path, refused)).status == 200
    link = f"/v1/application-links/{applied['secret']}"
    assert (await gateway.client().post(f"{link}/items/1/appeal", {"text": "rivers-of-old"})).status == 200

    assert (await office.client.send("DELETE", f"/v1/learners/{REF}")).status == 200
    assert (await gateway.client().send("DELETE", link)).status == 200
    await _assert_gone(gateway)


async def _assert_gone(gateway: RunningGateway) -> None:
    """Nothing of a learner or of an application is in any table or any log, and no key that it was sealed under."""
    await assert_nowhere(gateway, SAID)
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        erased = [row[0] for row in await connection.fetch("SELECT learner_id::text FROM learner WHERE ref IS NULL")]
        sealed = await connection.fetchval("SELECT count(*) FROM application WHERE sealed_applicant <> ''")
        left = await connection.fetchval(
            """SELECT (SELECT count(*) FROM application_item) + (SELECT count(*) FROM application_decision)
                + (SELECT count(*) FROM application_reminder)
                + (SELECT count(*) FROM application WHERE of_learner IS NOT NULL)"""
        )
    with contextlib.closing(Vault(vault_folder(gateway.config.key_folder, gateway.config.master_key_file))) as vault:
        assert set((await vault.keys(erased)).values()) == {None}
    assert (sealed, left) == (0, 0)
    assert len(erased) >= 2


async def test_rules_by_achievement_take_documents_applications_and_entries_away_and_it_is_recorded(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    short, long = [(await office.describe(name)).achievement.uri for name in ("short", "long")]
    await office.issue(short, "only-short")
    await office.issue(short, "both")
    await office.issue(long, "both")
    await office.issue(long, "only-long")
    applied = await _application(gateway)
    path = f"/v1/recognition-applications/{applied['application_id']}/items/1/decision"
    counted = {"decision": "full", "ects_hundredths": 100, "assessor": "Dr Wind"}
    assert (await office.client.post(path, counted)).status == 200
    rules = {"rules": [{"dossier_days": 30}, {"achievement": short, "document_days": 100}], "audit_days": 60}
    kept = await office.client.send("PUT", "/v1/retention", rules)
    assert kept.status == 200, kept
    assert (await office.client.get("/v1/retention")).body == kept.body
    assert gateway.commands is not None
    assert await gateway.commands.retention.sweep() == 0, "nothing is old enough"
    assert await _records(gateway) == []

    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE credential SET created_at = now() - interval '101 days'")
        await connection.execute("UPDATE application SET closed_at = now() - interval '31 days'")
        await connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        await connection.execute("UPDATE audit_entry SET recorded_at = now() - interval '61 days' WHERE number <= 3")
        await connection.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    assert await gateway.commands.retention.sweep() == 1 + 3
    assert await gateway.commands.recognition_applications.sweep() == 1
    assert await gateway.commands.retention.sweep() == 0
    refs = {row[0] for row in await _fetch(gateway, "SELECT ref FROM learner WHERE ref IS NOT NULL")}
    assert refs == {"both", "only-long"}
    told = [(each["operation"], each.get("subjects", {})) for each in await _records(gateway)]
    assert told == [
        ("erase_learner", {}),
        ("purge_audit_trail", {"count": "3"}),
        ("lapse_application", {"application_id": applied["application_id"]}),
    ]
    end = (await office.client.get("/v1/audit-trail/end")).body
    assert end["purged_number"] == 3
    rows = await _fetch(
        gateway, "SELECT min(number) FROM audit_entry WHERE institution_id <> '00000000-0000-0000-0000-000000000000'"
    )
    assert rows[0][0] == 4


async def test_rules_that_contradict_themselves_or_are_too_short_are_refused(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    for rules in (
        {"rules": [{"document_days": 1}, {"document_days": 2}]},
        {"audit_days": 29},
        {"rules": [{"document_days": 0}]},
    ):
        assert (await office.client.send("PUT", "/v1/retention", rules)).status == 422
    reader = await office.client.post("/v1/keys", {"name": "reader", "scopes": ["credentials:read"]})
    client = gateway.client(reader.body["api_key"])
    assert (await client.send("PUT", "/v1/retention", {"rules": []})).status == 403
