"""The SQL that reads the catalogue: achievements by words and facets, each question within a bound of rows."""

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from proto.fold import fold
from proto.ids import Did
from services.persistence.overlaps import beginnings
from services.verifier.projection.described import FACETS, Description, FacetName
from services.verifier.projection.described_tables import read_description
from services.verifier.projection.listed_reads import WORDS_MAX, checked, literal

VALUES_MAX = 40
"""So many values of one facet are named, those with most achievements first."""


class AchievementPlace(NamedTuple):
    """Where an achievement stands in the list: its folded title or address, then its address."""

    place: str
    uri: str


class AchievementsWanted(NamedTuple):
    """Which achievements: each word is in what describes them, and each facet has the value that is named here."""

    words: str = ""
    facets: Mapping[FacetName, str] = {}


class FacetCount(NamedTuple):
    """A value of a facet, its name where the value is an address, and how many achievements have it."""

    value: str
    label: str
    achievement_count: int


class CatalogueReads:
    """Reads the catalogue of one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._found: dict[tuple[str, ...], str] = {}

    def description(self, uri: str) -> Description | None:
        """Return how a catalogue describes an achievement, or None."""
        return read_description(self._connection, uri)

    def page(self, wanted: AchievementsWanted, *, after: AchievementPlace | None, limit: int) -> list[AchievementPlace]:
        """Return the achievements that are wanted, in the order of their titles, from a place on."""
        where, values = self._conditions(wanted)
        if after is not None:
            where += " AND (place, uri) > (?, ?)"
            values += after
        found = self._connection.execute(
            f"SELECT place, uri FROM achievement WHERE {where} ORDER BY place, uri LIMIT ?",  # noqa: S608 - conditions are literals of this module
            [*values, limit],
        )
        return [AchievementPlace(*checked(row, tuple[str, str])) for row in found]

    def count(self, wanted: AchievementsWanted) -> int:
        """Return how many achievements are wanted."""
        where, values = self._conditions(wanted)
        row = self._connection.execute(f"SELECT count(*) FROM achievement WHERE {where}", values).fetchone()  # noqa: S608 - conditions are literals of this module
        return int(row[0])

    def facets(self, wanted: AchievementsWanted) -> dict[FacetName, list[FacetCount]]:
        """Return, for each facet, which values the achievements have that are wanted by all the other facets."""
        return {name: self._facet(name, wanted) for name in FACETS}

    def _facet(self, name: FacetName, wanted: AchievementsWanted) -> list[FacetCount]:
        others = {facet: value for facet, value in wanted.facets.items() if facet != name}
        where, values = self._conditions(AchievementsWanted(wanted.words, others))
        found = self._connection.execute(
            f"""SELECT value, max(label), count(*) FROM achievement_facet WHERE name = ? AND {where}
                GROUP BY value ORDER BY count(*) DESC, value LIMIT ?""",  # noqa: S608 - conditions are literals of this module
            [name, *values, VALUES_MAX],
        )
        return [FacetCount(*checked(row, tuple[str, str, int])) for row in found]

    def _conditions(self, wanted: AchievementsWanted) -> tuple[str, list[Any]]:
        """Return what is wanted as a condition on the column `uri` of either table, and the values that it binds."""
        conditions, values = ["TRUE"], list[Any]()
        if words := fold(wanted.words).split()[:WORDS_MAX]:
            conditions.append("uri IN (SELECT found.value FROM json_each(?) AS found)")
            values.append(self._found_by(tuple(words)))
        for name, value in wanted.facets.items():
            conditions.append("uri IN (SELECT uri FROM achievement_facet WHERE name = ? AND value = ?)")
            values += (name, value)
        return " AND ".join(conditions), values

    def _found_by(self, words: tuple[str, ...]) -> str:
        """Return, as JSON, what all of these words are in: every text is looked through once for all questions."""
        if words not in self._found:
            where = " AND ".join([r"words LIKE ? ESCAPE '\'"] * len(words))
            rows = self._connection.execute(
                f"SELECT uri FROM achievement WHERE {where}",  # noqa: S608 - conditions are literals of this module
                [f"%{literal(word)}%" for word in words],
            )
            self._found = {words: msgspec.json.encode([uri for (uri,) in rows]).decode()}
        return self._found[words]

    def owners(self, uri: str) -> list[Did]:
        """Return the institutions that ever had an address registered which this one begins with."""
        prefixes = beginnings(uri)
        marks = ", ".join("?" * len(prefixes))
        found = self._connection.execute(
            f"SELECT DISTINCT did FROM uri_prefix WHERE prefix IN ({marks}) ORDER BY did",  # noqa: S608 - marks for values
            prefixes,
        )
        return [checked(row, tuple[Did])[0] for row in found]

    def catalogues(self) -> list[tuple[str, str, int]]:
        """Return the catalogues that describe something: address, when it was read last, how much it describes."""
        found = self._connection.execute(
            "SELECT catalogue, max(read_at), count(*) FROM description GROUP BY catalogue ORDER BY catalogue"
        )
        return [checked(row, tuple[str, str, int]) for row in found]
