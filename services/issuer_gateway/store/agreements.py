"""SQL of agreements between institutions: what both signed, and what ended it. Names no person."""

from collections.abc import Collection
from datetime import datetime

import asyncpg
import msgspec

from proto.documents.recognition_agreement import AgreementEnding, RecognitionAgreement, decoded
from proto.ids import AgreementId, Did, InstitutionId, KeyId
from proto.moment import to_datetime
from services.issuer_gateway.store.list_ends import LAST
from services.persistence.postgres import Connection, Pool

_CONSENT_OF_PROPOSER = "UPDATE agreement SET proposer_key = $2, proposer_signature = $3 WHERE agreement_id = $1"
_CONSENT_OF_ACCEPTER = """
    UPDATE agreement SET accepter_key = $2, accepter_signature = $3, accepted_at = coalesce(accepted_at, now())
    WHERE agreement_id = $1"""


class StoredEnding(msgspec.Struct, frozen=True, kw_only=True):
    """What ends an agreement, by whom it is signed, and since when it is known here."""

    payload: bytes
    ending: AgreementEnding
    signatures: dict[Did, tuple[KeyId, bytes]]
    known_at: datetime


class StoredAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement as it lies there; `consents` are the signatures of those who signed."""

    agreement_id: AgreementId
    payload: bytes
    agreement: RecognitionAgreement
    consents: dict[Did, tuple[KeyId, bytes]]
    proposed_at: datetime
    accepted_at: datetime | None
    ending: StoredEnding | None


def _stored(row: asyncpg.Record) -> StoredAgreement:
    agreement = decoded(row["payload"])
    assert isinstance(agreement, RecognitionAgreement), "only agreements are kept here"
    consents = {
        party: (KeyId(row[f"{name}_key"]), row[f"{name}_signature"])
        for name, party in (("proposer", agreement.proposer), ("accepter", agreement.accepter))
        if row[f"{name}_key"] is not None
    }
    return StoredAgreement(
        agreement_id=AgreementId(row["agreement_id"].hex()),
        payload=row["payload"],
        agreement=agreement,
        consents=consents,
        proposed_at=row["proposed_at"],
        accepted_at=row["accepted_at"],
        ending=_ending(row, agreement) if row["ending_payload"] is not None else None,
    )


def _ending(row: asyncpg.Record, agreement: RecognitionAgreement) -> StoredEnding:
    ending = decoded(row["ending_payload"])
    assert isinstance(ending, AgreementEnding), "nothing else ends one"
    signatures = {ending.party: (KeyId(row["ending_key"]), row["ending_signature"])}
    if row["ending_seen_key"] is not None:
        signatures[agreement.other(ending.party)] = KeyId(row["ending_seen_key"]), row["ending_seen_signature"]
    return StoredEnding(payload=row["ending_payload"], ending=ending, signatures=signatures, known_at=row["ended_at"])


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
    at, name = (after[0], bytes.fromhex(after[1])) if after else (LAST[0], b"")
    rows = await connection.fetch(
        """SELECT * FROM (
               (SELECT * FROM agreement WHERE proposer = $1 AND (proposed_at, agreement_id) < ($2, $3)
                   ORDER BY proposed_at DESC, agreement_id DESC LIMIT $4)
               UNION ALL
               (SELECT * FROM agreement WHERE accepter = $1 AND (proposed_at, agreement_id) < ($2, $3)
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


async def end(connection: Connection, agreement_id: AgreementId, ended: StoredEnding) -> None:
    """Keep what ends an agreement that the caller has locked, in place of another ending of it."""
    by = ended.ending.party
    seen = next((signed for party, signed in ended.signatures.items() if party != by), (None, None))
    await connection.execute(
        """UPDATE agreement SET ended_by = $2, ended_at = $3, ending_payload = $4, ending_key = $5,
               ending_signature = $6, ending_seen_key = $7, ending_seen_signature = $8
           WHERE agreement_id = $1""",
        bytes.fromhex(agreement_id),
        by,
        ended.known_at,
        ended.payload,
        *ended.signatures[by],
        *seen,
    )


async def decided_since(
    connection: Connection | Pool, institution_id: InstitutionId, ended: Collection[StoredAgreement]
) -> dict[AgreementId, int]:
    """Return how many pieces of evidence an institution decided by agreements after they were ended elsewhere."""
    begins = [(each.agreement_id, each.ending.ending.at) for each in ended if each.ending is not None]
    rows = await connection.fetch(
        """SELECT ended.agreement, count(*) AS count
           FROM unnest($2::bytea[], $3::timestamptz[]) AS ended (agreement, since)
               JOIN application_decision AS made ON made.agreement = ended.agreement AND decided_at >= ended.since
               JOIN application USING (application_id)
           WHERE institution_id = $1 GROUP BY ended.agreement""",
        institution_id,
        [bytes.fromhex(name) for name, _ in begins],
        [to_datetime(at) for _, at in begins],
    )
    return {AgreementId(row["agreement"].hex()): row["count"] for row in rows}


async def served_here(connection: Connection | Pool, parties: Collection[Did]) -> set[Did]:
    """Return those parties that are institutions of this gateway."""
    rows = await connection.fetch("SELECT did FROM institution WHERE did = ANY($1::text[])", list(parties))
    return {Did(row["did"]) for row in rows}
