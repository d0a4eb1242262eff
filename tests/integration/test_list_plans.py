"""A page of a list is read by one index, in its order, from where the page before it ended.

Plans are those that a connection has after some requests, and those that it would have if it never planned again.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.persistence import database_setup, postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import MakeDatabase
from tests.support.filled_tables import fill_tables
from tests.support.stored_statements import statements_of

TABLES = (
    *("achievement", "achievement_revision", "learner", "credential", "document_part", "request", "application"),
    *("application_item", "application_decision", "batch", "batch_row", "outbox", "audit_entry"),
)
TENANTS, ROWS = 8, 6_000
PLANNED_ANEW = 6
"""So often PostgreSQL plans a prepared statement for its values before it asks itself whether it has to."""
FOR_SMALL_TABLES = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan")
"""What pays where a whole table is a few pages, as in a test."""
OFFICE, LEARNER = "'00000000-0000-0000-0000-000000000007'", "'00000000-0000-0000-0000-000000000047'"
BEHIND = f"now() - interval '2 days', {LEARNER}"
LISTS = {
    "credentials.py:page": [f"{OFFICE}, now(), sha256('7'), 50"],
    "credentials.py:page_of_learner": [f"{OFFICE}, 't-7', now(), sha256('7'), 50"],
    "credentials.py:ids_of_learner": [f"{OFFICE}, {LEARNER}, 200"],
    "requests.py:page": [f"{OFFICE}, {BEHIND}, 50", f"{OFFICE}, {BEHIND}, 50, 'open'"],
    "applications.py:page": [
        f"{OFFICE}, {BEHIND}, 50, NULL, false, false",
        f"{OFFICE}, {BEHIND}, 50, NULL, false, false, 'open'",
    ],
    "batches.py:listed": [f"{OFFICE}, {BEHIND}, 50"],
    "audit_trail.py:entries": [f"{OFFICE}, 5, 100"],
    "achievements.py:page": [f"{OFFICE}, 't-5', 50"],
}
LOOKED_UP = {
    "applications.py:item_counts": (f"{OFFICE}, ARRAY[{LEARNER}::uuid]", "application_item_of_institution"),
    "outbox.py:stages": ("ARRAY[sha256('7')]", "outbox_event_id_key"),
}
"""What a list shows of its rows, by the one index that is asked."""
Node = dict[str, Any]


@pytest.fixture(scope="module")
def statements() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in (*LISTS, *LOOKED_UP)}
    for each in statements_of("services/issuer_gateway/store/*.py"):
        if (name := each.name.removeprefix("store/")) in found:
            found[name].append(each.text)
    return found


def _nodes(plan: Node) -> Iterator[Node]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


async def test_a_page_of_a_list_is_read_by_one_index_from_where_the_last_one_ended(
    make_database: MakeDatabase, statements: dict[str, list[str]]
) -> None:
    database = await make_database()
    migrations = "services.issuer_gateway.migrations"
    await database_setup.migrate(database.owner_url, migrations, running_role=database.running_role)
    async with postgres.connected(database.admin_url, application_name="plans", limits=UNHURRIED) as connection:
        await fill_tables(connection, tables=TABLES, tenants=TENANTS, rows=ROWS)
        await connection.execute("VACUUM learner, credential")
        for setting in FOR_SMALL_TABLES:
            await connection.execute(f"SET {setting} = off")
        for name, all_values in LISTS.items():
            assert len(statements[name]) == len(all_values), name
            for statement, values in zip(statements[name], all_values, strict=True):
                await connection.execute(f"PREPARE asked AS {statement}")
                for _ in range(PLANNED_ANEW):
                    await connection.execute(f"EXECUTE asked ({values})")
                for mode in ("auto", "force_generic_plan"):
                    await connection.execute(f"SET plan_cache_mode = {mode}")
                    plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({values})"))
                    _check(f"{name} {mode}", plan[0]["Plan"], may_sort=mode != "auto")
                await connection.execute("DEALLOCATE asked")
                await connection.execute("RESET plan_cache_mode")


def _check(name: str, plan: Node, *, may_sort: bool) -> None:
    """Without values the planner expects a tenth of all rows on a page, and may sort those behind the last one."""
    nodes, shown = list(_nodes(plan)), json.dumps(plan, indent=1)
    kinds, indexes = {each["Node Type"] for each in nodes}, {each.get("Index Name") for each in nodes}
    assert not {kind for kind in kinds if "Seq Scan" in kind or ("Sort" in kind and not may_sort)}, (name, shown)
    conditions = [each["Index Cond"] for each in nodes if "Index Cond" in each]
    assert any("institution_id" in each or "learner_id" in each for each in conditions), (name, shown)
    if "ids_of_learner" not in name and "audit" not in name and "achievements" not in name:
        assert any("ROW(" in each for each in conditions), (name, shown)
    if name.startswith(("credentials.py", "applications.py")):
        assert "learner_pkey" not in indexes, (name, shown)
    if name.startswith("credentials.py"):
        assert "document_part" not in shown, (name, shown)


async def test_what_a_list_shows_of_its_rows_is_looked_up_by_one_index(
    make_database: MakeDatabase, statements: dict[str, list[str]]
) -> None:
    database = await make_database()
    migrations = "services.issuer_gateway.migrations"
    await database_setup.migrate(database.owner_url, migrations, running_role=database.running_role)
    async with postgres.connected(database.admin_url, application_name="plans", limits=UNHURRIED) as connection:
        await fill_tables(connection, tables=TABLES, tenants=TENANTS, rows=ROWS)
        await connection.execute("VACUUM outbox, application_item")
        for setting in FOR_SMALL_TABLES:
            await connection.execute(f"SET {setting} = off")
        for name, (values, index) in LOOKED_UP.items():
            (statement,) = statements[name]
            await connection.execute(f"PREPARE asked AS {statement}")
            for mode in ("auto", "force_generic_plan"):
                await connection.execute(f"SET plan_cache_mode = {mode}")
                plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked ({values})"))
                used = {each["Index Name"] for each in _nodes(plan[0]["Plan"]) if "Index Name" in each}
                assert used == {index}, (name, mode, json.dumps(plan, indent=1))
            await connection.execute("DEALLOCATE asked")
            await connection.execute("RESET plan_cache_mode")
