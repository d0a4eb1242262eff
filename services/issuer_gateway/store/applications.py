"""SQL of applications for recognition. What people wrote comes and goes sealed; of links only hashes are here."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from proto.ids import AgreementId, ApiKeyId, ApplicationId, CredentialId, EventId, InstitutionId, LearnerId
from proto.wire.applications import ApplicationState, ReasonCode, RecognitionDecision
from services.issuer_gateway.store.list_ends import FIRST
from services.persistence.postgres import Connection, Pool

_STORED = """
    SELECT application_id::text, application.institution_id::text, learner_id::text, state, programme, is_public,
        sealed_applicant, application.created_at, due_at"""
_SELECT = f"{_STORED}, ref, erased_at IS NOT NULL AS is_erased FROM application JOIN learner USING (learner_id)"
_IS_ERASED = """coalesce((
            SELECT true FROM learner WHERE learner.learner_id = application.learner_id AND erased_at IS NOT NULL
        ), false) AS is_erased"""
_LISTED = f"{_STORED}, {_IS_ERASED} FROM application"
_OUTLIVED = """closed_at < now() - make_interval(
        days => least($1, (SELECT min(least(application_days, dossier_days)) FROM retention_rule)))
    AND closed_at < now() - make_interval(days => coalesce((
        SELECT min(CASE WHEN item.achievement IS NULL THEN coalesce(other.dossier_days, other.application_days)
                ELSE coalesce(own.application_days, other.application_days) END)
        FROM application_item AS item
            LEFT JOIN retention_rule AS own ON own.institution_id = application.institution_id
                AND own.achievement = item.achievement
            LEFT JOIN retention_rule AS other ON other.institution_id = application.institution_id
                AND other.achievement = ''
        WHERE item.application_id = application.application_id), $1))"""
_APPEALED = """
    SELECT FROM application_item AS item WHERE item.application_id = application.application_id
        AND sealed_appeal IS NOT NULL AND NOT EXISTS (
            SELECT FROM application_decision AS made WHERE made.application_id = item.application_id
                AND made.number = item.number AND made.round = 2)"""
_WANTED = f"""
    AND (due_at, application.application_id) > ($2, $3::uuid) AND due_at < CASE WHEN $6 THEN now() ELSE 'infinity' END
    AND ($5::text IS NULL OR programme = $5) AND (NOT $7 OR EXISTS ({_APPEALED}))
    ORDER BY due_at, application.application_id LIMIT $4"""


class NewApplication(msgspec.Struct, frozen=True, kw_only=True):
    """An application to be added."""

    application_id: ApplicationId
    institution_id: InstitutionId
    learner_id: LearnerId
    token_hash: bytes
    programme: str
    is_public: bool
    sealed_applicant: bytes
    due_at: datetime


class SealedEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence, sealed; in clear what it is of, where that is known, and when it goes to the log."""

    application_id: ApplicationId
    number: int
    sealed_title: bytes
    sealed_evidence: bytes
    sealed_answer: bytes | None = None
    sealed_appeal: bytes | None = None
    credential_id: CredentialId | None = None
    achievement: str | None = None
    achievement_issuer: str | None = None


class EvidenceDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision on a piece of evidence; `api_key_id` is who decided, None where it was decided at once."""

    application_id: ApplicationId
    number: int
    round: int
    decision: RecognitionDecision
    ects_hundredths: int | None
    eqf_level: int | None
    reasons: tuple[ReasonCode, ...]
    sealed_text: bytes | None
    api_key_id: ApiKeyId | None
    under_event: EventId | None
    decided_at: datetime
    recognition: EventId | None = None
    sealed_assessor: bytes | None = None
    agreement: AgreementId | None = None


class StoredApplication(msgspec.Struct, frozen=True, kw_only=True):
    """An application as it lies there."""

    application_id: ApplicationId
    institution_id: InstitutionId
    learner_id: LearnerId
    state: ApplicationState
    programme: str
    is_public: bool
    sealed_applicant: bytes
    created_at: datetime
    due_at: datetime
    is_erased: bool


class NamedApplication(StoredApplication, frozen=True, kw_only=True):
    """An application with the name under which its learner is known here; None once the learner was erased."""

    ref: str | None


class WantedApplications(msgspec.Struct, frozen=True, kw_only=True):
    """Which applications: in one state, towards one programme, past their day, with an appeal that waits."""

    state: ApplicationState | None = None
    programme: str | None = None
    is_overdue: bool = False
    is_appealed: bool = False


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value is not None else None


def _bytes(value: str | None) -> bytes | None:
    return bytes.fromhex(value) if value is not None else None


def _application(row: asyncpg.Record) -> NamedApplication:
    return NamedApplication(**dict(row))


def _item(row: asyncpg.Record) -> SealedEvidence:
    return SealedEvidence(**(dict(row) | {"credential_id": _hex(row["credential_id"])}))


def _decided(row: asyncpg.Record) -> EvidenceDecision:
    hexed = {name: _hex(row[name]) for name in ("under_event", "recognition", "agreement")}
    return EvidenceDecision(**(dict(row) | hexed | {"reasons": tuple(row["reasons"])}))


async def add(connection: Connection, new: NewApplication, items: Sequence[SealedEvidence]) -> datetime:
    """Add an open application with its evidence, and return when it was made."""
    created_at: datetime = await connection.fetchval(
        """INSERT INTO application (application_id, institution_id, learner_id, token_hash, programme, is_public,
               sealed_applicant, due_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING created_at""",
        *msgspec.structs.astuple(new),
    )
    await connection.executemany(
        """INSERT INTO application_item (application_id, number, sealed_title, sealed_evidence, sealed_answer,
               sealed_appeal, credential_id, achievement, achievement_issuer)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        [
            (*msgspec.structs.astuple(item)[:6], _bytes(item.credential_id), item.achievement, item.achievement_issuer)
            for item in items
        ],
    )
    return created_at


async def count_open(connection: Connection | Pool, institution_id: InstitutionId) -> int:
    """Return how many applications wait for an institution."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM application WHERE institution_id = $1 AND state = 'open'", institution_id
    )
    return count


async def by_token(connection: Connection | Pool, token_hash: bytes) -> NamedApplication | None:
    """Return the application whose link has this hash."""
    row = await connection.fetchrow(f"{_SELECT} WHERE token_hash = $1", token_hash)
    return _application(row) if row else None


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, application_id: ApplicationId
) -> NamedApplication | None:
    """Return an application to the institution; another institution's is not there."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE application_id = $1 AND application.institution_id = $2", application_id, institution_id
    )
    return _application(row) if row else None


async def lock(
    connection: Connection, institution_id: InstitutionId, application_id: ApplicationId
) -> NamedApplication | None:
    """Return an application to the institution and let nobody else decide on it until the transaction ends."""
    await connection.execute("SELECT FROM application WHERE application_id = $1 FOR UPDATE", application_id)
    return await get(connection, institution_id, application_id)  # a statement of its own sees what we waited for


async def page(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    *,
    wanted: WantedApplications,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[StoredApplication]:
    """Return applications to the institution, those that are wanted, due ones first, behind `after`."""
    asked = (*(after or FIRST), limit, wanted.programme, wanted.is_overdue, wanted.is_appealed)
    if wanted.state is None:
        rows = await connection.fetch(
            f"{_LISTED} WHERE application.institution_id = $1 {_WANTED}", institution_id, *asked
        )
    else:
        rows = await connection.fetch(
            f"{_LISTED} WHERE application.institution_id = $1 AND state = $8 {_WANTED}",
            institution_id,
            *asked,
            wanted.state,
        )
    return [StoredApplication(**dict(row)) for row in rows]


async def item_counts(
    connection: Connection | Pool, institution_id: InstitutionId, application_ids: Sequence[ApplicationId]
) -> dict[ApplicationId, int]:
    """Return how many pieces of evidence applications to the institution have, of those that have any."""
    rows = await connection.fetch(
        """SELECT application_id::text, count(*) AS item_count FROM application_item
           WHERE of_institution = $1 AND application_id = ANY($2::uuid[]) GROUP BY application_item.application_id""",
        institution_id,
        list(application_ids),
    )
    return {row["application_id"]: row["item_count"] for row in rows}


async def items(connection: Connection | Pool, application_ids: Sequence[ApplicationId]) -> list[SealedEvidence]:
    """Return the evidence of applications, in its order."""
    rows = await connection.fetch(
        """SELECT application_id::text, number, sealed_title, sealed_evidence, sealed_answer, sealed_appeal,
               credential_id, achievement, achievement_issuer
           FROM application_item WHERE application_id = ANY($1::uuid[]) ORDER BY application_id, number""",
        list(application_ids),
    )
    return [_item(row) for row in rows]


async def decisions(connection: Connection | Pool, application_ids: Sequence[ApplicationId]) -> list[EvidenceDecision]:
    """Return what was decided on applications, the first decision of each piece first."""
    rows = await connection.fetch(
        """SELECT application_id::text, number, round, decision, ects_hundredths, eqf_level, reasons, sealed_text,
               api_key_id, under_event, recognition, decided_at, sealed_assessor, agreement
           FROM application_decision WHERE application_id = ANY($1::uuid[]) ORDER BY application_id, number, round""",
        list(application_ids),
    )
    return [_decided(row) for row in rows]


async def decide(connection: Connection, made: EvidenceDecision) -> None:
    """Keep a decision on an application that the caller has locked."""
    await connection.execute(
        """INSERT INTO application_decision (application_id, number, round, decision, ects_hundredths, eqf_level,
               reasons, sealed_text, api_key_id, under_event, decided_at, sealed_assessor, agreement)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)""",
        *msgspec.structs.astuple(made)[:6],
        list(made.reasons),
        made.sealed_text,
        made.api_key_id,
        _bytes(made.under_event),
        made.decided_at,
        made.sealed_assessor,
        _bytes(made.agreement),
    )


async def appeal(
    connection: Connection, application_id: ApplicationId, number: int, sealed: bytes, *, due_at: datetime
) -> None:
    """Keep an appeal; the caller has locked the application, and opens it again; nothing of the document is published.

    Where all was decided, the office has until `due_at`; else the day that it has already is that of the rest, too.
    """
    await connection.execute(
        "UPDATE application SET due_at = $2 WHERE application_id = $1 AND state = 'decided'", application_id, due_at
    )
    await connection.execute(
        """UPDATE application_item SET sealed_appeal = $3, publish_at = NULL
           WHERE application_id = $1 AND number = $2""",
        application_id,
        number,
        sealed,
    )


async def set_state(connection: Connection, application_id: ApplicationId, state: ApplicationState) -> None:
    """Say how an application stands that the caller has locked."""
    await connection.execute(
        """UPDATE application SET state = $2, closed_at = CASE WHEN $2 = 'open' THEN NULL ELSE now() END
           WHERE application_id = $1""",
        application_id,
        state,
    )


async def with_lapsing(connection: Connection, *, days: int, limit: int) -> list[InstitutionId]:
    """Return whose applications are closed for too long and still hold personal data; their rules may change yet."""
    rows = await connection.fetch(f"{_SELECT} WHERE erased_at IS NULL AND {_OUTLIVED} LIMIT $2", days, limit)
    return sorted({row["institution_id"] for row in rows})


async def lapsing(
    connection: Connection, institution_ids: Sequence[InstitutionId], *, days: int, limit: int
) -> list[NamedApplication]:
    """Return, locked, applications to these institutions that are closed for too long and still hold personal data.

    How long is said by the institution's rules, which the caller holds, for what they are about, the fewest days first;
    else it is `days`.
    """
    rows = await connection.fetch(
        f"""{_SELECT} WHERE erased_at IS NULL AND {_OUTLIVED} AND application.institution_id = ANY($3::uuid[])
            ORDER BY application_id LIMIT $2 FOR UPDATE OF application SKIP LOCKED""",
        days,
        limit,
        list(institution_ids),
    )
    return [_application(row) for row in rows]


async def forget(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Take away what was said, shown and decided in applications of learners who are being erased."""
    await connection.execute(
        """DELETE FROM application_item WHERE application_id IN
               (SELECT application_id FROM application WHERE learner_id = ANY($1::uuid[]))""",
        list(learner_ids),
    )
    await connection.execute(
        """UPDATE application SET sealed_applicant = '', of_learner = NULL,
               state = CASE WHEN state = 'lapsed' THEN state ELSE 'withdrawn' END,
               closed_at = coalesce(closed_at, now())
           WHERE learner_id = ANY($1::uuid[])""",
        list(learner_ids),
    )
