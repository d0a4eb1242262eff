"""SQL of the credentials of an institution. Documents come and go sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proto.documents.credential import Achievement
from proto.ids import AchievementId, ApiKeyId, Commitment, CredentialId, Did, EventId, InstitutionId, LearnerId
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_rows import add_rows

_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
_DECODE_ACHIEVEMENT = msgspec.json.Decoder(Achievement).decode
_COLUMNS = (
    *("credential_id", "institution_id", "learner_id", "achievement_id", "revision", "event_id", "ects_hundredths"),
    *("components", "part_digest", "sealed_document", "api_key_id", "commitment"),
)
_SELECT = """
    SELECT credential_id, credential.institution_id::text, learner_id::text, credential.achievement_id,
        credential.revision, achievement_revision.content, event_id, ects_hundredths, components, part_digest,
        sealed_document, commitment, api_key_id::text, document_part.content AS part, credential.created_at, erased_at
    FROM credential
    JOIN learner USING (learner_id)
    LEFT JOIN document_part ON digest = part_digest
    JOIN achievement_revision ON achievement_revision.institution_id = credential.institution_id
        AND achievement_revision.achievement_id = credential.achievement_id
        AND achievement_revision.revision = credential.revision"""


class NewCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential to be added, its document sealed under the learner's key, without the part that is stored apart."""

    credential_id: CredentialId
    institution_id: InstitutionId
    learner_id: LearnerId
    achievement_id: AchievementId
    revision: int
    event_id: EventId
    ects_hundredths: int
    components: tuple[CredentialId, ...]
    part_digest: bytes | None
    sealed_document: bytes
    commitment: Commitment | None = None
    """What its event says of it by rules version 2, which outlives the learner's key; None by version 1."""
    api_key_id: ApiKeyId | None = None
    """The API key whose words the document holds; None where they are a learner's, or it was not kept yet."""


class StoredCredential(NewCredential, frozen=True, kw_only=True):
    """A credential as it lies there, with its part; `erased_at` is when its learner was erased."""

    achievement: Achievement
    part: bytes | None
    created_at: datetime
    erased_at: datetime | None


class WaitingIssue(msgspec.Struct, frozen=True, kw_only=True):
    """A credential whose issue is not on the log yet: its event, as it is going to be sent."""

    credential_id: CredentialId
    event_id: EventId
    institution_id: InstitutionId
    envelope: bytes


def _stored(row: asyncpg.Record) -> StoredCredential:
    return StoredCredential(
        credential_id=CredentialId(row["credential_id"].hex()),
        institution_id=row["institution_id"],
        learner_id=row["learner_id"],
        achievement_id=row["achievement_id"],
        revision=row["revision"],
        achievement=_DECODE_ACHIEVEMENT(row["content"]),
        event_id=EventId(row["event_id"].hex()),
        ects_hundredths=row["ects_hundredths"],
        components=tuple(CredentialId(part.hex()) for part in row["components"]),
        part_digest=row["part_digest"],
        sealed_document=row["sealed_document"],
        commitment=Commitment(row["commitment"].hex()) if row["commitment"] else None,
        api_key_id=row["api_key_id"],
        part=row["part"],
        created_at=row["created_at"],
        erased_at=row["erased_at"],
    )


async def add(connection: Connection, credentials: Sequence[NewCredential]) -> None:
    """Add credentials, whose events are in the outbox already."""
    rows = [
        (
            bytes.fromhex(item.credential_id),
            item.institution_id,
            item.learner_id,
            item.achievement_id,
            item.revision,
            bytes.fromhex(item.event_id),
            item.ects_hundredths,
            [bytes.fromhex(part) for part in item.components],
            item.part_digest,
            item.sealed_document,
            item.api_key_id,
            bytes.fromhex(item.commitment) if item.commitment else None,
        )
        for item in credentials
    ]
    await add_rows(connection, "credential", _COLUMNS, rows)


async def added_at(connection: Connection) -> datetime:
    """Return when the credentials were made that this transaction has added."""
    created_at: datetime = await connection.fetchval("SELECT now()")  # as the column has it: the transaction's time
    return created_at


async def with_event(connection: Connection, event_id: EventId) -> set[CredentialId]:
    """Return the credentials that have this event."""
    rows = await connection.fetch("SELECT credential_id FROM credential WHERE event_id = $1", bytes.fromhex(event_id))
    return {CredentialId(row["credential_id"].hex()) for row in rows}


async def waiting_issues(
    connection: Connection, issuer: Did, credential_ids: Sequence[CredentialId]
) -> list[WaitingIssue]:
    """Return those of the credentials that an institution issued here by an event that waits to be sent."""
    rows = await connection.fetch(
        """SELECT credential_id, event_id, credential.institution_id::text, envelope
           FROM credential JOIN institution USING (institution_id) JOIN outbox USING (event_id)
           WHERE did = $1 AND credential_id = ANY($2::bytea[]) AND state = 'pending'""",
        issuer,
        [bytes.fromhex(each) for each in credential_ids],
    )
    return [
        WaitingIssue(
            credential_id=CredentialId(row["credential_id"].hex()),
            event_id=EventId(row["event_id"].hex()),
            institution_id=row["institution_id"],
            envelope=row["envelope"],
        )
        for row in rows
    ]


async def give_event(
    connection: Connection, credential_ids: Sequence[CredentialId], *, before: EventId, now: EventId
) -> None:
    """Give credentials another event in place of the one that they had."""
    await connection.execute(
        "UPDATE credential SET event_id = $3 WHERE credential_id = ANY($1::bytea[]) AND event_id = $2",
        [bytes.fromhex(each) for each in credential_ids],
        bytes.fromhex(before),
        bytes.fromhex(now),
    )


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, credential_id: CredentialId
) -> StoredCredential | None:
    """Return a credential of the institution; another institution's is not there."""
    return next(iter(await get_many(connection, institution_id, [credential_id])), None)


async def get_many(
    connection: Connection | Pool, institution_id: InstitutionId, credential_ids: Sequence[CredentialId]
) -> list[StoredCredential]:
    """Return credentials of the institution, in no order; another institution's are not there."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE credential.institution_id = $1 AND credential_id = ANY($2::bytea[])",
        institution_id,
        [bytes.fromhex(name) for name in credential_ids],
    )
    return [_stored(row) for row in rows]


async def page(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    *,
    learner: str | None,
    before: tuple[datetime, bytes] | None,
    limit: int,
) -> list[StoredCredential]:
    """Return credentials of the institution (of one learner), the newest first, behind `before`."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE credential.institution_id = $1 AND ($2::uuid IS NULL OR learner_id = $2)
            AND ($3::timestamptz IS NULL OR (credential.created_at, credential_id) < ($3, $4))
            ORDER BY credential.created_at DESC, credential_id DESC LIMIT $5""",
        institution_id,
        learner,
        *(before or (None, None)),
        limit,
    )
    return [_stored(row) for row in rows]


async def refused_issues(
    connection: Connection | Pool, institution_id: InstitutionId, credential_ids: Sequence[CredentialId]
) -> dict[CredentialId, dict[str, Any] | None]:
    """Return those of the credentials that this institution issued here, each with why the log refused it for good."""
    rows = await connection.fetch(
        """SELECT credential_id, CASE WHEN state = 'refused' THEN problem END AS refusal
           FROM credential JOIN outbox USING (event_id)
           WHERE credential.institution_id = $1 AND credential_id = ANY($2::bytea[])""",
        institution_id,
        [bytes.fromhex(each) for each in credential_ids],
    )
    return {
        CredentialId(row["credential_id"].hex()): _DECODE_PROBLEM(row["refusal"]) if row["refusal"] else None
        for row in rows
    }


async def learners_of(
    connection: Connection | Pool, institution_id: InstitutionId, credential_ids: Sequence[CredentialId]
) -> dict[CredentialId, LearnerId]:
    """Return whose these credentials are, for those that this institution issued here."""
    rows = await connection.fetch(
        """SELECT credential_id, learner_id::text FROM credential
           WHERE institution_id = $1 AND credential_id = ANY($2::bytea[])""",
        institution_id,
        [bytes.fromhex(each) for each in credential_ids],
    )
    return {CredentialId(row["credential_id"].hex()): row["learner_id"] for row in rows}


async def refs_of(
    connection: Connection | Pool, institution_id: InstitutionId, credential_ids: Sequence[CredentialId]
) -> dict[CredentialId, str]:
    """Return to whom these credentials were issued, by the institution's own names; "" for learners who were erased."""
    rows = await connection.fetch(
        """SELECT credential_id, ref FROM credential JOIN learner USING (learner_id)
           WHERE credential.institution_id = $1 AND credential_id = ANY($2::bytea[])""",
        institution_id,
        [bytes.fromhex(each) for each in credential_ids],
    )
    return {CredentialId(row["credential_id"].hex()): row["ref"] or "" for row in rows}


async def of_learners(
    connection: Connection | Pool, institution_id: InstitutionId, refs: Sequence[str], uris: Sequence[str]
) -> dict[str, list[CredentialId]]:
    """Return by learner the credentials that the institution issued here for achievements of these URIs."""
    rows = await connection.fetch(
        """SELECT ref, credential_id FROM learner JOIN credential USING (learner_id)
           JOIN achievement ON achievement.institution_id = $1
               AND achievement.achievement_id = credential.achievement_id
           WHERE learner.institution_id = $1 AND ref = ANY($2::text[]) AND uri = ANY($3::text[])
           ORDER BY credential.created_at, credential_id""",
        institution_id,
        list(dict.fromkeys(refs)),
        list(uris),
    )
    found: dict[str, list[CredentialId]] = {}
    for row in rows:
        found.setdefault(row["ref"], []).append(CredentialId(row["credential_id"].hex()))
    return found
