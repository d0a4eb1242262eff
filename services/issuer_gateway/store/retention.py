"""SQL of how long institutions keep what, and of learners whose documents nobody has to keep any more."""

from collections.abc import Collection, Sequence

from proto.ids import InstitutionId
from proto.wire.retention import RetentionRule, RetentionRules
from services.issuer_gateway.store import locks
from services.persistence.postgres import Connection, Pool

_DAYS = ("document_days", "application_days", "dossier_days")


async def hold(connection: Connection, institution_ids: Collection[InstitutionId]) -> None:
    """Let nobody change what these institutions keep until the transaction ends, which takes away by it."""
    await locks.share(connection, (locks.digest_of("retention", each) for each in institution_ids))


async def lock(connection: Connection, institution_id: InstitutionId) -> None:
    """Let nobody else change what an institution keeps, or take anything away by it, until the transaction ends."""
    await locks.lock(connection, [locks.digest_of("retention", institution_id)])


async def rules(connection: Connection | Pool, institution_id: InstitutionId) -> RetentionRules:
    """Return the rules of an institution."""
    rows = await connection.fetch(
        """SELECT nullif(achievement, '') AS achievement, document_days, application_days, dossier_days, audit_days
           FROM retention_rule WHERE institution_id = $1 ORDER BY achievement""",
        institution_id,
    )
    found = [RetentionRule(achievement=row["achievement"], **{name: row[name] for name in _DAYS}) for row in rows]
    return RetentionRules(
        rules=tuple(rule for rule in found if any(getattr(rule, name) for name in _DAYS)),
        audit_days=next((row["audit_days"] for row in rows if row["audit_days"]), None),
    )


async def change(connection: Connection, institution_id: InstitutionId, new: RetentionRules) -> None:
    """Put rules in place of those that an institution had; the caller has locked them."""
    by_name = {rule.achievement or "": rule for rule in new.rules}
    if new.audit_days is not None:
        by_name.setdefault("", RetentionRule())
    await connection.execute("DELETE FROM retention_rule WHERE institution_id = $1", institution_id)
    await connection.executemany(
        """INSERT INTO retention_rule (institution_id, achievement, document_days, application_days, dossier_days,
               audit_days)
           VALUES ($1, $2, $3, $4, $5, $6)""",
        [
            (institution_id, name, *(getattr(rule, each) for each in _DAYS), None if name else new.audit_days)
            for name, rule in by_name.items()
        ],
    )


async def with_document_rules(connection: Connection | Pool) -> list[InstitutionId]:
    """Return the institutions that keep documents of an achievement for a time only."""
    rows = await connection.fetch(
        "SELECT DISTINCT institution_id::text FROM retention_rule WHERE document_days IS NOT NULL"
    )
    return [row["institution_id"] for row in rows]


async def with_audit_days(connection: Connection | Pool) -> list[InstitutionId]:
    """Return the institutions that keep their audit trails for a time only."""
    rows = await connection.fetch("SELECT institution_id::text FROM retention_rule WHERE audit_days IS NOT NULL")
    return [row["institution_id"] for row in rows]


async def audit_days(connection: Connection | Pool, institution_id: InstitutionId) -> int | None:
    """Return for how many days an institution keeps its audit trail; None: for ever."""
    days: int | None = await connection.fetchval(
        "SELECT audit_days FROM retention_rule WHERE institution_id = $1 AND achievement = ''", institution_id
    )
    return days


async def refs(connection: Connection | Pool, institution_id: InstitutionId, *, after: str, limit: int) -> list[str]:
    """Return an institution's names for learners, in order, behind `after`."""
    rows = await connection.fetch(
        "SELECT ref FROM learner WHERE institution_id = $1 AND ref > $2 ORDER BY ref LIMIT $3",
        institution_id,
        after,
        limit,
    )
    return [row["ref"] for row in rows]


async def outlived(connection: Connection | Pool, institution_id: InstitutionId, refs: Sequence[str]) -> list[str]:
    """Return those learners who have documents, none of which has to be kept any more, and nothing that waits."""
    rows = await connection.fetch(
        """SELECT ref FROM learner
           WHERE institution_id = $1 AND ref = ANY($2::text[])
               AND (SELECT bool_and(coalesce(credential.created_at < now() - make_interval(days => coalesce(
                            own.document_days, other.document_days)), false))
                    FROM credential JOIN achievement
                            ON achievement.institution_id = credential.institution_id
                            AND achievement.achievement_id = credential.achievement_id
                        LEFT JOIN retention_rule AS own
                            ON own.institution_id = $1 AND own.achievement = achievement.uri
                        LEFT JOIN retention_rule AS other ON other.institution_id = $1 AND other.achievement = ''
                    WHERE credential.learner_id = learner.learner_id)
               AND NOT EXISTS (SELECT FROM request WHERE request.learner_id = learner.learner_id AND state = 'open')
               AND NOT EXISTS (SELECT FROM claim WHERE claim.learner_id = learner.learner_id
                   AND used_at IS NULL AND cancelled_at IS NULL AND expires_at > now())
               AND NOT EXISTS (SELECT FROM application WHERE of_learner = learner.learner_id)
           ORDER BY ref""",
        institution_id,
        list(refs),
    )
    return [row["ref"] for row in rows]


async def is_outlived(connection: Connection, institution_id: InstitutionId, ref: str) -> bool:
    """Tell whether nothing of a learner has to be kept, by rules that the caller holds.

    Until the transaction ends nobody adds anything to what the learner has.
    """
    await connection.execute(
        "SELECT FROM learner WHERE institution_id = $1 AND ref = $2 FOR UPDATE", institution_id, ref
    )
    return bool(await outlived(connection, institution_id, [ref]))
