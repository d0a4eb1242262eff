"""SQL of what learners were awarded before. Documents come sealed."""

from collections.abc import Sequence

import msgspec

from proto.ids import AchievementId, CredentialId, EventId, InstitutionId, LearnerId
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection


class _Version(msgspec.Struct):
    version: str = "1"


class EarlierAward(msgspec.Struct, frozen=True, kw_only=True):
    """A credential of a learner for an achievement, in the version that was awarded then."""

    ref: str
    learner_id: LearnerId
    achievement_id: AchievementId
    credential_id: CredentialId
    event_id: EventId
    version: str
    sealed_document: bytes


_DECODE_VERSION = msgspec.json.Decoder(_Version).decode


async def lock_learners(connection: Connection, institution_id: InstitutionId, refs: Sequence[str]) -> None:
    """Let nobody else award anything to these learners, new ones too, until the transaction ends; in a fixed order."""
    await locks.lock(connection, (locks.digest_of("awards", institution_id, ref) for ref in refs))


async def of_pairs(
    connection: Connection, institution_id: InstitutionId, pairs: Sequence[tuple[str, str]]
) -> list[EarlierAward]:
    """Return what these learners, by name, hold of these achievements, by id; what the log refused does not count."""
    rows = await connection.fetch(
        """SELECT asked.ref, credential.learner_id::text, credential.achievement_id, credential_id, credential.event_id,
               achievement_revision.content, sealed_document
           FROM unnest($2::text[], $3::text[]) AS asked (ref, achievement_id)
           JOIN learner ON learner.institution_id = $1 AND learner.ref = asked.ref
           JOIN credential ON credential.learner_id = learner.learner_id
               AND credential.achievement_id = asked.achievement_id
           JOIN outbox ON outbox.event_id = credential.event_id
           JOIN achievement_revision ON achievement_revision.institution_id = $1
               AND achievement_revision.achievement_id = credential.achievement_id
               AND achievement_revision.revision = credential.revision
           WHERE outbox.state <> 'refused'
           ORDER BY credential.created_at, credential_id""",
        institution_id,
        [ref for ref, _ in pairs],
        [achievement_id for _, achievement_id in pairs],
    )
    return [
        EarlierAward(
            ref=row["ref"],
            learner_id=row["learner_id"],
            achievement_id=row["achievement_id"],
            credential_id=CredentialId(row["credential_id"].hex()),
            event_id=EventId(row["event_id"].hex()),
            version=_DECODE_VERSION(row["content"]).version,
            sealed_document=row["sealed_document"],
        )
        for row in rows
    ]
