"""Lists are read by their indexes: no question about one institution or one achievement looks through a whole table."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proto.ids import Did
from services.verifier.projection.catalogue_reads import AchievementPlace, AchievementsWanted, CatalogueReads
from services.verifier.projection.listed import AwardKey, RecognisedKey
from services.verifier.projection.listed_reads import InstitutionPlace, InstitutionsWanted, ListedReads
from services.verifier.projection.store import Store

DID, URI = Did("did:web:school.example"), "https://school.example/achievements/1"
SMALL = {"growth", "newest_entry"}
"""Tables with a row for each day and kind of event, or of a fixed size."""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    Store(tmp_path / "projection.sqlite").close()
    opened = sqlite3.connect(tmp_path / "projection.sqlite")
    yield opened
    opened.close()


LISTED: dict[str, Callable[[ListedReads], object]] = {
    "newest": lambda reads: reads.newest(limit=30),
    "acts": lambda reads: reads.acts_of(DID),
    "institutions": lambda reads: reads.institutions(InstitutionsWanted(), after=InstitutionPlace("a", DID), limit=50),
    "institutions of a country": lambda reads: reads.institutions(
        InstitutionsWanted(country="NL"), after=None, limit=50
    ),
    "awards of an institution": lambda reads: reads.awards(issuer=DID, after=AwardKey(URI, DID), limit=50),
    "awards of an achievement": lambda reads: reads.awards(achievement=URI, limit=50),
    "all awards": lambda reads: reads.awards(after=AwardKey(URI, DID), limit=50),
    "recognised by": lambda reads: reads.recognised(recogniser=DID, limit=50),
    "recognised of": lambda reads: reads.recognised(issuer=DID, after=RecognisedKey(DID, URI, DID), limit=50),
    "recognised achievement": lambda reads: reads.recognised(achievement=URI, limit=50),
}
CATALOGUE: dict[str, Callable[[CatalogueReads], object]] = {
    "description": lambda reads: reads.description(URI),
    "owners": lambda reads: reads.owners(URI),
    "a page": lambda reads: reads.page(AchievementsWanted(), after=AchievementPlace("a", URI), limit=50),
    "a page by facets": lambda reads: reads.page(AchievementsWanted(facets={"level": "6"}), after=None, limit=50),
    "facets": lambda reads: reads.facets(AchievementsWanted(facets={"level": "6", "mode": "online"})),
}


def plans(connection: sqlite3.Connection, ask: Callable[[], object]) -> list[str]:
    """Return how SQLite answers the statements of a question."""
    said: list[str] = []
    connection.set_trace_callback(said.append)
    ask()
    connection.set_trace_callback(None)
    assert said
    return [row[3] for statement in said for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]


def _scanned(found: list[str]) -> list[str]:
    """Return the scans that no index orders and bounds."""
    return [step for step in found if step.startswith("SCAN") and "INDEX" not in step]


@pytest.mark.parametrize("name", LISTED)
def test_a_list_is_read_by_its_index_and_in_its_order(connection: sqlite3.Connection, name: str) -> None:
    found = plans(connection, lambda: LISTED[name](ListedReads(connection)))
    bounded = {f"SCAN {table}" for table in SMALL} | {"SCAN award"}  # the whole list, in the order of its key
    assert set(_scanned(found)) <= bounded
    assert not [step for step in found if "ORDER BY" in step]


@pytest.mark.parametrize("name", CATALOGUE)
def test_achievements_are_read_by_their_indexes(connection: sqlite3.Connection, name: str) -> None:
    assert _scanned(plans(connection, lambda: CATALOGUE[name](CatalogueReads(connection)))) == []
