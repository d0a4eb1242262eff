"""Compares the projected states in the database with those of a replay, some rows at a time. Knows no entry."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec

from proto.ids import CredentialId, Did, EventId
from proto.keys import PublicKey
from proto.lifecycle import Book, Credential, Issuer, LogState, Needs, Recognition
from services.ledger.fsck_memory import ReplayedStates
from services.ledger.fsck_report import Findings
from services.postgres import Connection

ROWS_PER_READ = 1_000
_Row = tuple[str, Any]


class _Table(msgspec.Struct, frozen=True):
    """A table of states: its name, the SQL of the name that the book uses, their type, what is to be loaded for it."""

    name: str
    key: str
    kind: type[Any]
    wanted: Callable[[Sequence[str]], Needs]
    state: Callable[[Book, str], Any]


_ISSUERS = _Table(
    "issuer",
    "did",
    Issuer,
    lambda names: Needs(issuers={Did(name) for name in names}),
    lambda book, name: book.issuer(Did(name)),
)
_CREDENTIALS = _Table(
    "credential_state",
    "encode(credential_id, 'hex')",
    Credential,
    lambda names: Needs(credentials={CredentialId(name) for name in names}),
    lambda book, name: book.credential(CredentialId(name)),
)
_RECOGNITIONS = _Table(
    "recognition",
    "encode(event_id, 'hex')",
    Recognition,
    lambda names: Needs(recognitions={EventId(name) for name in names}),
    lambda book, name: book.recognition(EventId(name)),
)


async def compare_states(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Add a damage for each row of a state table that is missing, too many, or not what the entries give."""
    await _compare_log(connection, replayed, findings)
    for table in (_ISSUERS, _CREDENTIALS, _RECOGNITIONS):
        await _compare(connection, replayed, findings, table)
    await _compare_keys(connection, replayed, findings)
    await _compare_columns(connection, replayed, findings)


async def _compare_log(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    expected, rows = replayed.found(Needs()).log, await connection.fetch("SELECT state FROM log_state")
    findings.count("log_state", len(rows))
    findings.expect(len(rows) == (expected is not None), "log_state", f"There are {len(rows)} rows")
    for row in rows:
        findings.expect(
            _decoded(row["state"], LogState) == expected, "log_state", "The state is not what the entries give"
        )


async def _compare(connection: Connection, replayed: ReplayedStates, findings: Findings, table: _Table) -> None:
    """Compare one table of states with what it should hold."""
    seen = 0
    query = f"SELECT {table.key}, state FROM {table.name}"  # noqa: S608 - the names stand above
    async for rows in _pages(connection, query):
        book = replayed.found(table.wanted([name for name, _ in rows]))
        for name, data in rows:
            place, expected = f"{table.name} {name}".strip(), table.state(book, name)
            findings.count(table.name)
            if expected is None:
                findings.damaged(place, "No entry gives this row")
                continue
            seen += 1
            is_same = _decoded(data, table.kind) == expected
            findings.expect(is_same, place, "The state is not what the entries give")
    missing = replayed.count(table.name) - seen
    findings.expect(missing == 0, table.name, f"{missing} rows are missing")


async def _compare_keys(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Compare the names of keys."""
    count, is_same = 0, True
    async for rows in _pages(connection, "SELECT public_key, key_id FROM public_key"):
        book = replayed.found(Needs(public_keys={PublicKey(key) for key, _ in rows}))
        is_same &= all(book.key_id_of(PublicKey(key)) == key_id for key, key_id in rows)
        count += len(rows)
    findings.count("public_key", count)
    is_all = count == replayed.count("public_key")
    findings.expect(is_same and is_all, "public_key", "The names of keys are not what the entries give")


async def _compare_columns(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Compare what stands beside the states: successors, and who recognised what."""
    async for rows in _pages(connection, "SELECT did, successors FROM issuer"):
        book = replayed.found(_ISSUERS.wanted([did for did, _ in rows]))
        for did, successors in rows:
            issuer = book.issuer(Did(did))
            said = list(dict.fromkeys(each.successor for each in issuer.standings if each.successor)) if issuer else []
            is_same = issuer is None or said == successors
            findings.expect(is_same, f"issuer {did}", "The successors are not the state's")
    query = "SELECT encode(event_id, 'hex'), encode(credential_id, 'hex') || ' ' || recogniser FROM recognition"
    async for rows in _pages(connection, query):
        book = replayed.found(_RECOGNITIONS.wanted([name for name, _ in rows]))
        for name, pair in rows:
            made = book.recognition(EventId(name))
            is_same = made is None or pair == f"{made.credential_id} {made.recogniser}"
            findings.expect(is_same, f"recognition {name}", "The pair is not the state's")


def _decoded(data: bytes, kind: type[Any]) -> Any:
    """Return a stored state, or None where it is none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except msgspec.DecodeError:
        return None


async def _pages(connection: Connection, query: str) -> AsyncIterator[list[_Row]]:
    """Yield the (name, data) of a query, some rows at a time; to be used inside a transaction."""
    cursor = await connection.cursor(query)
    while rows := await cursor.fetch(ROWS_PER_READ):
        yield [(row[0], row[1]) for row in rows]
