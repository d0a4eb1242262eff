"""The SQL that reads the lists, each question within a bound of rows. Lives in a reader thread, over one snapshot."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from proto.fold import fold
from proto.ids import Did
from proto.look_alikes import skeleton
from services.verifier.projection.listed import AwardKey, AwardSum, RecognisedKey, RecognisedSum

WORDS_MAX = 6
"""So many words of a search count; the others are passed over."""


class InstitutionsWanted(NamedTuple):
    """Which institutions: each word is in the name, the DID or who accredited it; "" asks for all."""

    words: str = ""
    country: str = ""
    state: str = ""


class InstitutionPlace(NamedTuple):
    """Where an institution stands in the list: its folded name, then its DID."""

    place: str
    did: Did


class ListedReads:
    """Reads the lists of one snapshot."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # The log.

    def growth(self, *, days_max: int) -> list[tuple[str, int]]:
        """Return the newest days on which something was said, in their order, with how many entries each has."""
        found = self._connection.execute(
            "SELECT day, sum(entries) FROM growth GROUP BY day ORDER BY day DESC LIMIT ?", (days_max,)
        )
        return [checked(row, tuple[str, int]) for row in found][::-1]

    def kinds(self) -> dict[str, int]:
        """Return how many entries there are of each type of event."""
        found = self._connection.execute("SELECT kind, sum(entries) FROM growth GROUP BY kind ORDER BY kind")
        return dict(checked(row, tuple[str, int]) for row in found)

    def newest(self, *, limit: int) -> list[bytes]:
        """Return the newest entries as they stand on the log, the last first."""
        found = self._connection.execute("SELECT entry FROM newest_entry ORDER BY leaf_index DESC LIMIT ?", (limit,))
        return [checked(row, tuple[bytes])[0] for row in found]

    # Institutions.

    def institutions(
        self, wanted: InstitutionsWanted, *, after: InstitutionPlace | None, limit: int
    ) -> list[InstitutionPlace]:
        """Return the institutions that are wanted, in the order of their names, from a place on."""
        conditions, values = list[str](), list[Any]()
        for column in ("country", "state"):
            if text := getattr(wanted, column):
                conditions.append(f"{column} = ?")
                values.append(text)
        for word in fold(wanted.words).split()[:WORDS_MAX]:
            conditions.append(r"words LIKE ? ESCAPE '\'")
            values.append(f"%{literal(word)}%")
        if after is not None:
            conditions.append("(place, did) > (?, ?)")
            values += after
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        found = self._connection.execute(
            f"SELECT place, did FROM institution {where} ORDER BY place, did LIMIT ?",  # noqa: S608 - conditions are literals of this module
            [*values, limit],
        )
        return [InstitutionPlace(*checked(row, tuple[str, str])) for row in found]

    def looking_like(self, name: str, *, but: Did, limit: int) -> list[Did]:
        """Return other institutions whose names look the same, in the order of their names."""
        found = self._connection.execute(
            "SELECT did FROM institution WHERE look = ? AND look <> '' AND did <> ? ORDER BY place, did LIMIT ?",
            (skeleton(name), but, limit),
        )
        return [checked(row, tuple[Did])[0] for row in found]

    def countries(self) -> list[str]:
        """Return the countries of all institutions."""
        found = self._connection.execute("SELECT DISTINCT country FROM institution ORDER BY country")
        return [checked(row, tuple[str])[0] for row in found]

    def acts_of(self, did: Did) -> dict[str, tuple[int, int]]:
        """Return, by kind, how many acts of an institution were counted, and the credits that they were about."""
        found = self._connection.execute(
            """SELECT kind, sum(acts), sum(ects_hundredths) FROM statistic
               WHERE kind IN ('credential', 'stack', 'revocation', 'suspension', 'reinstatement', 'recognition',
                              'withdrawal') AND issuer = ? GROUP BY kind""",
            (did,),
        )
        rows = (checked(row, tuple[str, int, int]) for row in found)
        return {kind: (acts, credits_) for kind, acts, credits_ in rows}

    # Achievements.

    def awards(
        self, *, issuer: Did | None = None, achievement: str | None = None, after: AwardKey | None = None, limit: int
    ) -> list[tuple[AwardKey, AwardSum]]:
        """Return what was awarded, of one institution or of one achievement or of all, in the order of addresses."""
        found = self._listed("award", {"issuer": issuer, "achievement": achievement}, AwardKey, after, limit)
        return [(AwardKey(*checked(row[:2], tuple[str, Did])), _sum(row[2:], AwardSum)) for row in found]

    def recognised(
        self,
        *,
        recogniser: Did | None = None,
        achievement: str | None = None,
        issuer: Did | None = None,
        after: RecognisedKey | None = None,
        limit: int,
    ) -> list[tuple[RecognisedKey, RecognisedSum]]:
        """Return who recognises credentials of what; by recogniser, achievement, institution, in this order."""
        asked = {"recogniser": recogniser, "achievement": achievement, "issuer": issuer}
        found = self._listed("recognised", asked, RecognisedKey, after, limit)
        return [(RecognisedKey(*checked(row[:3], tuple[Did, str, Did])), _sum(row[3:], RecognisedSum)) for row in found]

    def _listed(
        self, table: str, asked: dict[str, str | None], key: type[Any], after: Sequence[str] | None, limit: int
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows of a table in the order of its key; names are of this module, values are bound."""
        conditions = [f"{name} = ?" for name, value in asked.items() if value is not None]
        values: list[Any] = [value for value in asked.values() if value is not None]
        columns = ", ".join(key._fields)
        if after is not None:
            conditions.append(f"({columns}) > ({', '.join('?' * len(after))})")
            values += after
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        return iter(
            self._connection.execute(
                f"SELECT * FROM {table} {where} ORDER BY {columns} LIMIT ?",  # noqa: S608 - names are literals of this module
                [*values, limit],
            )
        )


def literal(word: str) -> str:
    """Return a word for LIKE, in which nothing stands for anything else."""
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def _sum(values: tuple[Any, ...], of: type[Any]) -> Any:
    return checked(dict(zip(of.__struct_fields__, values, strict=True)), of)


def checked(row: Any, of: Any) -> Any:
    """Return a row as what it was written as; raises `msgspec.DecodeError` for one that was not written here."""
    try:
        return msgspec.convert(row, of)
    except msgspec.ValidationError as error:
        raise msgspec.DecodeError(f"a row of a list is damaged: {error}") from error
