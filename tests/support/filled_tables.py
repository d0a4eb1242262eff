"""Fills every table of a database with rows of many tenants, by the types of its columns alone, for plans to be read.

What is written means nothing and breaks the rules of every service: nothing but the planner ever looks at it.
"""

from collections.abc import Collection

from services.persistence import postgres

TENANTS = 40
ROWS = 4_000
_FILL = """
DO $$
DECLARE
    found record;
    attribute record;
    names text;
    written text;
BEGIN
    FOR found IN SELECT conrelid::regclass AS name, conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
            WHERE contype = 'c' AND NOT relispartition AND connamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.name, found.conname);
    END LOOP;
    FOR found IN SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
            AND relnamespace = 'public'::regnamespace AND relname <> 'migration' AND {chosen} LOOP
        names := '';
        written := '';
        FOR attribute IN SELECT attname, format_type(atttypid, NULL) AS type, attnotnull FROM pg_attribute
                WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                ORDER BY attnum LOOP
            names := names || ', ' || quote_ident(attribute.attname);
            written := written || ', ' || CASE
                WHEN attribute.attname IN ('institution_id', 'of_institution') AND found.relname <> 'institution'
                    THEN '(lpad((i % {tenants})::text, 32, ''0''))::uuid'
                WHEN attribute.attname = 'state' AND attribute.type = 'text'
                    THEN '(ARRAY[''open'', ''pending'', ''published'', ''decided''])[1 + i % 4]'
                WHEN NOT attribute.attnotnull AND attribute.type = 'timestamp with time zone'
                    THEN 'CASE WHEN i % 20 = 0 THEN now() - make_interval(mins => i) END'
                ELSE CASE attribute.type
                    WHEN 'uuid' THEN '(lpad(i::text, 32, ''0''))::uuid'
                    WHEN 'bytea' THEN 'sha256(i::text::bytea)'
                    WHEN 'text' THEN '''t-'' || i'
                    WHEN 'timestamp with time zone' THEN 'now() - make_interval(mins => i)'
                    WHEN 'boolean' THEN 'i % 20 = 0'
                    WHEN 'jsonb' THEN '''{{}}''::jsonb'
                    WHEN 'text[]' THEN 'ARRAY[''t-'' || i]'
                    WHEN 'bytea[]' THEN 'ARRAY[sha256(i::text::bytea)]'
                    ELSE 'i' END END;
        END LOOP;
        EXECUTE format('INSERT INTO %I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM generate_series(1, {rows}) AS i '
            'ON CONFLICT DO NOTHING', found.relname, substr(names, 3), substr(written, 3));
    END LOOP;
END $$"""


async def fill_tables(
    connection: postgres.Connection,
    *,
    tables: Collection[str] | None = None,
    tenants: int = TENANTS,
    rows: int = ROWS,
) -> None:
    """Fill all tables, or these, as the superuser, without triggers; bring the planner's statistics up to date."""
    chosen = "true" if tables is None else f"relname IN ({', '.join(map(repr, tables))})"
    await connection.execute("SET statement_timeout = 0")  # on a machine that does much else this takes its time
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(_FILL.format(tenants=tenants, rows=rows, chosen=chosen))
    await connection.execute("SET session_replication_role = DEFAULT")
    await connection.execute("ANALYZE")
