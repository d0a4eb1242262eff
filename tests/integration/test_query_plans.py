"""No question looks through a table that grows: the plans of all statements of the stores, over many tenants' rows."""

import pytest

from services.persistence import database_setup, postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import MakeDatabase
from tests.support.filled_tables import fill_tables
from tests.support.query_plans import PlanReader
from tests.support.stored_statements import statements_of

SHARED = ("services/persistence/postgres_states.py", "services/persistence/postgres_statements.py")
GATEWAY = ("services/issuer_gateway/store/*.py", *SHARED)
LEDGER = ("services/ledger/store.py", *SHARED)
ONE_ROW = "the table has one row"
FEW = "a row or two for each institution, read by nobody's request"
CHECK = "the check of a whole database reads all of it"
SHARED_MAY = {
    "persistence/postgres_states.py:load_log": ONE_ROW,
    "persistence/postgres_states.py:load_log_and_issuers": ONE_ROW,
    "persistence/postgres_states.py:_load_overlapping": "a row for each institution, read when one of them is admitted",
}
GATEWAY_MAY = {
    **SHARED_MAY,
    "store/followed_log.py:stored_position": ONE_ROW,
    "store/followed_log.py:rules_version": ONE_ROW,
    "store/tenants.py:keystore_check": ONE_ROW,
    "store/tenants.py:own_remind_days": "some hundred rows, once a minute",
    "store/applications.py:lapsing": FEW,
    "store/applications.py:with_lapsing": FEW,
    "store/learners.py:some_learners": "a few rows at a start, and it stops as soon as it has them",
    "store/retention.py:with_document_rules": FEW,
    "store/retention.py:with_audit_days": FEW,
    "store/audit_trail.py:all_chain_ends": FEW,
    "store/pending_batches.py:ended_keys": "a queue: what is done is taken out",
    "store/followed_log.py:hand_over": "once in the life of a log, when it has a successor",
    "store/status_lists.py:ask_review": "once for each key that is condemned, all lists are made anew",
    "store/fsck_rows.py:outbox_rows": CHECK,
    "store/fsck_rows.py:credential_rows": CHECK,
    "store/fsck_rows.py:readable_credentials": CHECK,
    "store/fsck_rows.py:secret_rows": CHECK,
    "store/fsck_rows.py:counts": CHECK,
    "store/fsck_rows.py:wish_rows": CHECK,
}
LEDGER_MAY = {
    **SHARED_MAY,
    "ledger/store.py:log_row": ONE_ROW,
    "ledger/store.py:head": ONE_ROW,
    "ledger/store.py:locked_head": ONE_ROW,
    "ledger/store.py:read_edge": ONE_ROW,
    "ledger/store.py:append": ONE_ROW,
}
"""What may look through a table, and why that is no harm."""


@pytest.mark.parametrize(
    ("migrations", "stores", "may"),
    [
        ("services.issuer_gateway.migrations", GATEWAY, GATEWAY_MAY),
        ("services.ledger.migrations", LEDGER, LEDGER_MAY),
    ],
    ids=("gateway", "ledger"),
)
async def test_no_statement_looks_through_a_table(
    make_database: MakeDatabase, migrations: str, stores: tuple[str, ...], may: dict[str, str]
) -> None:
    database = await make_database()
    await database_setup.migrate(database.owner_url, migrations, running_role=database.running_role)
    found, names = {}, set()
    async with postgres.connected(database.admin_url, application_name="plans", limits=UNHURRIED) as connection:
        await fill_tables(connection)
        reader = await PlanReader.settled(connection)
        for each in (each for pattern in stores for each in statements_of(pattern)):
            names.add(each.name)
            scans = await reader.looked_through(each.text)
            if scans and each.name not in may:
                found[each.name] = scans
    assert found == {}, "add an index, or say above why it is no harm"
    assert set(may) - names == set()


async def test_a_statement_that_looks_through_a_table_is_found(make_database: MakeDatabase) -> None:
    database = await make_database()
    migrations = "services.issuer_gateway.migrations"
    await database_setup.migrate(database.owner_url, migrations, running_role=database.running_role)
    async with postgres.connected(database.admin_url, application_name="plans", limits=UNHURRIED) as connection:
        await fill_tables(connection)
        reader = await PlanReader.settled(connection)
        for statement, where in (
            ("SELECT FROM outbox WHERE problem = $1", "outbox"),
            ("SELECT FROM application WHERE state = $1", "application_due"),
            ("SELECT FROM learner WHERE created_at < $1", "learner"),
            ("UPDATE batch_row SET event_id = NULL WHERE sealed_problem = $1", "batch_row"),
        ):
            assert [where in scan for scan in await reader.looked_through(statement)] == [True], statement
        assert await reader.looked_through("SELECT FROM learner WHERE institution_id = $1 AND ref = $2") == []
