"""SQL of decisions on applications that are to be put on the log: when, which are due, and what became of them."""

from datetime import datetime

import asyncpg
import msgspec

from proto.ids import ApplicationId, CredentialId, EventId, InstitutionId
from proto.wire.applications import RecognitionDecision
from services.persistence.postgres import Connection, Pool


async def publish_later(connection: Connection, application_id: ApplicationId, number: int, at: datetime) -> None:
    """Note when a decision is to be put on the log."""
    await connection.execute(
        "UPDATE application_item SET publish_at = $3 WHERE application_id = $1 AND number = $2",
        application_id,
        number,
        at,
    )


class ToPublish(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is to be put on the log now."""

    application_id: ApplicationId
    institution_id: InstitutionId
    number: int
    round: int
    programme: str
    credential_id: CredentialId
    decision: RecognitionDecision
    ects_hundredths: int | None
    eqf_level: int | None
    under_event: EventId | None
    replaces: EventId | None
    """What an earlier decision on it has put there."""


async def to_publish(connection: Connection | Pool, *, limit: int) -> list[ToPublish]:
    """Return decisions whose time for the log has come, the first first."""
    rows = await connection.fetch(
        """SELECT application_id, institution_id, number, round, programme, credential_id, decision, ects_hundredths,
               eqf_level, under_event, replaces
           FROM (SELECT DISTINCT ON (application_id, number) application_id::text, institution_id::text, number, round,
               programme, credential_id, decision, made.ects_hundredths, made.eqf_level, under_event,
               (SELECT earlier.recognition FROM application_decision AS earlier
                   WHERE earlier.application_id = made.application_id AND earlier.number = made.number
                       AND earlier.round < made.round AND earlier.recognition IS NOT NULL
                   ORDER BY earlier.round DESC LIMIT 1) AS replaces, publish_at
           FROM application JOIN application_item AS item USING (application_id)
               JOIN application_decision AS made USING (application_id, number)
           WHERE publish_at <= now() AND credential_id IS NOT NULL AND state = 'decided'
           ORDER BY application_id, number, round DESC) AS due
           ORDER BY publish_at, application_id, number LIMIT $1""",
        limit,
    )
    return [_to_publish(row) for row in rows]


def _to_publish(row: asyncpg.Record) -> ToPublish:
    hexed = {name: row[name].hex() if row[name] else None for name in ("credential_id", "under_event", "replaces")}
    return ToPublish(**(dict(row) | hexed))


async def lock_due(connection: Connection, found: ToPublish) -> bool:
    """Tell whether a decision is still to be put on the log; nobody changes it until the transaction ends."""
    await connection.execute("SELECT FROM application WHERE application_id = $1 FOR UPDATE", found.application_id)
    is_due: bool = await connection.fetchval(
        """SELECT EXISTS (
               SELECT FROM application_item AS item JOIN application USING (application_id)
               WHERE application_id = $1 AND number = $2 AND publish_at <= now() AND state = 'decided')""",
        found.application_id,
        found.number,
    )
    return is_due


async def put_off(connection: Connection | Pool, found: ToPublish, *, seconds: float) -> None:
    """Let a decision wait behind those that are due until then."""
    await connection.execute(
        """UPDATE application_item SET publish_at = now() + make_interval(secs => $3)
           WHERE application_id = $1 AND number = $2 AND publish_at <= now()""",
        found.application_id,
        found.number,
        seconds,
    )


async def published(connection: Connection | Pool, found: ToPublish, recognition: EventId | None) -> None:
    """Note the event of a decision that was put on the log; None where the log refused it for good."""
    await connection.execute(
        """UPDATE application_decision SET recognition = $4
           WHERE application_id = $1 AND number = $2 AND round = $3""",
        found.application_id,
        found.number,
        found.round,
        bytes.fromhex(recognition) if recognition else None,
    )
    await connection.execute(
        "UPDATE application_item SET publish_at = NULL WHERE application_id = $1 AND number = $2",
        found.application_id,
        found.number,
    )
