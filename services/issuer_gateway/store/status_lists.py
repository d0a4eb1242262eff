"""SQL of status lists: places are given, bits follow the log, published lists are kept. Signs and derives nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import msgspec

from proto.ids import CredentialId, Did, InstitutionId, KeyId
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_rows import add_rows


class OpenList(msgspec.Struct, frozen=True, kw_only=True):
    """A status list of an institution from which places are given."""

    number: int
    sealed_secret: bytes
    entry_count: int
    allocated_count: int


class StoredList(msgspec.Struct, frozen=True, kw_only=True):
    """A status list as it is published, and how far behind its bits that is."""

    institution_id: InstitutionId
    number: int
    version: int
    published_version: int
    review: int
    reviewed: int
    published: bytes | None
    published_key_id: str | None
    refresh_at: datetime | None
    valid_until: datetime | None


class Bits(msgspec.Struct, frozen=True, kw_only=True):
    """The places of a list that are set, and the version that they are."""

    version: int
    entry_count: int
    places: list[int]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where the status of a credential stands."""

    credential_id: CredentialId
    institution_id: InstitutionId
    number: int
    index: int


BITS_LOCK = 0x62_69_74_73
"""Key of the advisory lock of whoever derives bits ("bits"): the projector, or a review."""
_LIST = """
    SELECT institution_id::text, number, version, published_version, review, reviewed, published, published_key_id,
        refresh_at, valid_until FROM status_list"""
_BEHIND = f"{_LIST} WHERE ($1::uuid IS NULL OR (status_list.institution_id, number) > ($1, $2::integer))"


async def open_list(connection: Connection, institution_id: InstitutionId) -> OpenList | None:
    """Return the list that places are given from, and let nobody else give any until the transaction ends."""
    row = await connection.fetchrow(
        """SELECT number, sealed_secret, entry_count, allocated_count FROM status_list
           WHERE institution_id = $1 AND is_open FOR UPDATE""",
        institution_id,
    )
    return OpenList(**dict(row)) if row else None


async def newest_number(connection: Connection, institution_id: InstitutionId) -> int:
    """Return the number of the institution's newest list, 0 if it has none."""
    number: int = await connection.fetchval(
        "SELECT coalesce(max(number), 0) FROM status_list WHERE institution_id = $1", institution_id
    )
    return number


async def begin(
    connection: Connection, institution_id: InstitutionId, number: int, *, sealed_secret: bytes, entry_count: int
) -> None:
    """Close the open list, if there is one, and begin another, unless somebody else has begun one meanwhile."""
    await connection.execute(
        "UPDATE status_list SET is_open = false WHERE institution_id = $1 AND is_open AND number < $2",
        institution_id,
        number,
    )
    await connection.execute(
        """INSERT INTO status_list (institution_id, number, sealed_secret, entry_count) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        institution_id,
        number,
        sealed_secret,
        entry_count,
    )


async def take(connection: Connection, institution_id: InstitutionId, number: int, count: int) -> int:
    """Count places as given; return how many are given then."""
    given: int = await connection.fetchval(
        """UPDATE status_list SET allocated_count = allocated_count + $3 WHERE institution_id = $1 AND number = $2
           RETURNING allocated_count""",
        institution_id,
        number,
        count,
    )
    return given


async def add_places(connection: Connection, places: Sequence[Place]) -> None:
    """Keep where credentials have their status; a place that is taken raises `asyncpg.UniqueViolationError`."""
    rows = [(bytes.fromhex(place.credential_id), place.institution_id, place.number, place.index) for place in places]
    await add_rows(connection, "status_place", ("credential_id", "institution_id", "list_number", "list_index"), rows)


async def with_stacks(connection: Connection, credential_ids: Sequence[CredentialId]) -> list[CredentialId]:
    """Return those of the credentials, and of the stacks that they are in at any level, that have a place here."""
    rows = await connection.fetch(
        """WITH RECURSIVE touched (credential_id) AS (
               SELECT unnest($1::bytea[])
               UNION SELECT stack_id FROM stack_part JOIN touched ON part_id = credential_id
           )
           SELECT credential_id FROM touched JOIN status_place USING (credential_id) ORDER BY 1""",
        [bytes.fromhex(each) for each in credential_ids],
    )
    return [CredentialId(row["credential_id"].hex()) for row in rows]


async def owners(connection: Connection, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, Did]:
    """Return whose documents these places are for, "" where the log refused them; of credentials that have one."""
    rows = await connection.fetch(
        """SELECT credential_id, CASE WHEN state = 'refused' THEN '' ELSE did END AS did
           FROM status_place JOIN institution USING (institution_id)
           JOIN credential USING (credential_id) JOIN outbox USING (event_id)
           WHERE credential_id = ANY($1::bytea[])""",
        [bytes.fromhex(each) for each in credential_ids],
    )
    return {CredentialId(row["credential_id"].hex()): Did(row["did"]) for row in rows}


async def lock_bits(connection: Connection) -> None:
    """Let nobody else derive bits until the transaction ends; what is read after this is what bits come from."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", BITS_LOCK)


async def page(
    connection: Connection, institution_id: InstitutionId, number: int, *, after: int, limit: int
) -> list[tuple[int, CredentialId]]:
    """Return credentials of a list by their index, behind `after`."""
    rows = await connection.fetch(
        """SELECT list_index, credential_id FROM status_place
           WHERE institution_id = $1 AND list_number = $2 AND list_index > $3
           ORDER BY list_index LIMIT $4""",
        institution_id,
        number,
        after,
        limit,
    )
    return [(row["list_index"], CredentialId(row["credential_id"].hex())) for row in rows]


async def set_bits(connection: Connection, bits: Mapping[CredentialId, bool]) -> int:
    """Set or clear bits, under `lock_bits`; lists of which any changed get a new version. Returns how many changed."""
    names = sorted(bits)
    rows = await connection.fetch(
        """UPDATE status_place SET is_set = wanted.is_set
           FROM unnest($1::bytea[], $2::boolean[]) AS wanted (credential_id, is_set)
           WHERE status_place.credential_id = wanted.credential_id AND status_place.is_set <> wanted.is_set
           RETURNING institution_id, list_number""",
        [bytes.fromhex(name) for name in names],
        [bits[name] for name in names],
    )
    if rows:
        lists = sorted({(str(row["institution_id"]), row["list_number"]) for row in rows})
        await connection.execute(
            """UPDATE status_list SET version = version + 1
               FROM unnest($1::uuid[], $2::integer[]) AS changed (institution_id, number)
               WHERE status_list.institution_id = changed.institution_id AND status_list.number = changed.number""",
            [institution_id for institution_id, _ in lists],
            [number for _, number in lists],
        )
    return len(rows)


async def ask_review(connection: Connection, condemners: Sequence[str]) -> None:
    """Have every bit derived anew that a condemned key of these DIDs may touch, or all bits where none is given.

    These are the lists of the institutions that they are, or succeed, and all lists with stacks of somebody's parts.
    """
    await connection.execute(
        """WITH RECURSIVE touched (did) AS (
               SELECT unnest($1::text[])
               UNION SELECT issuer.did FROM issuer JOIN touched ON touched.did = ANY(issuer.successors)
           )
           UPDATE status_list SET review = review + 1
           WHERE cardinality($1::text[]) = 0
               OR institution_id IN (SELECT institution_id FROM institution JOIN touched USING (did))
               OR institution_id IN (SELECT institution_id FROM institution
                   WHERE did IN (SELECT issuer FROM stack_part))""",
        list(condemners),
    )


async def reviewed(connection: Connection | Pool, institution_id: InstitutionId, number: int, review: int) -> None:
    """Note that every bit of a list was derived anew since this review was asked for."""
    await connection.execute(
        "UPDATE status_list SET reviewed = greatest(reviewed, $3) WHERE institution_id = $1 AND number = $2",
        institution_id,
        number,
        review,
    )


def _list(row: asyncpg.Record) -> StoredList:
    return StoredList(**dict(row))


async def get(connection: Connection | Pool, institution_id: InstitutionId, number: int) -> StoredList | None:
    """Return a status list."""
    row = await connection.fetchrow(f"{_LIST} WHERE institution_id = $1 AND number = $2", institution_id, number)
    return _list(row) if row else None


async def behind(
    connection: Connection | Pool, *, after: tuple[InstitutionId, int] | None, limit: int
) -> list[StoredList]:
    """Return lists that must be published anew, in one order: a bit or a key changed, or their time is half over."""
    institution_id, number = after or (None, 0)
    rows = await connection.fetch(
        f"""({_BEHIND} AND (version <> published_version OR review <> reviewed)
                ORDER BY status_list.institution_id, number LIMIT $3)
            UNION ALL ({_BEHIND} AND refresh_at <= now() AND version = published_version AND review = reviewed
                ORDER BY status_list.institution_id, number LIMIT $3)""",
        institution_id,
        number,
        limit,
    )
    found = sorted(map(_list, rows), key=lambda each: (each.institution_id, each.number))
    return found[:limit]


async def bits(connection: Connection | Pool, institution_id: InstitutionId, number: int) -> Bits:
    """Return which places of a list are set, of one moment."""
    row = await connection.fetchrow(
        """SELECT version, entry_count, ARRAY(
               SELECT list_index FROM status_place
               WHERE status_place.institution_id = $1 AND list_number = $2 AND is_set) AS places
           FROM status_list WHERE institution_id = $1 AND number = $2""",
        institution_id,
        number,
    )
    assert row is not None, "lists are never removed"
    return Bits(**dict(row))


async def keep_published(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    number: int,
    *,
    version: int,
    published: bytes,
    key_id: KeyId,
    refresh_at: datetime,
    valid_until: datetime,
) -> None:
    """Keep a signed list, unless one of a later version is kept already."""
    await connection.execute(
        """UPDATE status_list SET published_version = $3, published = $4, published_key_id = $5, refresh_at = $6,
               valid_until = $7
           WHERE institution_id = $1 AND number = $2 AND published_version <= $3""",
        institution_id,
        number,
        version,
        published,
        key_id,
        refresh_at,
        valid_until,
    )
