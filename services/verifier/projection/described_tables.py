"""The SQL that keeps the catalogue: descriptions of achievements, and how each is listed. None of it is of the log.

Descriptions come from catalogues of gateways, so they are in no snapshot, and `fsck` does not compare them.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from proto.ids import Did
from proto.lifecycle import Book, profile
from proto.moment import Moment
from services.persistence import sqlite_states
from services.persistence.sqlite_records import record
from services.verifier.projection.described import (
    DECODE_ACHIEVEMENT,
    ENCODE_ACHIEVEMENT,
    Description,
    listing_of,
)
from services.verifier.projection.listed_reads import ListedReads

SCHEMA = """
CREATE TABLE description (
    uri TEXT PRIMARY KEY, catalogue TEXT NOT NULL, issuer TEXT NOT NULL, read_at TEXT NOT NULL, content BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX description_by_catalogue ON description (catalogue, read_at);
CREATE TABLE achievement (uri TEXT PRIMARY KEY, place TEXT NOT NULL, words TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX achievement_by_place ON achievement (place, uri);
CREATE TABLE achievement_facet (
    name TEXT, value TEXT, uri TEXT, label TEXT NOT NULL, PRIMARY KEY (name, value, uri)
) WITHOUT ROWID;
CREATE INDEX achievement_facet_by_uri ON achievement_facet (uri, name);
"""
TABLES = ("description", "achievement", "achievement_facet")
_AWARDS_MAX = 64


def read_description(connection: sqlite3.Connection, uri: str) -> Description | None:
    """Return how a catalogue describes an achievement, or None; raises `msgspec.DecodeError` for a damaged row."""
    row = connection.execute(
        "SELECT catalogue, issuer, read_at, content FROM description WHERE uri = ?", (uri,)
    ).fetchone()
    if row is None:
        return None
    catalogue, issuer, read_at, content = row
    achievement = record(DECODE_ACHIEVEMENT, content)
    return Description(catalogue=catalogue, issuer=Did(issuer), read_at=Moment(read_at), achievement=achievement)


def describe(connection: sqlite3.Connection, descriptions: Iterable[Description]) -> int:
    """Keep what describes achievements of institutions on the register; return how many that were.

    Kept is only what stands under an address that the register gives to the institution that the catalogue names, and
    that no other catalogue describes already. The caller owns the transaction.
    """
    book, kept = Book(), 0
    sqlite_states.load_log(connection, book)
    for found in descriptions:
        uri, content = found.achievement.uri, ENCODE_ACHIEVEMENT(found.achievement)
        known = connection.execute(
            "SELECT catalogue, issuer, content FROM description WHERE uri = ?", (uri,)
        ).fetchone()
        if known is not None and known[0] != found.catalogue:
            continue
        if not uri.startswith(_prefixes(connection, book, found.issuer)):
            continue
        kept += 1
        connection.execute(
            "INSERT OR REPLACE INTO description VALUES (?, ?, ?, ?, ?)",
            (uri, found.catalogue, found.issuer, found.read_at, content),
        )
        if known is None or known[1:] != (found.issuer, content):
            relist(connection, (uri,))
    return kept


def undescribed_count(connection: sqlite3.Connection) -> int:
    """Return how many achievements were awarded that no catalogue describes."""
    sql = "SELECT count(DISTINCT achievement) FROM award LEFT JOIN description ON uri = achievement WHERE uri IS NULL"
    return int(connection.execute(sql).fetchone()[0])


def forget_descriptions(connection: sqlite3.Connection, catalogue: str, *, before: Moment) -> None:
    """Remove what a catalogue described before this time, and says no more."""
    _forget(connection, "catalogue = ? AND read_at < ?", (catalogue, before))


def keep_catalogues(connection: sqlite3.Connection, catalogues: Sequence[str]) -> None:
    """Remove what other catalogues than these described."""
    marks = ", ".join("?" * len(catalogues))
    _forget(connection, f"catalogue NOT IN ({marks})", catalogues)


def _forget(connection: sqlite3.Connection, condition: str, values: Sequence[str]) -> None:
    found = connection.execute(f"SELECT uri FROM description WHERE {condition}", values)  # noqa: S608 - conditions are literals of this module
    uris = [uri for (uri,) in found]
    for uri in uris:
        connection.execute("DELETE FROM description WHERE uri = ?", (uri,))
    relist(connection, uris)


def _prefixes(connection: sqlite3.Connection, book: Book, did: Did) -> tuple[str, ...]:
    """Return the beginnings of addresses that the register gives to an institution now; none where it is not there."""
    log = book.log
    if log is None:
        return ()
    sqlite_states.load_issuers(connection, book, {did, log.registrar})
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    return known.uri_prefixes if known else ()


def relist(connection: sqlite3.Connection, uris: Iterable[str]) -> None:
    """Write anew how these achievements are listed; what is neither awarded nor described is listed no more."""
    reads = ListedReads(connection)
    for uri in uris:
        connection.execute("DELETE FROM achievement WHERE uri = ?", (uri,))
        connection.execute("DELETE FROM achievement_facet WHERE uri = ?", (uri,))
        description, awards = read_description(connection, uri), reads.awards(achievement=uri, limit=_AWARDS_MAX)
        if description is None and not awards:
            continue
        listing = listing_of(uri, description, awards)
        connection.execute("INSERT INTO achievement VALUES (?, ?, ?)", (uri, listing.place, listing.words))
        connection.executemany(
            "INSERT INTO achievement_facet VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(facet.name, facet.value, uri, facet.label) for facet in listing.facets],
        )
