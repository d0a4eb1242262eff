"""SQL of reminders that applications are to be decided. Knows no person."""

from collections.abc import Mapping, Sequence

import asyncpg

from proto.ids import ApplicationId, InstitutionId, LearnerId
from proto.moment import from_datetime
from proto.wire.reminders import Reminder
from services.persistence.postgres import Connection, Pool

_REMINDER_LOCK = 0x72_65_6D_69
"""Key of the advisory lock under which one process at a time reminds ("remi"), so that numbers come in order."""


async def remind(connection: Connection, *, days_before: int, own_days: Mapping[InstitutionId, int], limit: int) -> int:
    """Add the reminders that are due now of applications that wait, each once a round; return how many.

    An institution is reminded `days_before` an application is due, or as many days as `own_days` has for it.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _REMINDER_LOCK)
    rows = await connection.fetch(
        """INSERT INTO application_reminder (institution_id, application_id, kind, round, due_at)
           SELECT institution_id, application_id, kind, round, due_at
           FROM (SELECT institution_id, application_id, due_at,
                     CASE WHEN due_at <= now() THEN 'overdue' ELSE 'due-soon' END AS kind,
                     CASE WHEN EXISTS (SELECT FROM application_item AS item
                         WHERE item.application_id = application.application_id AND sealed_appeal IS NOT NULL)
                         THEN 2 ELSE 1 END AS round
                 FROM application LEFT JOIN unnest($3::uuid[], $4::integer[]) AS own (institution_id, days)
                     USING (institution_id)
                 WHERE state = 'open' AND due_at <= now() + make_interval(days => $5)
                     AND due_at <= now() + make_interval(days => coalesce(own.days, $1))) AS waiting
           WHERE NOT EXISTS (SELECT FROM application_reminder AS known
               WHERE known.application_id = waiting.application_id AND known.kind = waiting.kind
                   AND known.round = waiting.round)
           ORDER BY due_at, application_id LIMIT $2 RETURNING reminder_id""",
        days_before,
        limit,
        list(own_days),
        list(own_days.values()),
        max([days_before, *own_days.values()]),
    )
    return len(rows)


async def page(
    connection: Connection | Pool, institution_id: InstitutionId, *, after: int, limit: int
) -> list[Reminder]:
    """Return reminders behind a number of applications that still wait, in order."""
    rows = await connection.fetch(
        """SELECT reminder_id, application_id::text, kind, application_reminder.due_at,
               application_reminder.created_at
           FROM application_reminder JOIN application USING (application_id)
           WHERE application_reminder.institution_id = $1 AND reminder_id > $2 AND state = 'open'
           ORDER BY reminder_id LIMIT $3""",
        institution_id,
        after,
        limit,
    )
    return [_reminder(row) for row in rows]


async def of_applications(connection: Connection | Pool, application_ids: Sequence[ApplicationId]) -> list[Reminder]:
    """Return what the office was reminded of about applications, in order."""
    rows = await connection.fetch(
        """SELECT reminder_id, application_id::text, kind, due_at, created_at FROM application_reminder
           WHERE application_id = ANY($1::uuid[]) ORDER BY reminder_id""",
        list(application_ids),
    )
    return [_reminder(row) for row in rows]


def _reminder(row: asyncpg.Record) -> Reminder:
    return Reminder(
        reminder_id=row["reminder_id"],
        kind=row["kind"],
        application_id=row["application_id"],
        due_at=from_datetime(row["due_at"]),
        created_at=from_datetime(row["created_at"]),
    )


async def forget(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Take away the reminders of applications of learners who are being erased."""
    await connection.execute(
        """DELETE FROM application_reminder WHERE application_id IN
               (SELECT application_id FROM application WHERE learner_id = ANY($1::uuid[]))""",
        list(learner_ids),
    )
