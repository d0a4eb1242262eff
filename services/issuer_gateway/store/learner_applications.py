"""SQL of which applications are a learner's of the institution, as the office says it."""

from collections.abc import Sequence

from proto.ids import ApplicationId, InstitutionId, LearnerId
from services.persistence.postgres import Connection, Pool


async def say_whose(
    connection: Connection, institution_id: InstitutionId, application_id: ApplicationId, ref: str | None
) -> bool:
    """Keep whose an application is that the caller has locked; None: nobody's. False where there is no such learner."""
    if ref is None:
        await connection.execute("UPDATE application SET of_learner = NULL WHERE application_id = $1", application_id)
        return True
    learner_id = await connection.fetchval(
        "SELECT learner_id FROM learner WHERE institution_id = $1 AND ref = $2 FOR SHARE", institution_id, ref
    )
    if learner_id is None:
        return False
    await connection.execute(
        "UPDATE application SET of_learner = $2 WHERE application_id = $1 AND learner_id <> $2",
        application_id,
        learner_id,
    )
    return True


async def whose(connection: Connection | Pool, application_ids: Sequence[ApplicationId]) -> dict[ApplicationId, str]:
    """Return the institution's own names for the learners whose applications these are."""
    rows = await connection.fetch(
        """SELECT application_id::text, whose.ref
           FROM application JOIN learner AS whose ON whose.learner_id = of_learner
           WHERE application_id = ANY($1::uuid[]) AND whose.ref IS NOT NULL""",
        list(application_ids),
    )
    return {row["application_id"]: row["ref"] for row in rows}


async def of_learner(connection: Connection | Pool, learner_id: LearnerId, *, limit: int) -> list[ApplicationId]:
    """Return a learner's applications that were not erased, the oldest first; those made as that learner too."""
    rows = await connection.fetch(
        """SELECT application_id::text FROM application JOIN learner USING (learner_id)
           WHERE (of_learner = $1 OR learner_id = $1) AND erased_at IS NULL
           ORDER BY application.created_at, application_id LIMIT $2""",
        learner_id,
        limit,
    )
    return [row["application_id"] for row in rows]


async def applicants_of(connection: Connection, learner_ids: Sequence[LearnerId]) -> list[LearnerId]:
    """Return the applicants that these learners were, by what the office said, and that are not erased yet."""
    rows = await connection.fetch(
        """SELECT learner_id::text FROM application JOIN learner USING (learner_id)
           WHERE of_learner = ANY($1::uuid[]) AND erased_at IS NULL ORDER BY learner_id""",
        list(learner_ids),
    )
    return [row["learner_id"] for row in rows]
