"""Compares the projected states in the database with those of a replay, some rows at a time. Knows no entry."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.keys import PublicKey
from proto.lifecycle import Credential, Issuer, Life, LogState, Needs, Recognition, Statement, prefixes_of
from services.fsck_report import Findings
from services.ledger.fsck.replayed_states import ReplayedStates
from services.persistence.postgres import Connection

ROWS_PER_READ = 1_000
_Row = tuple[str, Any]


class _Table(msgspec.Struct, frozen=True):
    """A table of states: its name, its rows (name in the book, state), their type, and where the book has them."""

    name: str
    query: str
    kind: Any
    states: Literal["issuers", "recognitions", "statements"]

    def found(self, replayed: ReplayedStates, names: Sequence[str]) -> dict[str, Any]:
        """Return what the entries give under these names; None where they give nothing."""
        wanted = Needs()
        getattr(wanted, self.states).update(names)
        found: dict[str, Any] = getattr(replayed.found(wanted), self.states)
        return found


_ISSUERS = _Table("issuer", "SELECT did, state FROM issuer", Issuer, "issuers")
_PREFIXES = """
    SELECT did, prefixes FROM issuer
    LEFT JOIN (SELECT did, array_agg(prefix ORDER BY prefix) AS prefixes FROM uri_prefix GROUP BY did) known USING (did)
    WHERE has_prefixes"""
_SHARED_LIVES = "SELECT place, lives FROM shared_lives"
_CREDENTIALS = """
    SELECT encode(credential_id, 'hex'), state, lives FROM credential_state LEFT JOIN shared_lives ON place = shared"""
_RECOGNITIONS = _Table(
    "recognition", "SELECT encode(event_id, 'hex'), state FROM recognition", Recognition, "recognitions"
)
_STATEMENTS = _Table("statement", "SELECT encode(event_id, 'hex'), state FROM statement", Statement, "statements")
_GROUPS = """
    SELECT encode(event_id, 'hex'), array_agg(encode(name, 'hex') || ' ' || place ORDER BY name)
    FROM statement_group GROUP BY event_id"""


async def compare_states(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Add a damage for each row of a state table that is missing, too many, or not what the entries give."""
    await _compare_log(connection, replayed, findings)
    for table in (_ISSUERS, _RECOGNITIONS, _STATEMENTS):
        await _compare(connection, replayed, findings, table)
    await _compare_credentials(connection, replayed, findings)
    await _compare_shared_lives(connection, replayed, findings)
    await _compare_keys(connection, replayed, findings)
    await _compare_columns(connection, replayed, findings)
    await _compare_groups(connection, replayed, findings)


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
    async for rows in _pages(connection, table.query):
        given = table.found(replayed, [name for name, _ in rows])
        for name, data in rows:
            place, expected = f"{table.name} {name}", given[name]
            findings.count(table.name)
            if expected is None:
                findings.damaged(place, "No entry gives this row")
                continue
            seen += 1
            is_same = _decoded(data, table.kind) == expected
            findings.expect(is_same, place, "The state is not what the entries give")
    missing = replayed.count(table.name) - seen
    findings.expect(missing == 0, table.name, f"{missing} rows are missing")


async def _compare_credentials(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Compare credentials, whether a row has a state of its own or names the lives that it shares."""
    seen = 0
    cursor = await connection.cursor(_CREDENTIALS)
    while rows := await cursor.fetch(ROWS_PER_READ):
        given = replayed.found(Needs(credentials={name for name, _, _ in rows})).credentials
        for name, state, lives in rows:
            expected, place = given[name], f"credential_state {name}"
            findings.count("credential_state")
            if expected is None:
                findings.damaged(place, "No entry gives this row")
                continue
            seen += 1
            is_same = (
                _decoded(state, Credential) == expected
                if state is not None
                else lives is not None and _decoded(lives, tuple[Life, ...]) == expected.lives
            )
            findings.expect(is_same, place, "The state is not what the entries give")
    missing = replayed.count("credential_state") - seen
    findings.expect(missing == 0, "credential_state", f"{missing} rows are missing")


async def _compare_shared_lives(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Compare what entries gave several credentials together, also where none of them shares it any more."""
    seen = 0
    cursor = await connection.cursor(_SHARED_LIVES)
    while rows := await cursor.fetch(ROWS_PER_READ):
        given = replayed.shared_lives([place for place, _ in rows])
        for place, lives in rows:
            findings.count("shared_lives")
            seen += place in given
            is_same = place in given and _decoded(lives, tuple[Life, ...]) == given[place]
            findings.expect(is_same, f"shared_lives {place}", "The row is not what the entries give")
    missing = replayed.count("shared_lives") - seen
    findings.expect(missing == 0, "shared_lives", f"{missing} rows are missing")


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
    """Compare what stands beside the states: successors, URI prefixes, and who recognised what."""
    async for rows in _pages(connection, "SELECT did, successors FROM issuer"):
        given = _ISSUERS.found(replayed, [did for did, _ in rows])
        for did, successors in rows:
            issuer = given[did]
            said = list(dict.fromkeys(each.successor for each in issuer.standings if each.successor)) if issuer else []
            is_same = issuer is None or said == successors
            findings.expect(is_same, f"issuer {did}", "The successors are not the state's")
    async for rows in _pages(connection, _PREFIXES):
        given = _ISSUERS.found(replayed, [did for did, _ in rows])
        for did, prefixes in rows:
            issuer = given[did]
            is_same = issuer is None or prefixes_of(issuer) == tuple(prefixes or ())
            findings.expect(is_same, f"issuer {did}", "The URI prefixes are not the state's")
    query = "SELECT encode(event_id, 'hex'), encode(credential_id, 'hex') || ' ' || recogniser FROM recognition"
    async for rows in _pages(connection, query):
        given = _RECOGNITIONS.found(replayed, [name for name, _ in rows])
        for name, pair in rows:
            made = given[name]
            is_same = made is None or pair == f"{made.credential_id} {made.recogniser}"
            findings.expect(is_same, f"recognition {name}", "The pair is not the state's")


async def _compare_groups(connection: Connection, replayed: ReplayedStates, findings: Findings) -> None:
    """Compare which statements are in which groups, and where."""
    count = 0
    async for rows in _pages(connection, _GROUPS):
        given = _STATEMENTS.found(replayed, [name for name, _ in rows])
        for name, groups in rows:
            made, place = given[name], f"statement_group {name}"
            expected = sorted(f"{group} {made.stamp.index}" for group in made.groups()) if made else []
            findings.expect(groups == expected, place, "The groups are not the statement's")
            count += len(groups)
    findings.count("statement_group", count)
    missing = replayed.count("statement_group") - count
    findings.expect(missing == 0, "statement_group", f"{missing} rows are missing")


def _decoded(data: bytes, kind: Any) -> Any:
    """Return a stored state, or None where it is none."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except DECODE_ERRORS:
        return None


async def _pages(connection: Connection, query: str) -> AsyncIterator[list[_Row]]:
    """Yield the (name, data) of a query, some rows at a time; to be used inside a transaction."""
    cursor = await connection.cursor(query)
    while rows := await cursor.fetch(ROWS_PER_READ):
        yield [(row[0], row[1]) for row in rows]
