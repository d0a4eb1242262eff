"""SQL of achievements and their revisions. What is awarded names a revision, which never changes."""

from collections.abc import Sequence

import asyncpg
import msgspec

from proto.documents.credential import Achievement
from proto.ids import AchievementId, InstitutionId
from services.issuer_gateway.domain.tenant import Tenant
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Achievement).decode
_DECODE_TENANT = msgspec.json.Decoder(Tenant).decode
_ENCODE = msgspec.json.Encoder().encode
REVISIONS_MAX = 256
"""So many revisions of an achievement are looked through for one that says what a document says."""
_CURRENT = """
    SELECT achievement_id, revision, content FROM achievement JOIN achievement_revision
        USING (institution_id, achievement_id, revision)
    WHERE institution_id = $1"""


class StoredAchievement(msgspec.Struct, frozen=True, kw_only=True):
    """An achievement, the id that it has here, and which revision of it this is."""

    achievement_id: AchievementId
    revision: int
    achievement: Achievement

    @property
    def name(self) -> tuple[str, int]:
        """By which this revision is known among those of its institution; it never changes."""
        return self.achievement_id, self.revision


class Sourced(msgspec.Struct, frozen=True, kw_only=True):
    """An achievement that has a URI, or came with it; `source_issuer` is a digest of who called it so.

    None: the institution described it itself; empty: it was imported when nobody noted whose the URI was.
    """

    stored: StoredAchievement
    source_issuer: str | None


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """An achievement in the catalogue, with who offers it."""

    tenant: Tenant
    achievement_id: AchievementId
    achievement: Achievement


def _stored(row: asyncpg.Record) -> StoredAchievement:
    return StoredAchievement(
        achievement_id=row["achievement_id"], revision=row["revision"], achievement=_DECODE(row["content"])
    )


async def add(
    connection: Connection,
    institution_id: InstitutionId,
    achievement_id: AchievementId,
    achievement: Achievement,
    *,
    search_text: str,
    source_uri: str | None = None,
    source_issuer: str = "",
) -> bool:
    """Add the first revision of an achievement; False where its id, URI or source is taken."""
    status = await connection.execute(
        """INSERT INTO achievement
               (institution_id, achievement_id, uri, source_uri, source_issuer, revision, search_text, has_recipe)
           VALUES ($1, $2, $3, $4, $5, 1, $6, $7) ON CONFLICT DO NOTHING""",
        institution_id,
        achievement_id,
        achievement.uri,
        source_uri,
        source_issuer,
        search_text,
        achievement.recipe is not None,
    )
    if status != "INSERT 0 1":
        return False
    stored = StoredAchievement(achievement_id=achievement_id, revision=1, achievement=achievement)
    await add_revision(connection, institution_id, stored)
    return True


async def add_revision(connection: Connection, institution_id: InstitutionId, stored: StoredAchievement) -> None:
    """Add a revision; which one is the current one does not change."""
    await connection.execute(
        """INSERT INTO achievement_revision (institution_id, achievement_id, revision, content)
           VALUES ($1, $2, $3, $4)""",
        institution_id,
        stored.achievement_id,
        stored.revision,
        _ENCODE(stored.achievement),
    )


async def next_revision(connection: Connection, institution_id: InstitutionId, achievement_id: AchievementId) -> int:
    """Return the number of the next revision of an achievement that the caller has locked."""
    number: int = await connection.fetchval(
        """SELECT max(revision) + 1 FROM achievement_revision WHERE institution_id = $1 AND achievement_id = $2""",
        institution_id,
        achievement_id,
    )
    return number


async def revisions(
    connection: Connection, institution_id: InstitutionId, achievement_id: AchievementId
) -> list[StoredAchievement]:
    """Return the revisions of an achievement, the newest first, at most `REVISIONS_MAX`."""
    rows = await connection.fetch(
        """SELECT achievement_id, revision, content FROM achievement_revision
           WHERE institution_id = $1 AND achievement_id = $2 ORDER BY revision DESC LIMIT $3""",
        institution_id,
        achievement_id,
        REVISIONS_MAX,
    )
    return [_stored(row) for row in rows]


async def by_source(connection: Connection, institution_id: InstitutionId, uri: str) -> list[Sourced]:
    """Return the achievements that have a URI or came with it, and keep others from revising them."""
    rows = await connection.fetch(
        """SELECT achievement_id, revision, content, CASE WHEN source_uri IS NOT NULL THEN source_issuer END AS issuer
           FROM achievement JOIN achievement_revision USING (institution_id, achievement_id, revision)
           WHERE institution_id = $1 AND (uri = $2 OR source_uri = $2)
           ORDER BY achievement_id FOR UPDATE OF achievement""",
        institution_id,
        uri,
    )
    return [Sourced(stored=_stored(row), source_issuer=row["issuer"]) for row in rows]


async def revise(
    connection: Connection,
    institution_id: InstitutionId,
    achievement_id: AchievementId,
    achievement: Achievement,
    *,
    search_text: str,
) -> int:
    """Add a revision to an achievement that the caller has locked, and make it the current one; return its number."""
    revision = await next_revision(connection, institution_id, achievement_id)
    stored = StoredAchievement(achievement_id=achievement_id, revision=revision, achievement=achievement)
    await add_revision(connection, institution_id, stored)
    await connection.execute(
        """UPDATE achievement SET revision = $3, search_text = $4, has_recipe = $5
           WHERE institution_id = $1 AND achievement_id = $2""",
        institution_id,
        achievement_id,
        revision,
        search_text,
        achievement.recipe is not None,
    )
    return revision


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, achievement_id: AchievementId
) -> StoredAchievement | None:
    """Return the current revision of an achievement."""
    row = await connection.fetchrow(f"{_CURRENT} AND achievement_id = $2", institution_id, achievement_id)
    return _stored(row) if row else None


async def lock(
    connection: Connection, institution_id: InstitutionId, achievement_id: AchievementId
) -> StoredAchievement | None:
    """Return the current revision and keep others from revising it until the transaction ends."""
    row = await connection.fetchrow(
        f"{_CURRENT} AND achievement_id = $2 FOR UPDATE OF achievement", institution_id, achievement_id
    )
    return _stored(row) if row else None


async def by_uris(
    connection: Connection | Pool, institution_id: InstitutionId, uris: Sequence[str]
) -> dict[str, StoredAchievement]:
    """Return the current revisions of achievements by what they were asked by: URI, imported one's URI, or short id.

    An imported one's URI that several sources used names none of them.
    """
    rows = await connection.fetch(
        """SELECT asked.uri AS asked, achievement_id, revision, content,
               achievement.uri = asked.uri OR achievement_id = asked.uri AS is_own
           FROM unnest($2::text[]) AS asked (uri)
           JOIN achievement ON institution_id = $1
               AND (achievement.uri = asked.uri OR source_uri = asked.uri OR achievement_id = asked.uri)
           JOIN achievement_revision USING (institution_id, achievement_id, revision)
           ORDER BY achievement.uri = asked.uri""",
        institution_id,
        list(dict.fromkeys(uris)),
    )
    own = {row["asked"]: _stored(row) for row in rows if row["is_own"]}
    foreign: dict[str, list[StoredAchievement]] = {}
    for row in rows:
        if row["asked"] not in own:
            foreign.setdefault(row["asked"], []).append(_stored(row))
    return own | {asked: found[0] for asked, found in foreign.items() if len(found) == 1}


async def page(
    connection: Connection | Pool, institution_id: InstitutionId, *, after: str, limit: int
) -> list[StoredAchievement]:
    """Return current revisions in the order of their ids, behind `after`."""
    rows = await connection.fetch(
        f"{_CURRENT} AND achievement_id > $2 ORDER BY achievement_id LIMIT $3", institution_id, after, limit
    )
    return [_stored(row) for row in rows]


async def with_recipes(connection: Connection | Pool, *, after: tuple[str, str], limit: int) -> list[Offered]:
    """Return the achievements of all institutions that have a recipe, by institution and id, behind `after`."""
    rows = await connection.fetch(
        """SELECT record, achievement_id, content FROM achievement
           JOIN institution USING (institution_id)
           JOIN achievement_revision USING (institution_id, achievement_id, revision)
           WHERE has_recipe AND (institution_id, achievement_id) > ($1::uuid, $2)
           ORDER BY institution_id, achievement_id LIMIT $3""",
        *after,
        limit,
    )
    return [_offered(row) for row in rows]


def _offered(row: asyncpg.Record) -> Offered:
    return Offered(
        tenant=_DECODE_TENANT(row["record"]),
        achievement_id=row["achievement_id"],
        achievement=_DECODE(row["content"]),
    )


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
           WHERE slug >= $1 AND (slug, achievement_id) > ($1, $2) AND ($3::text IS NULL OR
               array_to_tsvector(array_remove(regexp_split_to_array(search_text, '\s+'), '')) @@ $3::tsquery)
           ORDER BY slug, achievement_id LIMIT $4""",
        *after,
        asked,
        limit,
    )
    return [_offered(row) for row in rows]
