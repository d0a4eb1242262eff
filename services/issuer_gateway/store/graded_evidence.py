"""SQL of the credentials of one achievement that were shown to an office towards one programme. Opens no seal."""

from datetime import datetime

import msgspec

from proto.ids import ApplicationId, InstitutionId, LearnerId
from proto.wire.applications import ApplicationState
from services.issuer_gateway.store.applications import SealedEvidence
from services.persistence.postgres import Connection, Pool


class ShownEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of this log that was shown, sealed under the key of `learner_id`, and how its application stands."""

    item: SealedEvidence
    learner_id: LearnerId
    state: ApplicationState
    created_at: datetime


async def of_achievement(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    *,
    achievement_issuer: str,
    achievement: str,
    programme: str,
    limit: int,
) -> list[ShownEvidence]:
    """Return credentials of an achievement that were shown towards a programme and are not erased, the newest first."""
    rows = await connection.fetch(
        """SELECT item.application_id::text, item.number, sealed_title, sealed_evidence, sealed_answer,
               learner_id::text, state, application.created_at
           FROM application_item AS item JOIN application USING (application_id) JOIN learner USING (learner_id)
           WHERE item.of_institution = $1 AND item.achievement_issuer = $2 AND item.achievement = $3
               AND item.credential_id IS NOT NULL AND programme = $4 AND erased_at IS NULL
           ORDER BY application.created_at DESC, item.application_id, item.number LIMIT $5""",
        institution_id,
        achievement_issuer,
        achievement,
        programme,
        limit,
    )
    return [
        ShownEvidence(
            item=SealedEvidence(
                application_id=ApplicationId(row["application_id"]),
                number=row["number"],
                sealed_title=row["sealed_title"],
                sealed_evidence=row["sealed_evidence"],
                sealed_answer=row["sealed_answer"],
            ),
            learner_id=LearnerId(row["learner_id"]),
            state=row["state"],
            created_at=row["created_at"],
        )
        for row in rows
    ]
