"""SQL of like cases: how an institution decided on an achievement before. Reads what is in clear only."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from proto.ids import ApplicationId, InstitutionId
from proto.wire.applications import RecognitionDecision
from services.issuer_gateway.store.applications import SealedEvidence
from services.persistence.postgres import Connection, Pool

PRECEDENTS_MAX = 500
"""So many decisions on like cases are counted, the newest first."""
_COUNTED = """
    SELECT achievement, achievement_issuer, programme, decision, ects_hundredths, count(*) AS count,
        max(decided_at) AS last_at
    FROM"""
_THAT_COUNT = """
    SELECT DISTINCT ON (item.application_id, item.number) item.achievement, item.achievement_issuer,
        application.programme, made.decision, made.ects_hundredths, made.decided_at
    FROM application JOIN application_item AS item USING (application_id)
        JOIN application_decision AS made USING (application_id, number)
    WHERE application.institution_id = $1"""
"""The decision that counts on a piece of evidence is the last one; to be ordered by that, in each statement."""
_LAST_FIRST = "ORDER BY item.application_id, item.number, made.round DESC"
_OF_EACH = """
    SELECT asked.application_id::text AS application_id, asked.number, found.*
    FROM unnest($2::uuid[], $3::integer[], $4::text[], $5::text[])
            AS asked (application_id, number, achievement, issuer)
        CROSS JOIN LATERAL"""
EvidencePlace = tuple[ApplicationId, int]
"""A piece of evidence: its application, and its number there."""


class LikeCase(msgspec.Struct, frozen=True, kw_only=True):
    """How often this office decided one way on an achievement, towards a programme, by the decision that counts."""

    achievement: str
    achievement_issuer: str
    programme: str
    decision: RecognitionDecision
    ects_hundredths: int | None
    count: int
    last_at: datetime


async def of_all(connection: Connection | Pool, institution_id: InstitutionId) -> list[LikeCase]:
    """Return how this institution decided, by achievement and programme."""
    rows = await connection.fetch(
        f"""{_COUNTED} ({_THAT_COUNT} AND item.of_institution = $1 AND made.of_institution = $1
                AND item.achievement IS NOT NULL {_LAST_FIRST}) AS counting
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, last_at DESC LIMIT $2""",
        institution_id,
        PRECEDENTS_MAX,
    )
    return [LikeCase(**dict(row)) for row in rows]


async def of_evidence(
    connection: Connection | Pool, institution_id: InstitutionId, items: Sequence[SealedEvidence]
) -> dict[EvidencePlace, list[LikeCase]]:
    """Return how this institution decided on the achievements of pieces of evidence, but for their own applications.

    One statement, however many pieces there are; what is of no known achievement is like nothing.
    """
    asked = [item for item in items if item.achievement is not None]
    if not asked:
        return {}
    rows = await connection.fetch(
        f"""{_OF_EACH} ({_COUNTED} ({_THAT_COUNT} AND item.of_institution = $1 AND item.achievement = asked.achievement
                AND item.achievement_issuer = asked.issuer AND item.application_id <> asked.application_id
                {_LAST_FIRST}) AS counting
            GROUP BY 1, 2, 3, 4, 5 ORDER BY 3, last_at DESC LIMIT $6) AS found""",
        institution_id,
        [item.application_id for item in asked],
        [item.number for item in asked],
        [item.achievement for item in asked],
        [item.achievement_issuer for item in asked],
        PRECEDENTS_MAX,
    )
    found: dict[EvidencePlace, list[LikeCase]] = {}
    for row in rows:
        fields = {name: row[name] for name in LikeCase.__struct_fields__}
        found.setdefault((row["application_id"], row["number"]), []).append(LikeCase(**fields))
    return found
