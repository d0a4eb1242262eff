"""The audit trail is chained by two processes on a real database: each statement is cut once, and held once.

Whatever becomes of one of them, every record has its one place, in the order in which they were recorded.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from proto.audit_trail import AuditRecord, BrokenTrailProblem, check_trail
from proto.ids import InstitutionId
from proto.moment import Moment
from services.issuer_gateway import migrations
from services.issuer_gateway.store import audit_trail
from services.issuer_gateway.store.audit_trail import UnchainedRecord
from services.issuer_gateway.unit_of_work.audit_chain import AuditChain, chained, ends_of
from services.persistence import database_setup, postgres
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_errors import OUTAGE_ERRORS, TAKEN_ERRORS
from tests.fault.proxy import Proxy, Trap, Where
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import until

INSTITUTIONS = [InstitutionId(f"00000000-0000-4000-8000-00000000000{number}") for number in (1, 2)]
UNDER_THE_LOCK = (
    *("pg_advisory_xact_lock", "SELECT record_id", "FROM audit_chain"),
    *("INSERT INTO audit_entry", "INSERT INTO audit_chain", "DELETE FROM audit_record"),
)
POINTS: Sequence[tuple[str, Where]] = [
    (words, where) for words in ("BEGIN", *UNDER_THE_LOCK, "COMMIT") for where in ("before", "half", "after")
]
SECONDS_MAX = 120.0
RECORDED_AT = Moment("2026-01-01T00:00:00.000Z")
_WAITS = "SELECT true FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class Trail:
    """The trails of two institutions, and two processes that chain them; the way of the first may be cut or held."""

    def __init__(self, pool: Pool, proxy: Proxy, first: AuditChain, second: AuditChain) -> None:
        self.pool, self.proxy, self.first, self.second = pool, proxy, first, second
        self.recorded: dict[InstitutionId, list[str]] = {each: [] for each in INSTITUTIONS}

    async def record(self) -> None:
        """Record three things of each institution, mixed."""
        number = len(self.recorded[INSTITUTIONS[0]])
        records = [
            AuditRecord(institution=each, at=RECORDED_AT, actor="operator", operation=f"step {count}")
            for count in range(number, number + 3)
            for each in INSTITUTIONS
        ]
        await audit_trail.add(self.pool, records)
        for record in records:
            self.recorded[record.institution].append(record.operation)

    async def caught(self, words: str, where: Where, *, is_cut: bool) -> "asyncio.Task[int]":
        """Let the first chain, and return its work once that statement of it is cut, or held."""
        sprung = asyncio.Event()
        self.proxy.set_trap(Trap(words=words, where=where, sprung=sprung.set, is_cut=is_cut))
        work = asyncio.create_task(self.first.chain())
        async with asyncio.timeout(SECONDS_MAX):
            await sprung.wait()
        return work

    async def faults(self) -> list[str]:
        """Return what is wrong with the trails, in words, once everything is chained."""
        try:
            while await self.second.chain():
                pass
        except TAKEN_ERRORS as error:
            return [f"what is recorded finds no place: {error}"]
        return [fault for each in INSTITUTIONS for fault in await self._faults_of(each)]

    async def _faults_of(self, institution_id: InstitutionId) -> list[str]:
        entries = await audit_trail.entries(self.pool, institution_id, after=0, limit=1_000)
        try:
            checked = check_trail(map(msgspec.json.encode, entries))
        except BrokenTrailProblem as problem:
            return [problem.detail]
        found = []
        if [each.record.operation for each in entries] != self.recorded[institution_id]:
            found.append("the trail is not what was recorded, in its order")
        end = (await audit_trail.chain_ends(self.pool, [institution_id]))[institution_id]
        if (end.number, end.hash) != (checked.last, checked.hash):
            found.append("the trail does not end where its end is said to be")
        return found


@contextlib.asynccontextmanager
async def trail_of_two(
    make_database: MakeDatabase, folder: Path, kind: type[AuditChain] = AuditChain
) -> AsyncIterator[Trail]:
    """Have a gateway's tables, and two processes of that kind."""

    async def with_tables(made: Database) -> None:
        await database_setup.migrate_where_owned(
            made.running_url, made.owner_url, migrations.__name__, application_name="test"
        )

    database = await make_database("gateway_tables", prepare=with_tables)
    async with (
        Proxy(folder, database.running_url).listening() as proxy,
        await postgres.create_pool(proxy.url, application_name="first") as cut,
        await postgres.create_pool(database.running_url, application_name="second") as pool,
    ):
        yield Trail(pool, proxy, kind(cut), kind(pool))


async def faults_of_cuts(trail: Trail, points: Sequence[tuple[str, Where]]) -> list[str]:
    """Cut the first at each point while the second goes on; return what is wrong with the trails then."""
    for words, where in points:
        await trail.record()
        first = await trail.caught(words, where, is_cut=True)
        with contextlib.suppress(*OUTAGE_ERRORS):
            await trail.second.chain()
        with pytest.raises(OUTAGE_ERRORS):
            await first
        if faults := await trail.faults():
            return [f"cut {where} {words}: {fault}" for fault in faults]
    return []


async def faults_of_holds(trail: Trail, points: Sequence[str]) -> list[str]:
    """Hold the first behind each statement until the second waits for it; return what is wrong with the trails then."""
    for words in points:
        await trail.record()
        first = await trail.caught(words, "after", is_cut=False)
        second = asyncio.create_task(trail.second.chain())
        await until(functools.partial(_waits_or_ended, trail.pool, second), "the second waits, or went past")
        trail.proxy.release()
        ended = await asyncio.gather(first, second, return_exceptions=True)
        faults = [f"one of two ended with {each!r}" for each in ended if isinstance(each, BaseException)]
        if faults := [*faults, *await trail.faults()]:
            return [f"held after {words}: {fault}" for fault in faults]
    return []


async def _waits_or_ended(pool: Pool, work: "asyncio.Task[int]") -> bool | None:
    return work.done() or await pool.fetchval(_WAITS)


async def test_a_process_cut_off_at_any_statement_breaks_no_trail_and_chains_nothing_twice(
    make_database: MakeDatabase, folder: Path
) -> None:
    """Failed and not persisted, and failed but persisted."""
    async with trail_of_two(make_database, folder) as trail:
        assert await faults_of_cuts(trail, POINTS) == []


async def test_two_processes_at_once_break_no_trail_and_chain_nothing_twice(
    make_database: MakeDatabase, folder: Path
) -> None:
    async with trail_of_two(make_database, folder) as trail:
        assert await faults_of_holds(trail, UNDER_THE_LOCK) == []


class ChainsBesideOthers(AuditChain):
    """Waits for nobody else who chains."""

    async def chain(self) -> int:
        async with postgres.transaction(self._pool) as connection:
            rows = await connection.fetch("SELECT record_id, institution_id::text, record FROM audit_record ORDER BY 1")
            if rows:
                await self._add(connection, [UnchainedRecord(**dict(row)) for row in rows])
        return len(rows)


class KeepsEndsLater(AuditChain):
    """Keeps the new ends in a transaction of its own, after that of the entries."""

    async def _add(self, connection: Connection, found: Sequence[UnchainedRecord]) -> None:
        ends = await audit_trail.chain_ends(connection, [each.institution_id for each in found])
        self.entries = chained(found, ends)
        await audit_trail.chain(connection, self.entries, [])

    async def chain(self) -> int:
        if count := await super().chain():
            async with postgres.transaction(self._pool) as connection:
                await audit_trail.chain(connection, [], ends_of(self.entries))
        return count


MUTANTS: Mapping[str, type[AuditChain]] = {
    "chains beside others": ChainsBesideOthers,
    "keeps ends later": KeepsEndsLater,
}


@pytest.mark.parametrize("name", MUTANTS)
async def test_a_chain_with_a_known_fault_is_found_out(name: str, make_database: MakeDatabase, folder: Path) -> None:
    async with trail_of_two(make_database, folder, MUTANTS[name]) as trail:
        assert await faults_of_holds(trail, ["SELECT record_id"]) or await faults_of_cuts(trail, [("COMMIT", "after")])
