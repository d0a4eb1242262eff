"""SQL of agreements between institutions: what both signed, and what ended it. Names no person."""

from collections.abc import Collection
from datetime import datetime

import asyncpg
import msgspec

from proto.documents.recognition_agreement import RecognitionAgreement, decoded
from proto.ids import AgreementId, Did, KeyId
from services.persistence.postgres import Connection, Pool

_CONSENT_OF_PROPOSER = "UPDATE agreement SET proposer_key = $2, proposer_signature = $3 WHERE agreement_id = $1"
_CONSENT_OF_ACCEPTER = """
    UPDATE agreement SET accepter_key = $2, accepter_signature = $3, accepted_at = coalesce(accepted_at, now())
    WHERE agreement_id = $1"""


class StoredAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as it lies there; `consents` are the signatures of those who signed, `ending` what ended it."""

    agreement_id: AgreementId
    payload: bytes
    agreement: RecognitionAgreement
    consents: dict[Did, tuple[KeyId, bytes]]
    proposed_at: datetime
    accepted_at: datetime | None
    ended_by: Did | None
    ended_at: datetime | None
    ending: tuple[bytes, KeyId, bytes] | None


def _stored(row: asyncpg.Record) -> StoredAgreement:
    agreement = decoded(row["payload"])
    assert isinstance(agreement, RecognitionAgreement), "only agreements are kept here"
    consents = {
        party: (KeyId(row[f"{name}_key"]), row[f"{name}_signature"])
        for name, party in (("proposer", agreement.proposer), ("accepter", agreement.accepter))
        if row[f"{name}_key"] is not None
    }
    ending = (row["ending_payload"], KeyId(row["ending_key"]), row["ending_signature"])
    return StoredAgreement(
        agreement_id=AgreementId(row["agreement_id"].hex()),
        payload=row["payload"],
        agreement=agreement,
        consents=consents,
        proposed_at=row["proposed_at"],
        accepted_at=row["accepted_at"],
        ended_by=row["ended_by"],
        ended_at=row["ended_at"],
        ending=ending if row["ending_payload"] is not None else None,
    )


async def add(connection: Connection, agreement_id: AgreementId, payload: bytes, parties: tuple[Did, Did]) -> None:
    """Keep what is to be signed; again changes nothing."""
    await connection.execute(
        """INSERT INTO agreement (agreement_id, proposer, accepter, payload) VALUES ($1, $2, $3, $4)
           ON CONFLICT DO NOTHING""",
        bytes.fromhex(agreement_id),
        *parties,
        payload,
    )


async def lock(connection: Connection, agreement_id: AgreementId) -> StoredAgreement | None:
    """Return an agreement and let nobody else change it until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM agreement WHERE agreement_id = $1 FOR UPDATE", bytes.fromhex(agreement_id)
    )
    return _stored(row) if row else None


async def by_ids(
    connection: Connection | Pool, agreement_ids: Collection[AgreementId]
) -> dict[AgreementId, StoredAgreement]:
    """Return agreements by their ids."""
    rows = await connection.fetch(
        "SELECT * FROM agreement WHERE agreement_id = ANY($1::bytea[])", [bytes.fromhex(each) for each in agreement_ids]
    )
    return {found.agreement_id: found for found in map(_stored, rows)}


async def of_party(
    connection: Connection | Pool, party: Did, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredAgreement]:
    """Return agreements of an institution, those that were proposed last first, behind `after`."""
    at, name = (after[0], bytes.fromhex(after[1])) if after else (None, None)
    rows = await connection.fetch(
        """SELECT * FROM (
               (SELECT * FROM agreement WHERE proposer = $1
                   AND ($2::timestamptz IS NULL OR (proposed_at, agreement_id) < ($2, $3))
                   ORDER BY proposed_at DESC, agreement_id DESC LIMIT $4)
               UNION ALL
               (SELECT * FROM agreement WHERE accepter = $1
                   AND ($2::timestamptz IS NULL OR (proposed_at, agreement_id) < ($2, $3))
                   ORDER BY proposed_at DESC, agreement_id DESC LIMIT $4)) AS own
           ORDER BY proposed_at DESC, agreement_id DESC LIMIT $4""",
        party,
        at,
        name,
        limit,
    )
    return [_stored(row) for row in rows]


async def between(connection: Connection | Pool, one: Did, other: Did, *, limit: int) -> list[StoredAgreement]:
    """Return agreements of two institutions that both have signed and none has ended, the newest first."""
    rows = await connection.fetch(
        """SELECT * FROM agreement
           WHERE ((proposer = $1 AND accepter = $2) OR (proposer = $2 AND accepter = $1))
               AND accepted_at IS NOT NULL AND proposer_key IS NOT NULL AND ended_at IS NULL
           ORDER BY proposed_at DESC, agreement_id DESC LIMIT $3""",
        one,
        other,
        limit,
    )
    return [_stored(row) for row in rows]


async def count_open(connection: Connection | Pool, party: Did) -> int:
    """Return how many agreements that nobody ended an institution has proposed."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM agreement WHERE proposer = $1 AND ended_at IS NULL", party
    )
    return count


async def consent(
    connection: Connection, agreement_id: AgreementId, *, is_proposer: bool, consent: tuple[KeyId, bytes]
) -> None:
    """Keep the signature of a party, in place of an earlier one."""
    await connection.execute(
        _CONSENT_OF_PROPOSER if is_proposer else _CONSENT_OF_ACCEPTER, bytes.fromhex(agreement_id), *consent
    )


async def end(
    connection: Connection, agreement_id: AgreementId, party: Did, payload: bytes, consent: tuple[KeyId, bytes]
) -> None:
    """Keep what ends an agreement; the first ending counts."""
    await connection.execute(
        """UPDATE agreement SET ended_by = $2, ended_at = now(), ending_payload = $3, ending_key = $4,
               ending_signature = $5
           WHERE agreement_id = $1 AND ended_at IS NULL""",
        bytes.fromhex(agreement_id),
        party,
        payload,
        *consent,
    )
