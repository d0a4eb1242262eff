"""Compares the projected states in the database with the book of a replay, row by row. Knows no entry and no tree."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from proto.lifecycle import Book, Credential, Issuer, LogState, Recognition
from services.ledger.fsck_report import Findings
from services.postgres import Connection

ROWS_PER_READ = 1_000


class _Table(msgspec.Struct, frozen=True):
    """A table of states: its name, the SQL expression of the name that the book uses, and the type of its states."""

    name: str
    key: str
    kind: type[Any]


_LOG = _Table("log_state", "''", LogState)
_ISSUERS = _Table("issuer", "did", Issuer)
_CREDENTIALS = _Table("credential_state", "encode(credential_id, 'hex')", Credential)
_RECOGNITIONS = _Table("recognition", "encode(event_id, 'hex')", Recognition)


async def compare_states(connection: Connection, book: Book, findings: Findings) -> None:
    """Add a damage for each row of a state table that is missing, too many, or not what the entries give."""
    await _compare(connection, findings, _LOG, {"": book.log} if book.log else {})
    await _compare(connection, findings, _ISSUERS, _present(book.issuers))
    await _compare(connection, findings, _CREDENTIALS, _present(book.credentials))
    await _compare(connection, findings, _RECOGNITIONS, _present(book.recognitions))
    await _compare_columns(connection, book, findings)


def _present(states: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): state for name, state in states.items() if state is not None}


async def _compare(connection: Connection, findings: Findings, table: _Table, expected: Mapping[str, Any]) -> None:
    """Compare one table of states with what it should hold."""
    decode, seen = msgspec.msgpack.Decoder(table.kind).decode, 0
    query = f"SELECT {table.key} AS name, state AS data FROM {table.name}"  # noqa: S608 - the names stand above
    async for name, data in _rows(connection, query):
        place = f"{table.name} {name}".strip()
        findings.count(table.name)
        if name not in expected:
            findings.damaged(place, "No entry gives this row")
            continue
        seen += 1
        try:
            is_same = decode(data) == expected[name]
        except msgspec.DecodeError:
            is_same = False
        findings.expect(is_same, place, "The state is not what the entries give")
    findings.expect(seen == len(expected), table.name, f"{len(expected) - seen} rows are missing")


async def _compare_columns(connection: Connection, book: Book, findings: Findings) -> None:
    """Compare what stands beside the states: names of keys, successors, and who recognised what."""
    keys = {str(key): str(key_id) for key, key_id in book.public_keys.items() if key_id is not None}
    stored_keys = {name: data async for name, data in _rows(connection, "SELECT public_key, key_id FROM public_key")}
    findings.count("public_key", len(stored_keys))
    findings.expect(stored_keys == keys, "public_key", "The names of keys are not what the entries give")
    successors = {
        did: list(dict.fromkeys(each.successor for each in issuer.standings if each.successor))
        for did, issuer in _present(book.issuers).items()
    }
    async for name, data in _rows(connection, "SELECT did, successors FROM issuer"):
        findings.expect(successors.get(name, data) == data, f"issuer {name}", "The successors are not the state's")
    pairs = {name: f"{r.credential_id} {r.recogniser}" for name, r in _present(book.recognitions).items()}
    query = "SELECT encode(event_id, 'hex'), encode(credential_id, 'hex') || ' ' || recogniser FROM recognition"
    async for name, data in _rows(connection, query):
        findings.expect(pairs.get(name, data) == data, f"recognition {name}", "The pair is not the state's")


async def _rows(connection: Connection, query: str) -> AsyncIterator[tuple[str, Any]]:
    """Yield (name, data) of a query, read in pieces; to be used inside a transaction."""
    async for row in connection.cursor(query, prefetch=ROWS_PER_READ):
        yield row[0], row[1]
