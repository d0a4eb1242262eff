"""SQL of achievements and their revisions. What is awarded names a revision, which never changes."""

from collections.abc import Sequence

import asyncpg
import msgspec

from proto.documents.credential import Achievement
from services.issuer_gateway.domain.tenant import Tenant
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Achievement).decode
_DECODE_TENANT = msgspec.json.Decoder(Tenant).decode
_ENCODE = msgspec.json.Encoder().encode
_CURRENT = """
    SELECT achievement_id, revision, content FROM achievement JOIN achievement_revision
        USING (institution_id, achievement_id, revision)
    WHERE institution_id = $1"""


class StoredAchievement(msgspec.Struct, frozen=True, kw_only=True):
    """An achievement, the id that it has here, and which revision of it this is."""

    achievement_id: str
    revision: int
    achievement: Achievement


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An achievement in the catalogue, with who offers it."""

    tenant: Tenant
    achievement_id: str
    achievement: Achievement


def _stored(row: asyncpg.Record) -> StoredAchievement:
    return StoredAchievement(
        achievement_id=row["achievement_id"], revision=row["revision"], achievement=_DECODE(row["content"])
    )


async def add(
    connection: Connection,
    institution_id: str,
    achievement_id: str,
    achievement: Achievement,
    *,
    search_text: str,
    source_uri: str | None = None,
) -> bool:
    """Add the first revision of an achievement; False where its id, URI or source is taken."""
    status = await connection.execute(
        """INSERT INTO achievement (institution_id, achievement_id, uri, source_uri, revision, search_text)
           VALUES ($1, $2, $3, $4, 1, $5) ON CONFLICT DO NOTHING""",
        institution_id,
        achievement_id,
        achievement.uri,
        source_uri,
        search_text,
    )
    if status != "INSERT 0 1":
        return False
    await _add_revision(connection, institution_id, achievement_id, 1, achievement)
    return True


async def _add_revision(
    connection: Connection, institution_id: str, achievement_id: str, revision: int, achievement: Achievement
) -> None:
    await connection.execute(
        """INSERT INTO achievement_revision (institution_id, achievement_id, revision, content)
           VALUES ($1, $2, $3, $4)""",
        institution_id,
        achievement_id,
        revision,
        _ENCODE(achievement),
    )


async def revise(
    connection: Connection, institution_id: str, achievement_id: str, achievement: Achievement, *, search_text: str
) -> int:
    """Add a revision and make it the current one; return its number."""
    revision: int = await connection.fetchval(
        """UPDATE achievement SET revision = revision + 1, search_text = $3
           WHERE institution_id = $1 AND achievement_id = $2 RETURNING revision""",
        institution_id,
        achievement_id,
        search_text,
    )
    await _add_revision(connection, institution_id, achievement_id, revision, achievement)
    return revision


async def get(connection: Connection | Pool, institution_id: str, achievement_id: str) -> StoredAchievement | None:
    """Return the current revision of an achievement."""
    row = await connection.fetchrow(f"{_CURRENT} AND achievement_id = $2", institution_id, achievement_id)
    return _stored(row) if row else None


async def lock(connection: Connection, institution_id: str, achievement_id: str) -> StoredAchievement | None:
    """Return the current revision and keep others from revising it until the transaction ends."""
    row = await connection.fetchrow(
        f"{_CURRENT} AND achievement_id = $2 FOR UPDATE OF achievement", institution_id, achievement_id
    )
    return _stored(row) if row else None


async def by_uris(
    connection: Connection | Pool, institution_id: str, uris: Sequence[str]
) -> dict[str, StoredAchievement]:
    """Return the current revisions of achievements by what they were asked by: URI, imported one's URI, or short id."""
    rows = await connection.fetch(
        """SELECT asked.uri AS asked, achievement_id, revision, content
           FROM unnest($2::text[]) AS asked (uri)
           JOIN achievement ON institution_id = $1
               AND (achievement.uri = asked.uri OR source_uri = asked.uri OR achievement_id = asked.uri)
           JOIN achievement_revision USING (institution_id, achievement_id, revision)
           ORDER BY achievement.uri = asked.uri""",
        institution_id,
        list(dict.fromkeys(uris)),
    )
    return {row["asked"]: _stored(row) for row in rows}


async def page(
    connection: Connection | Pool, institution_id: str, *, after: str, limit: int
) -> list[StoredAchievement]:
    """Return current revisions in the order of their ids, behind `after`."""
    rows = await connection.fetch(
        f"{_CURRENT} AND achievement_id > $2 ORDER BY achievement_id LIMIT $3", institution_id, after, limit
    )
    return [_stored(row) for row in rows]


async def search(
    connection: Connection | Pool, *, words: Sequence[str], after: tuple[str, str], limit: int
) -> list[Offered]:
    """Return achievements of all institutions in which every word begins a word, by slug and id, behind `after`.

    `words` are letters and digits only (`domain.awarding.words_of`); the index `achievement_by_words` finds them.
    """
    asked = " & ".join(f"'{word}':*" for word in words) or None
    rows = await connection.fetch(
        r"""SELECT record, achievement_id, content FROM achievement
           JOIN institution USING (institution_id)
           JOIN achievement_revision USING (institution_id, achievement_id, revision)
           WHERE (slug, achievement_id) > ($1, $2) AND ($3::text IS NULL OR
               array_to_tsvector(array_remove(regexp_split_to_array(search_text, '\s+'), '')) @@ $3::tsquery)
           ORDER BY slug, achievement_id LIMIT $4""",
        *after,
        asked,
        limit,
    )
    return [
        Offered(
            tenant=_DECODE_TENANT(row["record"]),
            achievement_id=row["achievement_id"],
            achievement=_DECODE(row["content"]),
        )
        for row in rows
    ]
