"""What is on the log stays as it is: the database refuses to change it; where it was changed, fsck names the place."""

import tempfile
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from proto.ids import EventId
from proto.lifecycle import Needs
from services.ledger.fsck import database_check, replayed_states, state_check
from services.ledger.fsck.database_check import check
from services.ledger.fsck.replayed_states import CheckSpaceProblem, ReplayedStates
from services.persistence import postgres
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config

PROTECTED = ("log", "entry", "tile", "head", "edge", "checkpoint")


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def filled(ledger: RunningLedger, registrar: Registrar) -> None:
    """Two institutions, 300 credentials, a stack, a revocation, a recognition and a closing; all published."""
    college, academy = await ledger.admit("college"), await ledger.admit("academy")
    await ledger.submit(registrar.issues(college, 300))
    first, second = (registrar.credential_id(college, f"credential {number}") for number in (0, 1))
    await ledger.say(registrar.stack(college, [first, second], "stack"))
    await ledger.say(registrar.recognition(academy, first))
    await ledger.say(registrar.revocation(college, first))
    await ledger.say(registrar.closing(college, academy))
    await ledger.published(307)


async def with_a_log(database: Database) -> None:
    """Fill a database that others are copied from; the log's key is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        config = ledger_config(database, Path(folder))
        async with aiohttp.ClientSession() as session:
            ledger = RunningLedger(config, database, Registrar(), session)
            await ledger.init()
            await ledger.start()
            await filled(ledger, ledger.registrar)
            await ledger.stop()


CHANGES = (
    "UPDATE entry SET received_at_ms = received_at_ms + 1",
    "UPDATE tile SET hashes = hashes",
    "UPDATE log SET origin = 'other'",
    "UPDATE head SET size = size - 1",
    "UPDATE head SET root_hash = sha256('x')",
    "UPDATE checkpoint SET root_hash = sha256('x')",
    "INSERT INTO log (is_only, origin, verifier_key) VALUES (false, 'other', 'key')",
)
REFUSALS = (asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)


@pytest.mark.parametrize("role", ["owner", "running"])
async def test_nobody_changes_or_removes_what_is_on_the_log(ledger: RunningLedger, role: str) -> None:
    url = ledger.database.owner_url if role == "owner" else ledger.database.running_url
    tables = [table for table in PROTECTED if table != "edge"]  # it follows from the entries
    removals = [f"{verb} {table}" for table in tables for verb in ("DELETE FROM", "TRUNCATE")]
    async with postgres.connected(url, application_name="test") as connection:
        for statement in (*removals, *CHANGES):
            with pytest.raises(REFUSALS):
                await connection.execute(statement)


async def test_the_running_role_makes_no_table_and_no_trigger(ledger: RunningLedger) -> None:
    async with postgres.connected(ledger.database.running_url, application_name="test") as connection:
        for statement in ("CREATE TABLE other (x int)", "ALTER TABLE entry DISABLE TRIGGER ALL", "DROP TABLE entry"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_fsck_counts_what_it_checked(ledger: RunningLedger, registrar: Registrar) -> None:
    await filled(ledger, registrar)
    report = await ledger.fsck()
    assert report.is_clean, report.damages
    assert (report.tree_size, report.published_size) == (307, 307)
    assert report.counts["entries"] == report.counts["signatures"] == 307
    assert report.counts["credential_state"] == 301
    assert (report.counts["tiles"], report.counts["issuer"], report.counts["recognition"]) == (1, 3, 1)


def at_a_time(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have so little in memory that entries rest on others of long before."""
    monkeypatch.setattr(database_check, "ENTRIES_PER_READ", count)
    monkeypatch.setattr(state_check, "ROWS_PER_READ", count)
    monkeypatch.setattr(replayed_states, "ISSUERS_REMEMBERED_MAX", 1)


@pytest.mark.parametrize("count", [1, 7, 256])
async def test_fsck_finds_the_same_a_few_entries_at_a_time(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    database = await make_database("ledger_filled", prepare=with_a_log)
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        whole = await check(connection)
        at_a_time(monkeypatch, count)
        assert await check(connection) == whole
    assert whole.is_clean


async def test_fsck_without_room_for_its_file_says_where_to_make_some(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await make_database("ledger_filled", prepare=with_a_log)
    monkeypatch.setattr(replayed_states, "_SETTINGS", "PRAGMA max_page_count = 20;")
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        with pytest.raises(CheckSpaceProblem, match="name another folder in TMPDIR"):
            await check(connection)


async def test_a_full_disk_is_no_damage_of_an_entry(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await make_database("ledger_filled", prepare=with_a_log)

    def full(*_: object) -> None:
        raise CheckSpaceProblem("full")

    whole = ReplayedStates.load_for
    monkeypatch.setattr(database_check, "needs", lambda *_: Needs(events={EventId("ab" * 32)}))
    monkeypatch.setattr(ReplayedStates, "load_for", lambda *given: (full if len(given[2]) == 1 else whole)(*given))
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        with pytest.raises(CheckSpaceProblem, match="full"):
            await check(connection)


FLIP = "set_byte({0}, 40, get_byte({0}, 40) # 1)"


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (f"UPDATE entry SET entry = {FLIP.format('entry')} WHERE leaf_index = 17", "entry 17"),
        ("UPDATE entry SET leaf_hash = sha256('x') WHERE leaf_index = 18", "entry 18"),
        ("UPDATE entry SET event_id = sha256('x') WHERE leaf_index = 19", "entry 19"),
        ("UPDATE entry SET received_at_ms = received_at_ms + 1 WHERE leaf_index = 20", "entry 20"),
        ("DELETE FROM entry WHERE leaf_index = 21", "entry 21"),
        (
            "INSERT INTO entry SELECT 400, leaf_hash, sha256('x'), received_at_ms, entry FROM entry LIMIT 1",
            "entry",
        ),
        ("UPDATE tile SET hashes = set_byte(hashes, 700, 0) || ''", "tile/0/000"),
        ("DELETE FROM tile", "tile/0/000"),
        ("UPDATE edge SET partials[2] = sha256('x')", "edge"),
        ("UPDATE head SET root_hash = sha256('x')", "head"),
        ("UPDATE head SET last_leaf_hash = sha256('x')", "head"),
        ("UPDATE checkpoint SET note = note || 'x' WHERE size = 307", "checkpoint 307"),
        ("UPDATE checkpoint SET root_hash = sha256('x') WHERE size = 307", "checkpoint 307"),
        ("DELETE FROM credential_state WHERE ctid = (SELECT ctid FROM credential_state LIMIT 1)", "credential_state"),
        ("UPDATE issuer SET state = (SELECT state FROM issuer LIMIT 1)", "issuer did:web:"),
        ("UPDATE issuer SET successors = '{}' WHERE did = 'did:web:college.example'", "issuer did:web:college.example"),
        ("UPDATE recognition SET recogniser = 'did:web:other'", "recognition "),
        ("DELETE FROM public_key WHERE key_id LIKE 'did:web:college%'", "public_key"),
        ("UPDATE log_state SET state = '\\x00'", "log_state"),
        ("UPDATE checkpoint SET size = 9999 WHERE size = 307", "checkpoint 9999"),
    ],
)
@pytest.mark.parametrize("few", [False, True])
async def test_fsck_names_what_is_damaged(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch, statement: str, place: str, *, few: bool
) -> None:
    database = await make_database("ledger_filled", prepare=with_a_log)
    if few:
        at_a_time(monkeypatch, 16)
    async with postgres.connected(database.admin_url, application_name="test") as connection:
        for table in PROTECTED:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        assert await connection.execute(statement) not in {"UPDATE 0", "DELETE 0"}
        report = await check(connection)
    assert not report.is_clean
    assert any(damage.place.startswith(place) for damage in report.damages), report.damages


async def test_fsck_of_a_database_without_a_log_says_so(make_database: MakeDatabase) -> None:
    database = await make_database()
    async with postgres.connected(database.owner_url, application_name="test") as connection:
        report = await check(connection)
    assert [damage.what for damage in report.damages] == ["There is no log in this database"]
