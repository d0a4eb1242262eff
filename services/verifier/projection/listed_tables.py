"""The SQL that keeps the lists: institutions, achievements, who recognises what, growth, the newest entries.

All of it follows from the states and the entries, and is written in the transaction that they are written in.
"""

import sqlite3
from collections.abc import Iterable, Mapping

import msgspec

from proto.fold import fold
from proto.ids import CredentialId, Did
from proto.lifecycle import Book, Life
from proto.look_alikes import skeleton
from services.persistence import sqlite_states
from services.verifier.projection.listed import NEWEST_MAX, AwardKey, AwardSum, Gain, RecognisedKey, RecognisedSum
from services.verifier.verdict.facts import issuer_facts

SCHEMA = """
CREATE TABLE growth (day TEXT, kind TEXT, entries INTEGER NOT NULL, PRIMARY KEY (day, kind)) WITHOUT ROWID;
CREATE TABLE newest_entry (leaf_index INTEGER PRIMARY KEY, entry BLOB NOT NULL);
CREATE TABLE institution (
    did TEXT PRIMARY KEY, place TEXT NOT NULL, words TEXT NOT NULL, country TEXT NOT NULL, state TEXT NOT NULL,
    look TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX institution_by_place ON institution (place, did);
CREATE INDEX institution_by_country ON institution (country, place, did);
CREATE INDEX institution_by_state ON institution (state, place, did);
CREATE INDEX institution_by_look ON institution (look, place, did);
CREATE TABLE award (
    achievement TEXT, issuer TEXT,
    credentials INTEGER NOT NULL, stacks INTEGER NOT NULL, revocations INTEGER NOT NULL, suspensions INTEGER NOT NULL,
    reinstatements INTEGER NOT NULL, recognitions INTEGER NOT NULL, withdrawals INTEGER NOT NULL,
    ects_min INTEGER NOT NULL, ects_max INTEGER NOT NULL, levels INTEGER NOT NULL,
    first_at TEXT NOT NULL, last_at TEXT NOT NULL,
    PRIMARY KEY (achievement, issuer)
) WITHOUT ROWID;
CREATE INDEX award_by_issuer ON award (issuer, achievement);
CREATE TABLE recognised (
    recogniser TEXT, achievement TEXT, issuer TEXT,
    recognitions INTEGER NOT NULL, withdrawals INTEGER NOT NULL, ects_hundredths INTEGER NOT NULL,
    PRIMARY KEY (recogniser, achievement, issuer)
) WITHOUT ROWID;
CREATE INDEX recognised_by_achievement ON recognised (achievement, recogniser, issuer);
CREATE INDEX recognised_by_issuer ON recognised (issuer, recogniser, achievement);
"""
TABLES = ("growth", "newest_entry", "institution", "award", "recognised")


def save_gain(connection: sqlite3.Connection, gain: Gain) -> list[str]:
    """Add what a chunk of entries adds; return the achievements of which more than counts changed.

    The caller owns the transaction.
    """
    connection.executemany(
        "INSERT INTO growth VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
        [(*day, count) for day, count in sorted(gain.growth.items())],
    )
    _save_newest(connection, gain.newest)
    changed = sorted({key.achievement for key, sum_ in gain.awards.items() if _is_news(connection, key, sum_)})
    _save_awards(connection, gain.awards)
    _save_recognised(connection, gain.recognised)
    return changed


def _is_news(connection: sqlite3.Connection, key: AwardKey, gained: AwardSum) -> bool:
    """Tell whether credits or levels are new for an achievement, or it is new itself."""
    row = connection.execute(
        "SELECT ects_min, ects_max, levels FROM award WHERE achievement = ? AND issuer = ?", key
    ).fetchone()
    if row is None:
        return True
    lowest, highest, levels = row
    return bool(gained.ects_min < lowest or gained.ects_max > highest or gained.levels | levels != levels)


def _save_newest(connection: sqlite3.Connection, newest: list[tuple[int, bytes]]) -> None:
    if newest:
        connection.executemany("INSERT OR REPLACE INTO newest_entry VALUES (?, ?)", newest)
        connection.execute("DELETE FROM newest_entry WHERE leaf_index <= ?", (newest[-1][0] - NEWEST_MAX,))


def _save_awards(connection: sqlite3.Connection, awards: Mapping[AwardKey, AwardSum]) -> None:
    connection.executemany(
        """INSERT INTO award VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
           credentials = credentials + excluded.credentials, stacks = stacks + excluded.stacks,
           revocations = revocations + excluded.revocations, suspensions = suspensions + excluded.suspensions,
           reinstatements = reinstatements + excluded.reinstatements,
           recognitions = recognitions + excluded.recognitions, withdrawals = withdrawals + excluded.withdrawals,
           ects_min = min(ects_min, excluded.ects_min), ects_max = max(ects_max, excluded.ects_max),
           levels = levels | excluded.levels,
           first_at = min(first_at, excluded.first_at), last_at = max(last_at, excluded.last_at)""",
        [(*key, *msgspec.structs.astuple(sum_)) for key, sum_ in sorted(awards.items())],
    )


def _save_recognised(connection: sqlite3.Connection, recognised: Mapping[RecognisedKey, RecognisedSum]) -> None:
    connection.executemany(
        """INSERT INTO recognised VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
           recognitions = recognitions + excluded.recognitions, withdrawals = withdrawals + excluded.withdrawals,
           ects_hundredths = ects_hundredths + excluded.ects_hundredths""",
        [(*key, *msgspec.structs.astuple(sum_)) for key, sum_ in sorted(recognised.items())],
    )


def save_institutions(connection: sqlite3.Connection, book: Book) -> None:
    """Write anew the rows of institutions of which something was said; states in the book are stored already.

    What the registrar's own keys said may count no more once one of them is condemned, so that then all are written.
    """
    if not book.changed_issuers:
        return
    dids: Iterable[Did] = sorted(book.changed_issuers)
    registrar = book.opened_log().registrar
    if registrar in book.changed_issuers:
        dids = [Did(did) for (did,) in connection.execute("SELECT did FROM issuer ORDER BY did")]
    known = Book()
    sqlite_states.load_log(connection, known)
    for did in dids:
        sqlite_states.load_issuers(connection, known, {did, registrar})
        found = issuer_facts(known, did)
        if found.state == "not_admitted":
            connection.execute("DELETE FROM institution WHERE did = ?", (did,))
            continue
        accredited_by = found.accreditation.body if found.accreditation else ""
        words = fold(f"{found.legal_name} {did} {accredited_by}")
        connection.execute(
            "INSERT OR REPLACE INTO institution VALUES (?, ?, ?, ?, ?, ?)",
            (did, fold(found.legal_name), words, found.country, found.state, skeleton(found.legal_name)),
        )


def first_life(connection: sqlite3.Connection, book: Book, credential_id: CredentialId) -> Life:
    """Return a credential's first issue, from the book or, where no rule asked for it, from the store."""
    credential = book.credentials.get(credential_id) or sqlite_states.credential_of(connection, credential_id)
    assert credential is not None, "the rules admit nothing about a credential that is not there"
    return credential.lives[0]


def forget_growth(connection: sqlite3.Connection) -> None:
    """Remove growth and entries: what follows is another log, which has its own."""
    connection.execute("DELETE FROM growth")
    connection.execute("DELETE FROM newest_entry")
