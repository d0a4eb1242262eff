"""One bit flipped in what is stored: fsck names the place, nothing is appended to it, and it is never signed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import aiohttp
import msgspec
from msgspec.structs import replace

from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.problem import Problem
from services.clients.log_client import LogUnreachableProblem
from services.ledger.signer import LAST_SIGNED, InconsistentTreeError
from services.ledger.store import MissingRowsError
from services.persistence import postgres
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until

SIZE = 2 + 256 + 42
"""Opening, admission, and enough for one full tile and a right edge."""
PUBLISHED = 2
NEVER_MS = 60_000


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """A stored value, the place that fsck must name, and what stops on it.

    What is signed is a tree of entries: a value that only the next entry goes on from stops the sequencer instead.
    """

    table: str
    column: str
    place: str
    where: str = "true"
    stops_signing: bool = True
    stops_appending: bool = True


LAST = SIZE - 1
OLD = Flip(table="entry", column="entry", where="leaf_index = 17", place="entry 17", stops_appending=False)
FLIPS = {
    "an entry": OLD,
    "a leaf hash": replace(OLD, column="leaf_hash"),
    "an event id": replace(OLD, column="event_id", stops_signing=False),
    "the last entry": Flip(table="entry", column="entry", where=f"leaf_index = {LAST}", place=f"entry {LAST}"),
    "the last leaf hash": Flip(table="entry", column="leaf_hash", where=f"leaf_index = {LAST}", place=f"entry {LAST}"),
    "a tile": Flip(table="tile", column="hashes", place="tile/0/000", stops_appending=False),
    "the edge": Flip(table="edge", column="partials[1]", place="edge"),
    "the edge's upper level": Flip(table="edge", column="partials[2]", place="edge"),
    "the edge's size": Flip(table="edge", column="size", place="edge"),
    "the head's root": Flip(table="head", column="root_hash", place="head"),
    "the head's size": Flip(table="head", column="size", place="head"),
    "the head's link": Flip(table="head", column="last_leaf_hash", place="head", stops_signing=False),
    "the head's time": Flip(table="head", column="last_received_at_ms", place="head", stops_signing=False),
}
FAST = ("an entry", "a tile", "the head's root", "the head's link")


@contextlib.asynccontextmanager
async def altering(database: Database, *tables: str) -> AsyncIterator[postgres.Connection]:
    """Change what nobody may change, as a failing disk does: without asking."""
    async with postgres.connected(database.admin_url, application_name="flip") as connection, connection.transaction():
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield connection
        for table in tables:
            names = "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal"
            for row in await connection.fetch(names, table):
                await connection.execute(f'ALTER TABLE {table} ENABLE ALWAYS TRIGGER "{row["tgname"]}"')


async def flip_bit(database: Database, flip: Flip, rng: Random) -> object:
    """Flip one bit somewhere in the value; return what it was."""
    async with altering(database, flip.table) as connection:
        value = await connection.fetchval(f"SELECT {flip.column} FROM {flip.table} WHERE {flip.where}")
        changed: int | bytes = value
        if isinstance(value, int):
            changed = value ^ (1 << rng.randrange(7))
        else:
            at, bit = rng.randrange(len(value)), rng.randrange(8)
            changed = value[:at] + bytes([value[at] ^ (1 << bit)]) + value[at + 1 :]
        await put(connection, flip, changed)
    return value


async def put(connection: postgres.Connection, flip: Flip, value: object) -> None:
    """Write the value."""
    status = await connection.execute(f"UPDATE {flip.table} SET {flip.column} = $1 WHERE {flip.where}", value)
    assert status == "UPDATE 1"


async def put_back(database: Database, flip: Flip, value: object) -> None:
    """Undo the flip."""
    async with altering(database, flip.table) as connection:
        await put(connection, flip, value)


async def with_a_log(database: Database, folder: Path, session: aiohttp.ClientSession) -> RunningLedger:
    """A ledger with `SIZE` entries, the first two published and the rest not; it does not run."""
    registrar = Registrar()
    ledger = RunningLedger(ledger_config(database, folder), database, registrar, session)
    await ledger.init()
    await ledger.start()
    college = await ledger.admit("college")
    await ledger.published(2)
    await ledger.stop()
    ledger.config = replace(ledger.config, publish_interval_ms=NEVER_MS)
    await ledger.start()
    await ledger.submit(registrar.issues(college, SIZE - 2))
    await ledger.stop()
    return ledger


def signed_size(ledger: RunningLedger) -> int:
    """Return the size of the last checkpoint that was signed."""
    assert ledger.config.state_folder is not None
    note = (ledger.config.state_folder / LAST_SIGNED).read_bytes()
    return int(open_checkpoint(note, parse_vkey(ledger.verifier_key)).checkpoint.size)


async def why_it_ended(ledger: RunningLedger) -> str:
    """Return what was said by a ledger that ends, or does not even start."""

    async def ended() -> bool | None:
        return bool(ledger.ended_with) or None

    try:
        await ledger.start()
        await until(ended, "the process ends")
    except (Problem, InconsistentTreeError, MissingRowsError) as error:
        return str(error)
    finally:
        await ledger.stop()
    assert set(ledger.ended_with) == {70}
    ledger.ended_with.clear()
    return ledger.log.getvalue().decode()


async def signer_stops(ledger: RunningLedger) -> str:
    """Have it publish at once; return why it ended instead."""
    publishing = replace(ledger.config, publish_interval_ms=20)
    other = RunningLedger(publishing, ledger.database, ledger.registrar, ledger.session)
    return await why_it_ended(other)


async def sequencer_stops(ledger: RunningLedger) -> str:
    """Have a replica without the key append to the damaged log; return why it ended instead."""
    config = replace(ledger.config, log_key_file=None, state_folder=None, port=0, shutdown_timeout_seconds=0.1)
    replica = RunningLedger(config, ledger.database, ledger.registrar, ledger.session)
    onto_damage = ledger.registrar.issues(ledger.registrar.party("college"), 1, "onto damage")

    async def started() -> bool | None:
        return bool(replica.url) or None

    async def send() -> None:
        await until(started, "the replica starts")
        with contextlib.suppress(LogUnreachableProblem):
            await replica.submit(onto_damage)

    sending = asyncio.create_task(send())
    try:
        return await why_it_ended(replica)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_flipped_bit_is_named_and_neither_signed_nor_appended_to(
    make_database: MakeDatabase, folder: Path, session: aiohttp.ClientSession, seed: int, torture: bool
) -> None:
    rng = Random(seed)
    ledger = await with_a_log(await new_database(make_database), folder, session)
    for name in FLIPS if torture else FAST:
        flip = FLIPS[name]
        before = await flip_bit(ledger.database, flip, rng)
        report = await ledger.fsck()
        assert flip.place in {damage.place for damage in report.damages}, f"{name}: {report.damages}"
        if flip.stops_signing:
            assert await signer_stops(ledger), name
            assert signed_size(ledger) == PUBLISHED, f"{name}: a damaged tree was signed"
        if flip.stops_appending:
            said = await sequencer_stops(ledger)
            assert "fsck" in said or "edge" in said, f"{name}: {said}"
        assert (await ledger.fsck()).damages == report.damages, f"{name}: something was written onto the damage"
        await put_back(ledger.database, flip, before)
        assert (await ledger.fsck()).is_clean, name
    await ledger.start()
    assert signed_size(ledger) >= PUBLISHED
    await ledger.stop()
