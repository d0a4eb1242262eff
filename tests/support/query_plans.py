"""How PostgreSQL answers a statement: which tables it would look through. Runs no statement."""

import json
from collections.abc import Iterator
from typing import Any, Self

from services.persistence import postgres

Json = dict[str, Any]
_VALUES = {
    "uuid": "'00000000-0000-0000-0000-000000000007'",
    "text": "'t-7'",
    "bytea": "sha256('7')",
    "boolean": "true",
    "timestamp with time zone": "now()",
    "tsquery": "'t'",
    "jsonb": "'{}'",
}
_NUMBER = "50"
_READS_ALL = frozenset({"Sort", "Incremental Sort", "Aggregate", "Hash", "Unique", "Bitmap Heap Scan"})


class PlanReader:
    """Reads plans over one connection, which it settles for that; partial indexes are its database's."""

    def __init__(self, connection: postgres.Connection, partial: frozenset[str]) -> None:
        self._connection = connection
        self._partial = partial

    @classmethod
    async def settled(cls, connection: postgres.Connection) -> Self:
        """Have the planner take an index wherever one can be taken: tables of a test are too small for it to bother."""
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit"):
            await connection.execute(f"SET {setting} = off")
        await connection.execute("SET plan_cache_mode = force_custom_plan")
        rows = await connection.fetch(
            "SELECT indexrelid::regclass::text AS name FROM pg_index WHERE indpred IS NOT NULL"
        )
        return cls(connection, frozenset(row["name"] for row in rows))

    async def looked_through(self, statement: str) -> list[str]:
        """Return the tables that a statement would look through, each with what it does there.

        A table is looked through where no index is asked, or none by anything but a state that thousands are in. The
        first rows of an index in its own order, and a partial index, which holds what waits, are no table.
        """
        await self._connection.execute(f"PREPARE asked AS {statement}")
        types = await self._connection.fetchval(
            "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'asked'"
        )
        given = f"({', '.join(map(_value, types))})" if types else ""
        plan = json.loads(await self._connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE asked {given}"))
        await self._connection.execute("DEALLOCATE asked")
        return sorted(set(self._scans(plan[0]["Plan"])))

    def _scans(self, node: Json, *, is_bounded: bool = False) -> Iterator[str]:
        """Yield what is looked through; `is_bounded` is a part of which the first rows are read, in its own order."""
        kind, index = node["Node Type"], node.get("Index Name")
        is_first_rows = is_bounded and "Filter" not in node
        is_chosen = _chooses(node.get("Index Cond", "")) or is_first_rows or index in self._partial
        if kind == "Seq Scan" or (index is not None and not is_chosen):
            condition = node.get("Index Cond") or node.get("Filter") or "all of it"
            yield f"{kind} on {index or node['Relation Name']}: {condition}"
        is_bounded = kind == "Limit" or (is_bounded and kind not in _READS_ALL)
        for part in node.get("Plans", ()):
            yield from self._scans(part, is_bounded=is_bounded)


def _value(of_type: str) -> str:
    if of_type.endswith("[]"):
        inner = of_type.removesuffix("[]")
        return f"ARRAY[{_VALUES.get(inner, _NUMBER)}]::{of_type}"
    return f"{_VALUES.get(of_type, _NUMBER)}::{of_type}"


def _chooses(condition: str) -> bool:
    return any(part for part in condition.split(" AND ") if part and not part.strip("( ").startswith("state "))
