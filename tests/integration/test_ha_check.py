"""`make ha-check`: what is tried of a database by doing it, what is said of it, and that nothing is left there."""

from services.persistence import postgres
from tests.ha.check import findings_of, lines_of, status_of
from tests.ha.trials import TRIALS
from tests.support.databases import Database
from tests.support.other_engines import instead

SCHEMAS = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'credentify_check_%'"


async def _left(database: Database) -> object:
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        return await connection.fetchval(SCHEMAS)


async def test_postgresql_fits_and_nothing_is_left_in_it(database: Database) -> None:
    found = [each async for each in findings_of(database.owner_url)]
    assert status_of(found) == 0, lines_of(found)
    assert {name for name, _, _ in TRIALS} <= {each.about for each in found if each.state == "good"}
    assert await _left(database) == 0


async def test_an_engine_that_does_not_do_it_is_found_out_by_what_it_does(database: Database) -> None:
    await instead(database, "pg_try_advisory_lock(bigint) RETURNS boolean", "SELECT true")
    found = [each async for each in findings_of(database.owner_url)]
    assert status_of(found) == 1
    wrong = {each.about: each for each in found if each.state == "bad"}
    assert set(wrong) == {"session locks"}
    assert "two processes could sign one log" in wrong["session locks"].found
    assert "BAD  session locks: Do not use it" in lines_of(found)
    assert await _left(database) == 0


async def test_a_role_that_may_make_no_schema_is_told_what_to_grant(database: Database) -> None:
    found = [each async for each in findings_of(database.running_url)]
    assert status_of(found) == 3
    assert any("GRANT CREATE ON DATABASE" in line for line in lines_of(found))


async def test_a_server_that_is_not_there_could_not_be_looked_at() -> None:
    found = [each async for each in findings_of("postgresql://nobody@127.0.0.1:1/none")]
    assert status_of(found) == 3


async def test_a_url_that_names_nodes_and_not_which_one_is_wrong() -> None:
    found = [each async for each in findings_of("postgresql://nobody@127.0.0.1:1,127.0.0.1:2/none")]
    assert [each.todo for each in found if each.about == "URL"] == ["Add target_session_attrs=read-write"]
