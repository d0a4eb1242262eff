"""SQL of ESCO's skills: facts of others, loaded by the operator, found by their beginnings."""

from collections.abc import Sequence

from proto.tables.esco_csv import EscoSkill
from proto.wire.esco import EscoFound
from services.persistence.postgres import Connection, Pool


async def put(connection: Connection, language: str, skills: Sequence[EscoSkill]) -> None:
    """Add skills in one language, or replace what was known of them; no URI stands twice in `skills`."""
    await connection.execute(
        """INSERT INTO esco_skill (uri, language, label, skill_type, description, search_text)
           SELECT uri, $1, label, skill_type, description, search_text
           FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
               AS new (uri, label, skill_type, description, search_text)
           ON CONFLICT (uri, language) DO UPDATE SET label = excluded.label, skill_type = excluded.skill_type,
               description = excluded.description, search_text = excluded.search_text""",
        language,
        [skill.uri for skill in skills],
        [skill.label for skill in skills],
        [skill.type for skill in skills],
        [skill.description for skill in skills],
        [skill.search_text for skill in skills],
    )


async def search(connection: Connection | Pool, *, language: str, words: Sequence[str], limit: int) -> list[EscoFound]:
    """Return skills whose labels hold every word; labels that begin so first, then the shortest."""
    escaped = [word.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") for word in words]
    rows = await connection.fetch(
        """SELECT uri, label, skill_type AS type, description FROM esco_skill
           WHERE language = $1 AND search_text LIKE ALL ($2::text[])
           ORDER BY search_text LIKE $3 DESC, length(label), label, uri LIMIT $4""",
        language,
        [f"%{word}%" for word in escaped],
        " ".join(escaped) + "%",
        limit,
    )
    return [EscoFound(**dict(row)) for row in rows]
