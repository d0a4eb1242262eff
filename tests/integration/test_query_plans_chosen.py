"""How one office decides is read without what others decide, also where the planner is free to look through all of it.

Rows are as wide and as many as forty offices have after some years; plans are read, nothing is timed.
"""

import json
import re

from services.persistence import database_setup, postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import MakeDatabase
from tests.support.stored_statements import statements_of

OFFICES, APPLICATIONS = 40, 250
_FILL = """
    WITH applied AS (
        INSERT INTO application (application_id, institution_id, learner_id, token_hash, programme, is_public,
            sealed_applicant, due_at, state)
        SELECT gen_random_uuid(), lpad(office::text, 32, '0')::uuid, gen_random_uuid(),
            sha256(gen_random_uuid()::text::bytea), 'https://school.example/programmes/1', false,
            repeat('x', 300)::bytea, now(), CASE WHEN number % 2 = 0 THEN 'open' ELSE 'decided' END
        FROM generate_series(1, {offices}) AS office, generate_series(1, {applications}) AS number
        RETURNING application_id, institution_id, state),
    shown AS (
        INSERT INTO application_item (application_id, number, sealed_title, sealed_evidence, of_institution,
            achievement, achievement_issuer)
        SELECT application_id, 1, repeat('x', 100)::bytea, repeat('x', 500)::bytea, institution_id,
            'https://college.example/' || left(application_id::text, 1), 'did:web:college.example' FROM applied)
    INSERT INTO application_decision (application_id, number, round, decision, reasons, api_key_id, of_institution)
    SELECT application_id, 1, 1, 'full', '{{}}', 'key', institution_id FROM applied WHERE state = 'decided'"""
ASKED = ("application_counts.py:counts", "like_cases.py:of_all")


async def test_how_one_office_decides_is_read_by_indexes_that_begin_with_it(make_database: MakeDatabase) -> None:
    database = await make_database()
    migrations = "services.issuer_gateway.migrations"
    await database_setup.migrate(database.owner_url, migrations, running_role=database.running_role)
    statements = {
        each.name.removeprefix("store/"): each.text
        for module in ("application_counts", "like_cases")
        for each in statements_of(f"services/issuer_gateway/store/{module}.py")
    }
    async with postgres.connected(database.admin_url, application_name="plans", limits=UNHURRIED) as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(_FILL.format(offices=OFFICES, applications=APPLICATIONS))
        await connection.execute("ANALYZE application, application_item, application_decision")
        for name in ASKED:
            office = f"'{'7'.rjust(32, '0')}'::uuid"
            asked = re.sub(r"\$1\b", office, statements[name]).replace("$2", "500")
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {asked}"))
            assert "Seq Scan" not in json.dumps(plan), (name, plan)
