"""Aggregates of `proto.lifecycle` in SQLite: loaded as the rules need them, saved as they changed. Knows no thread.

What `services.persistence.postgres_states` is for PostgreSQL. States are msgpack of the array-like records of
`proto.lifecycle.states`, those of credentials packed further (`services.persistence.packing`); ids in columns are raw
bytes. The caller owns the connection and its transactions.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from proto.ids import CredentialId, Did, EventId, KeyId, LeafIndex
from proto.keys import PublicKey
from proto.lifecycle import (
    Book,
    Credential,
    Issuer,
    Life,
    LogState,
    Needs,
    Recognition,
    SharedPlace,
    UnloadedStateError,
    prefixes_of,
)
from proto.lifecycle.book import put_absent
from services.persistence import sqlite_statements
from services.persistence.overlaps import AFTER_URIS, beginnings
from services.persistence.packing import NameOf, name_digest, names_in, pack, unpack
from services.persistence.sqlite_records import record

SCHEMA = (
    """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE issuer (did TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE uri_prefix (prefix TEXT, did TEXT, PRIMARY KEY (prefix, did)) WITHOUT ROWID;
CREATE TABLE public_key (public_key TEXT PRIMARY KEY, key_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE name (digest BLOB PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE credential (
    credential_id BLOB PRIMARY KEY, shared INTEGER, state BLOB, CHECK ((shared IS NULL) <> (state IS NULL))
) WITHOUT ROWID;
CREATE TABLE shared_lives (place INTEGER PRIMARY KEY, lives BLOB NOT NULL);
CREATE TABLE recognition (
    event_id BLOB PRIMARY KEY, credential_id BLOB NOT NULL, recogniser TEXT NOT NULL, state BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX recognition_by_pair ON recognition (credential_id, recogniser);
CREATE TABLE event (event_id BLOB PRIMARY KEY, leaf_index INTEGER NOT NULL) WITHOUT ROWID;
"""
    + sqlite_statements.SCHEMA
)
TABLES = (
    *("meta", "issuer", "uri_prefix", "public_key", "name", "credential", "shared_lives", "recognition", "event"),
    *sqlite_statements.TABLES,
)
_VARIABLES_MAX = 10_000
NAMES_MAX = 16_384
_NAMES: dict[bytes, str] = {}
"""Names by their digests: what anybody says under a digest is the same, so that all may share them."""
_ROUNDS_MAX = 16

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE_LOG = msgspec.msgpack.Decoder(LogState).decode
_DECODE_ISSUER = msgspec.msgpack.Decoder(Issuer).decode
_DECODE_RECOGNITION = msgspec.msgpack.Decoder(Recognition).decode


def read_meta(connection: sqlite3.Connection, name: str) -> bytes | None:
    """Return the value under a name, or None."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def write_meta(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    """Write the value under a name."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def forget_meta(connection: sqlite3.Connection, name: str) -> None:
    """Remove what is under a name."""
    connection.execute("DELETE FROM meta WHERE name = ?", (name,))


# Aggregates into the book.


def load_log(connection: sqlite3.Connection, book: Book) -> None:
    """Put the log's own state into the book, where it was opened."""
    if book.log is None and (state := read_meta(connection, "log")) is not None:
        book.log = record(_DECODE_LOG, state)


def load_until_complete(connection: sqlite3.Connection, book: Book, needed: Callable[[], Needs]) -> None:
    """Load the log, then what `needed` names, until it names nothing; what is not there is None in the book."""
    load_log(connection, book)
    for _ in range(_ROUNDS_MAX):
        wanted = needed()
        if wanted.is_empty:
            return
        load(connection, book, wanted)
    raise UnloadedStateError("The rules ask for more states than there are rounds of loading")


def load(connection: sqlite3.Connection, book: Book, wanted: Needs) -> None:
    """Load the named aggregates; issuers come with everyone who was ever named as their successor."""
    _load_events(connection, book, wanted.events)
    load_issuers(connection, book, wanted.issuers)
    for key, key_id in _rows(connection, "public_key, key_id", "public_key", "public_key", wanted.public_keys):
        book.public_keys[PublicKey(key)] = KeyId(key_id)
    put_absent(book.public_keys, wanted.public_keys)
    for prefix in wanted.prefixes:
        book.overlapping[prefix] = _overlapping(connection, prefix) or None
    _load_credentials(connection, book, wanted.credentials)
    _load_recognitions(connection, book, wanted)
    sqlite_statements.load_groups(connection, book, wanted.groups)
    sqlite_statements.load(connection, book, wanted.statements)


def load_issuers(connection: sqlite3.Connection, book: Book, dids: Iterable[Did]) -> None:
    """Load institutions and all that were ever named as their successors, however long the chain."""
    waiting = set(dids)
    while waiting := waiting - book.issuers.keys():
        for (state,) in _rows(connection, "state", "issuer", "did", waiting):
            issuer = record(_DECODE_ISSUER, state)
            book.issuers[issuer.did] = issuer
        put_absent(book.issuers, waiting)
        found = (book.issuers[did] for did in waiting)
        waiting = {s.successor for issuer in found if issuer for s in issuer.standings if s.successor}


def credential_of(connection: sqlite3.Connection, credential_id: CredentialId) -> Credential | None:
    """Return a credential, or None."""
    book = Book()
    _load_credentials(connection, book, {credential_id})
    return book.credential(credential_id)


def shared_lives(connection: sqlite3.Connection, places: Iterable[SharedPlace]) -> dict[SharedPlace, tuple[Life, ...]]:
    """Return by their places lives that several credentials share, or shared once."""
    name_of = names(connection)
    rows = _rows(connection, "place, lives", "shared_lives", "place", places)
    return {place: unpack(lives, name_of) for place, lives in rows}


def names(connection: sqlite3.Connection) -> NameOf:
    """Return how a name is found by its digest; each is read once, since a name never changes."""

    def name_of(digest: bytes) -> str:
        known = _NAMES.get(digest)
        if known is not None:
            return known
        row = connection.execute("SELECT name FROM name WHERE digest = ?", (digest,)).fetchone()
        if row is None or name_digest(row[0]) != digest:
            raise msgspec.DecodeError("a name that a credential refers to is missing")
        if len(_NAMES) >= NAMES_MAX:
            _NAMES.clear()
        _NAMES[digest] = row[0]
        return str(row[0])

    return name_of


def recognitions_of(connection: sqlite3.Connection, credential_id: CredentialId) -> list[Recognition]:
    """Return every recognition of a credential, withdrawn ones too, in the order of the log."""
    rows = connection.execute(
        "SELECT state FROM recognition WHERE credential_id = ?", (bytes.fromhex(credential_id),)
    ).fetchall()
    return sorted((record(_DECODE_RECOGNITION, state) for (state,) in rows), key=lambda found: found.stamp.index)


def first_of(connection: sqlite3.Connection, event_ids: Sequence[EventId]) -> int | None:
    """Return the place of that of these events which stands first on the log, or None where none is on it."""
    ids = [bytes.fromhex(event_id) for event_id in event_ids]
    return min(
        (index for _, index in _rows(connection, "event_id, leaf_index", "event", "event_id", ids)), default=None
    )


def _overlapping(connection: sqlite3.Connection, prefix: str) -> tuple[Did, ...]:
    """Return who ever registered a prefix that this one begins with, or that begins with it."""
    found = {did for (did,) in _rows(connection, "did", "uri_prefix", "prefix", beginnings(prefix))}
    longer = "SELECT did FROM uri_prefix WHERE prefix > ? AND prefix < ?"
    found |= {did for (did,) in connection.execute(longer, (prefix, prefix + AFTER_URIS))}
    return tuple(sorted(found))


def _load_credentials(connection: sqlite3.Connection, book: Book, wanted: Collection[CredentialId]) -> None:
    ids = sorted(map(bytes.fromhex, wanted))  # in the order of the table, whose pages are read once then
    rows = list(_rows(connection, "credential_id, shared, state", "credential", "credential_id", ids))
    shared, name_of = shared_lives(connection, {place for _, place, _ in rows if place is not None}), names(connection)
    for raw, place, own in rows:
        credential_id = CredentialId(raw.hex())
        lives = unpack(own, name_of) if place is None else shared.get(place)
        if lives is None:
            raise msgspec.DecodeError(f"what the credential {credential_id} shares with others is missing")
        book.credentials[credential_id] = Credential(credential_id=credential_id, lives=lives)
    put_absent(book.credentials, wanted)


def _load_events(connection: sqlite3.Connection, book: Book, names: set[EventId]) -> None:
    ids = [bytes.fromhex(name) for name in names]
    for event_id, index in _rows(connection, "event_id, leaf_index", "event", "event_id", ids):
        book.events[EventId(event_id.hex())] = LeafIndex(index)
    put_absent(book.events, names)


def _load_recognitions(connection: sqlite3.Connection, book: Book, wanted: Needs) -> None:
    ids = [bytes.fromhex(name) for name in wanted.recognitions]
    for (state,) in _rows(connection, "state", "recognition", "event_id", ids):
        recognition = record(_DECODE_RECOGNITION, state)
        book.recognitions[recognition.stamp.event_id] = recognition
    put_absent(book.recognitions, wanted.recognitions)
    for pair in wanted.recognised:
        rows = connection.execute(
            "SELECT event_id FROM recognition WHERE credential_id = ? AND recogniser = ?",
            (bytes.fromhex(pair[0]), pair[1]),
        )
        book.recognised[pair] = tuple(EventId(event_id.hex()) for (event_id,) in rows) or None


def _rows(
    connection: sqlite3.Connection, columns: str, table: str, key: str, values: Iterable[Any]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows whose key is among the values; the names are ours, the values are bound."""
    wanted = list(values)
    for at in range(0, len(wanted), _VARIABLES_MAX):
        part = wanted[at : at + _VARIABLES_MAX]
        marks = ",".join("?" * len(part))
        yield from connection.execute(f"SELECT {columns} FROM {table} WHERE {key} IN ({marks})", part)  # noqa: S608 - SQLite binds values only: the names are literals of this module


# What changed in the book.


def save(connection: sqlite3.Connection, book: Book) -> None:
    """Write every aggregate that changed; the caller owns the transaction."""
    if book.is_log_changed:
        write_meta(connection, "log", _ENCODE(book.opened_log()))
    connection.executemany(
        "INSERT OR REPLACE INTO issuer VALUES (?, ?)",
        [(did, _ENCODE(book.issuers[did])) for did in book.changed_issuers],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO uri_prefix VALUES (?, ?)",
        [(each, did) for did in book.changed_issuers if (issuer := book.issuers[did]) for each in prefixes_of(issuer)],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO public_key VALUES (?, ?)",
        [(key, book.public_keys[key]) for key in book.changed_public_keys],
    )
    _save_credentials(connection, book)
    connection.executemany(
        "INSERT OR REPLACE INTO recognition VALUES (?, ?, ?, ?)",
        [_recognition_row(book, name) for name in book.changed_recognitions],
    )
    if book.changed_statements:
        sqlite_statements.save(connection, book)
    connection.executemany(
        "INSERT INTO event VALUES (?, ?)",
        [(bytes.fromhex(name), book.events[name]) for name in sorted(book.changed_events)],
    )


def _save_credentials(connection: sqlite3.Connection, book: Book) -> None:
    """Write what changed: lives that several credentials share once, beside them the place where they are."""
    rows: list[tuple[bytes, SharedPlace | None, bytes | None]] = []
    said: set[str] = set()
    for name in sorted(book.changed_credentials):
        credential, place = book.credentials[name], book.shared_by.get(name)
        assert credential is not None, "a changed credential is in the book"
        rows.append((bytes.fromhex(name), place, pack(credential.lives) if place is None else None))
        if place is None:
            said |= names_in(credential.lives)
    for lives in book.shared_lives.values():
        said |= names_in(lives)
    connection.executemany(
        "INSERT OR REPLACE INTO shared_lives VALUES (?, ?)",
        [(place, pack(lives)) for place, lives in sorted(book.shared_lives.items())],
    )
    connection.executemany("INSERT OR REPLACE INTO credential VALUES (?, ?, ?)", rows)
    connection.executemany("INSERT OR IGNORE INTO name VALUES (?, ?)", [(name_digest(name), name) for name in said])


def _recognition_row(book: Book, event_id: EventId) -> tuple[bytes, bytes, Did, bytes]:
    recognition = book.recognition(event_id)
    assert recognition is not None, "a changed recognition is in the book"
    return (
        bytes.fromhex(event_id),
        bytes.fromhex(recognition.credential_id),
        recognition.recogniser,
        _ENCODE(recognition),
    )
