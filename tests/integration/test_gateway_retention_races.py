"""Two who change what is kept, and one beside the clean-up: nothing that was said is lost, nothing kept is erased."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from proto.moment import from_ms
from proto.problem import BusyProblem
from proto.wire.gateway import ErasureAnswer
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.learners.learner_erasure import EraseLearner
from services.issuer_gateway.learners.retention import Retention
from services.issuer_gateway.store import earlier_awards, retention
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest
from services.persistence.postgres import Connection, connected
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

RULE = {"rules": [{"document_days": 100}]}
FOR_EVER: dict[str, Any] = {"rules": []}
_WAITERS = "SELECT count(*) FROM pg_locks WHERE locktype = $1 AND NOT granted AND database = $2"


async def _change(office: Office, method: str, body: Any, **headers: str) -> Answered:
    return await office.client.send(method, "/v1/retention", body, headers=headers)


async def _aged(gateway: RunningGateway, office: Office) -> None:
    """Issue a document to a learner, so long ago that by the rule it is kept no longer."""
    uri = (await office.describe()).achievement.uri
    await office.issue(uri, "learner")
    assert (await _change(office, "PUT", RULE)).status == 200
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE credential SET created_at = now() - interval '101 days'")


async def _refs(gateway: RunningGateway) -> set[str]:
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        return {row[0] for row in await connection.fetch("SELECT ref FROM learner WHERE ref IS NOT NULL")}


@contextlib.asynccontextmanager
async def _sweeping(gateway: RunningGateway, held: Any) -> AsyncIterator[tuple[Connection, "asyncio.Task[int]"]]:
    """Yield while a sweep has chosen whom to erase, and waits for what `held` locks in the connection that is given."""
    assert gateway.commands is not None
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        database = await connection.fetchval("SELECT oid FROM pg_database WHERE datname = current_database()")

        async def waits() -> bool | None:
            return bool(await connection.fetchval(_WAITERS, "advisory", database)) or None

        async with connection.transaction():
            await held(connection)
            sweep = asyncio.create_task(gateway.commands.retention.sweep())
            await until(waits, "the sweep waits")
            yield connection, sweep


async def test_whoever_changes_one_rule_leaves_those_that_others_say_at_the_same_time(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    names = [f"https://waterland.example/achievements/{number}" for number in range(8)]
    changes: list[dict[str, Any]] = [{"rules": [{"achievement": name, "document_days": 30}]} for name in names]
    answers = await asyncio.gather(
        *(
            _change(office, "PATCH", change)
            for change in [*changes, {"audit_days": 60}, {"rules": [{"dossier_days": 9}]}]
        )
    )
    assert {each.status for each in answers} == {200}, answers
    kept = (await office.client.get("/v1/retention")).body
    assert {rule.get("achievement") for rule in kept["rules"]} == {*names, None}
    assert kept["audit_days"] == 60
    assert (await _change(office, "PATCH", {"audit_days": None, "rules": [{"achievement": names[0]}]})).status == 200
    left = (await office.client.get("/v1/retention")).body
    assert "audit_days" not in left
    assert {rule.get("achievement") for rule in left["rules"]} == {*names[1:], None}


async def test_of_two_who_put_all_rules_at_once_one_is_the_last_and_who_has_read_older_ones_is_told(
    gateway: RunningGateway,
) -> None:
    office = await gateway.tenant("waterland")
    read = await office.client.get("/v1/retention")
    bodies = [{"rules": [{"document_days": days}]} for days in range(1, 9)]
    answers = await asyncio.gather(*(_change(office, "PUT", body) for body in bodies))
    assert {each.status for each in answers} == {200}, answers
    last = await office.client.get("/v1/retention")
    assert last.body in bodies
    stale = await _change(office, "PUT", FOR_EVER, **{"If-Match": read.headers["ETag"]})
    assert (stale.status, stale.slug) == (412, "precondition-failed")
    assert (await _change(office, "PUT", FOR_EVER, **{"If-Match": last.headers["ETag"]})).status == 200


async def test_there_are_never_more_rules_than_one_body_may_hold(gateway: RunningGateway) -> None:
    office = await gateway.tenant("waterland")
    rules = [{"achievement": f"https://waterland.example/{number}", "document_days": 9} for number in range(256)]
    assert (await _change(office, "PUT", {"rules": rules})).status == 200
    more = await _change(office, "PATCH", {"rules": [{"document_days": 9}]})
    assert (more.status, more.body["pointer"]) == (422, "/rules")
    anew = {"rules": [rules[0] | {"document_days": 10}, {"achievement": rules[1]["achievement"]}, {"document_days": 9}]}
    assert len((await _change(office, "PATCH", anew)).body["rules"]) == 256


async def test_what_is_to_be_kept_for_ever_is_not_erased_by_a_sweep_that_had_chosen_it(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await _aged(gateway, office)

    async def learner(connection: Connection) -> None:
        of = await connection.fetchval("SELECT institution_id::text FROM learner WHERE ref = 'learner'")
        await earlier_awards.lock_learners(connection, of, ["learner"])

    async with _sweeping(gateway, learner) as (_, sweep):
        assert (await _change(office, "PUT", FOR_EVER)).status == 200
    assert await sweep == 0
    assert await _refs(gateway) == {"learner"}
    assert (await _change(office, "PUT", RULE)).status == 200
    assert gateway.commands is not None
    assert await gateway.commands.retention.sweep() == 1
    assert await _refs(gateway) == set()


async def test_a_document_that_comes_while_a_sweep_waits_keeps_its_learner(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await _aged(gateway, office)

    async def learner(connection: Connection) -> None:
        of = await connection.fetchval("SELECT institution_id::text FROM learner WHERE ref = 'learner'")
        await earlier_awards.lock_learners(connection, of, ["learner"])

    async with _sweeping(gateway, learner) as (connection, sweep):
        await connection.execute("UPDATE credential SET created_at = now()")
    assert await sweep == 0
    assert await _refs(gateway) == {"learner"}


async def test_entries_of_a_trail_and_applications_stay_where_the_rule_is_taken_back_while_a_sweep_waits(
    gateway: RunningGateway,
) -> None:
    office = await gateway.tenant("waterland")
    assert gateway.commands is not None
    body = {
        "institution": "waterland",
        "programme": "https://waterland.example/programmes/data",
        "given_name": "Zebedea",
        "family_name": "Quarkowska",
        "evidence": [{"dossier": {"title": "Rivers", "description": "Ten years."}}],
    }
    applied = (await gateway.client().post("/v1/recognition-applications", body)).body
    path = f"/v1/recognition-applications/{applied['application_id']}/items/1/decision"
    counted = {"decision": "full", "ects_hundredths": 100, "assessor": "Dr Wind"}
    assert (await office.client.post(path, counted)).status == 200
    assert (await _change(office, "PUT", {"rules": [{"dossier_days": 1}], "audit_days": 60})).status == 200
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        await connection.execute("UPDATE application SET closed_at = now() - interval '2 days'")

    async def rules(connection: Connection) -> None:
        """Be somebody who changes the rules, and has not committed yet."""
        of = await connection.fetchval("SELECT institution_id::text FROM application")
        await retention.lock(connection, of)
        await connection.execute("DELETE FROM retention_rule")

    async with _sweeping(gateway, rules) as (_, sweep):
        lapse = asyncio.create_task(gateway.commands.recognition_applications.sweep())
    assert (await sweep, await lapse) == (0, 0)
    assert (await office.client.get(path.removesuffix("/items/1/decision"))).body["state"] == "decided"


class _Refuses(EraseLearner):
    """Breaks over whoever comes first, one for each error, and erases the others."""

    def __init__(self, *errors: Exception) -> None:
        self.asked: list[str] = []
        self._errors = iter(errors)

    async def erase(
        self,
        tenant: Tenant,
        ref: str,
        *,
        if_still: Callable[[Connection], Awaitable[bool]] | None = None,
        keyed: KeyedRequest | None = None,
    ) -> ErasureAnswer:
        assert tenant.slug == "waterland"
        assert if_still is not None
        assert keyed is None
        self.asked.append(ref)
        if error := next(self._errors, None):
            raise error
        return ErasureAnswer(document_count=1, erased_at=from_ms(0))


async def test_a_sweep_goes_on_to_the_next_learner_where_somebody_is_at_work_for_one(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await _aged(gateway, office)
    assert gateway.inside is not None
    busy = _Refuses(BusyProblem("A batch is at work"))
    parts = gateway.inside
    assert await Retention(parts.pool, parts.unit_of_work, busy, parts.log).sweep() == 0
    assert busy.asked == ["learner"]
    assert await _refs(gateway) == {"learner"}


async def test_a_sweep_goes_on_after_whoever_breaks_it_and_takes_a_trail_of_any_length(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer_gateway.learners.retention.ENTRIES_AT_ONCE", 2)
    office = await gateway.institution("waterland")
    await office.issue((await office.describe("other")).achievement.uri, "another")
    await _aged(gateway, office)
    assert (await _change(office, "PATCH", {"audit_days": 60})).status == 200
    parts, breaks = gateway.inside, _Refuses(RuntimeError("nobody has thought of this"))
    assert parts is not None
    async with connected(gateway.database.owner_url, application_name="test") as connection:

        async def are_chained() -> bool | None:  # what was done is put into the trail a moment later
            return await connection.fetchval("SELECT max(number) > 3 FROM audit_entry") or None

        await until(are_chained, "the trail has more entries than are taken away")
        await connection.execute("ALTER TABLE audit_entry DISABLE TRIGGER USER")
        await connection.execute("UPDATE audit_entry SET recorded_at = now() - interval '61 days' WHERE number <= 3")
        await connection.execute("ALTER TABLE audit_entry ENABLE TRIGGER USER")
    sweep = Retention(parts.pool, parts.unit_of_work, breaks, parts.log).sweep
    assert await sweep() == 1 + 3
    assert breaks.asked == ["another", "learner"]
    assert b"retention_failed" in gateway.log.getvalue()
