"""SQL of the credentials of an institution. Documents come and go sealed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from proto.ids import (
    AchievementId,
    AchievementUri,
    ApiKeyId,
    Commitment,
    CredentialId,
    Did,
    EventId,
    InstitutionId,
    LearnerId,
)
from services.issuer_gateway.store.list_ends import LAST
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_rows import add_rows

_DECODE_PROBLEM = msgspec.json.Decoder(dict[str, Any]).decode
_COLUMNS = (
    *("credential_id", "institution_id", "learner_id", "achievement_id", "revision", "event_id", "ects_hundredths"),
    *("components", "part_digest", "sealed_document", "api_key_id", "commitment"),
)
_STORED = """
    SELECT credential_id, institution_id::text, learner_id::text, achievement_id, (
            SELECT uri FROM achievement WHERE achievement.institution_id = credential.institution_id
                AND achievement.achievement_id = credential.achievement_id
        ) AS achievement_uri, revision, event_id, ects_hundredths, components, part_digest, sealed_document,
        commitment, api_key_id::text, created_at, coalesce((
            SELECT true FROM learner WHERE learner.learner_id = credential.learner_id AND erased_at IS NOT NULL
        ), false) AS is_erased"""
_SELECT = f"{_STORED} FROM credential"
_SELECT_WITH_PARTS = f"{_STORED}, content AS part FROM credential LEFT JOIN document_part ON digest = part_digest"
_NEWEST_FIRST = "ORDER BY created_at DESC, credential_id DESC LIMIT"
_LEARNER = "(SELECT learner_id FROM learner WHERE institution_id = $1 AND ref = $2)"
_BEGINNING = (LAST[0], b"")


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
    """A credential as it lies there; what its document shares with others comes only to who asks for it."""

    achievement_uri: AchievementUri
    created_at: datetime
    is_erased: bool


class StoredWithPart(StoredCredential, frozen=True, kw_only=True):
    """A credential with all that its document is made of; `part` is None where it was stored whole."""

    part: bytes | None


class WaitingIssue(msgspec.Struct, frozen=True, kw_only=True):
    """A credential whose issue is not on the log yet: its event, as it is going to be sent."""

    credential_id: CredentialId
    event_id: EventId
    institution_id: InstitutionId
    envelope: bytes


def _stored(row: asyncpg.Record) -> StoredCredential:
    return StoredCredential(**_values(row))


def _values(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {
        "credential_id": CredentialId(row["credential_id"].hex()),
        "event_id": EventId(row["event_id"].hex()),
        "components": tuple(CredentialId(part.hex()) for part in row["components"]),
        "commitment": Commitment(row["commitment"].hex()) if row["commitment"] else None,
    }


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
    row = await connection.fetchrow(
        f"{_SELECT} WHERE institution_id = $1 AND credential_id = $2",
        institution_id,
        bytes.fromhex(credential_id),
    )
    return _stored(row) if row else None


async def get_with_parts(
    connection: Connection | Pool, institution_id: InstitutionId, credential_ids: Sequence[CredentialId]
) -> list[StoredWithPart]:
    """Return credentials of the institution, in no order; another institution's are not there."""
    rows = await connection.fetch(
        f"{_SELECT_WITH_PARTS} WHERE institution_id = $1 AND credential_id = ANY($2::bytea[])",
        institution_id,
        [bytes.fromhex(name) for name in credential_ids],
    )
    return [StoredWithPart(**_values(row)) for row in rows]


async def page(
    connection: Connection | Pool, institution_id: InstitutionId, *, before: tuple[datetime, bytes] | None, limit: int
) -> list[StoredCredential]:
    """Return credentials of the institution, the newest first, behind `before`."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE institution_id = $1 AND (created_at, credential_id) < ($2, $3)
            {_NEWEST_FIRST} $4""",
        institution_id,
        *(before or _BEGINNING),
        limit,
    )
    return [_stored(row) for row in rows]


async def page_of_learner(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    ref: str,
    *,
    before: tuple[datetime, bytes] | None,
    limit: int,
) -> list[StoredCredential]:
    """Return credentials that the institution issued to its learner of that name, the newest first, behind `before`."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE institution_id = $1
            AND learner_id = {_LEARNER}
            AND (created_at, credential_id) < ($3, $4) {_NEWEST_FIRST} $5""",
        institution_id,
        ref,
        *(before or _BEGINNING),
        limit,
    )
    return [_stored(row) for row in rows]


async def ids_of_learner(
    connection: Connection | Pool, institution_id: InstitutionId, learner_id: LearnerId, *, limit: int
) -> list[CredentialId]:
    """Return which credentials the institution issued to a learner, the newest first."""
    rows = await connection.fetch(
        """SELECT credential_id FROM credential WHERE institution_id = $1 AND learner_id = $2
           ORDER BY created_at DESC, credential_id DESC LIMIT $3""",
        institution_id,
        learner_id,
        limit,
    )
    return [CredentialId(row["credential_id"].hex()) for row in rows]


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
