"""SQL of requests for achievements. What learners wrote comes and goes sealed; of links only hashes are here."""

from datetime import datetime

import asyncpg
import msgspec

from proto.ids import AchievementId, CredentialId, InstitutionId, LearnerId, RequestId
from proto.wire.requests import RequestState
from services.issuer_gateway.store.list_ends import FIRST
from services.persistence.postgres import Connection, Pool

_SELECT = """
    SELECT request_id::text, request.institution_id::text, achievement_id, learner_id::text, ref, state, sealed_content,
        sealed_reason, credential_id, request.created_at, decided_at, erased_at IS NOT NULL AS is_erased,
        link_ended_at
    FROM request JOIN learner USING (learner_id)"""
_BEHIND = """
    AND (request.created_at, request.request_id) > ($2, $3::uuid)
    ORDER BY request.created_at, request.request_id LIMIT $4"""


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to be added."""

    request_id: RequestId
    institution_id: InstitutionId
    achievement_id: AchievementId
    learner_id: LearnerId
    token_hash: bytes
    sealed_content: bytes


class StoredRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it lies there; `ref` is None once the learner was erased."""

    request_id: RequestId
    institution_id: InstitutionId
    achievement_id: AchievementId
    learner_id: LearnerId
    ref: str | None
    state: RequestState
    sealed_content: bytes
    sealed_reason: bytes | None
    credential_id: CredentialId | None
    created_at: datetime
    decided_at: datetime | None
    is_erased: bool
    link_ended_at: datetime | None
    """When its learner ended the link to it."""


def _stored(row: asyncpg.Record) -> StoredRequest:
    values = dict(row)
    values["credential_id"] = CredentialId(row["credential_id"].hex()) if row["credential_id"] else None
    return StoredRequest(**values)


async def add(connection: Connection, new: NewRequest) -> datetime:
    """Add an open request and return when it was made."""
    created_at: datetime = await connection.fetchval(
        """INSERT INTO request (request_id, institution_id, achievement_id, learner_id, token_hash, sealed_content)
           VALUES ($1, $2, $3, $4, $5, $6) RETURNING created_at""",
        *msgspec.structs.astuple(new),
    )
    return created_at


async def count_open(connection: Connection | Pool, institution_id: InstitutionId) -> int:
    """Return how many requests of an institution wait for a decision."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM request WHERE institution_id = $1 AND state = 'open'", institution_id
    )
    return count


async def by_token(connection: Connection | Pool, token_hash: bytes) -> StoredRequest | None:
    """Return the request whose link has this hash."""
    row = await connection.fetchrow(f"{_SELECT} WHERE token_hash = $1", token_hash)
    return _stored(row) if row else None


async def get(
    connection: Connection | Pool, institution_id: InstitutionId, request_id: RequestId
) -> StoredRequest | None:
    """Return a request to the institution."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE request_id = $1 AND request.institution_id = $2", request_id, institution_id
    )
    return _stored(row) if row else None


async def lock(connection: Connection, institution_id: InstitutionId, request_id: RequestId) -> StoredRequest | None:
    """Return a request to the institution and let nobody else decide on it until the transaction ends."""
    await connection.execute("SELECT FROM request WHERE request_id = $1 FOR UPDATE", request_id)
    return await get(connection, institution_id, request_id)  # a statement of its own sees what we waited for


async def page(
    connection: Connection | Pool,
    institution_id: InstitutionId,
    *,
    state: RequestState | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[StoredRequest]:
    """Return requests to the institution (in one state), the oldest first, behind `after`."""
    behind = after or FIRST
    if state is None:
        rows = await connection.fetch(
            f"{_SELECT} WHERE request.institution_id = $1 {_BEHIND}", institution_id, *behind, limit
        )
    else:
        rows = await connection.fetch(
            f"{_SELECT} WHERE request.institution_id = $1 AND state = $5 {_BEHIND}",
            institution_id,
            *behind,
            limit,
            state,
        )
    return [_stored(row) for row in rows]


async def of_learner(connection: Connection | Pool, learner_id: LearnerId, *, limit: int) -> list[StoredRequest]:
    """Return the requests of a learner, the newest first."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE learner_id = $1 ORDER BY request.created_at DESC, request_id LIMIT $2", learner_id, limit
    )
    return [_stored(row) for row in rows]


async def accept(
    connection: Connection,
    request_id: RequestId,
    *,
    learner_id: LearnerId,
    sealed_content: bytes,
    credential_id: CredentialId,
) -> None:
    """Close a request that the caller has locked with the credential that it led to, under this learner's key."""
    await connection.execute(
        """UPDATE request SET state = 'accepted', decided_at = now(), learner_id = $2, sealed_content = $3,
               credential_id = $4
           WHERE request_id = $1""",
        request_id,
        learner_id,
        sealed_content,
        bytes.fromhex(credential_id),
    )


async def close(
    connection: Connection, request_id: RequestId, state: RequestState, *, sealed_reason: bytes | None = None
) -> datetime:
    """Close a request that the caller has locked, without a credential; return when."""
    decided_at: datetime = await connection.fetchval(
        """UPDATE request SET state = $2, decided_at = coalesce(decided_at, now()),
               sealed_reason = coalesce($3, sealed_reason)
           WHERE request_id = $1 RETURNING decided_at""",
        request_id,
        state,
        sealed_reason,
    )
    return decided_at


async def end_link(connection: Connection | Pool, request_id: RequestId) -> None:
    """End the link of a request that was decided; one that was ended stays as it was."""
    await connection.execute(
        "UPDATE request SET link_ended_at = now() WHERE request_id = $1 AND state <> 'open' AND link_ended_at IS NULL",
        request_id,
    )


async def detach(connection: Connection, request_id: RequestId, learner_id: LearnerId) -> None:
    """Give a closed request another learner, and take away what was said in it."""
    await connection.execute(
        "UPDATE request SET learner_id = $2, sealed_content = '', sealed_reason = NULL WHERE request_id = $1",
        request_id,
        learner_id,
    )


async def withdraw_all(connection: Connection, learner_id: LearnerId) -> None:
    """Withdraw what a learner who is being erased has asked for."""
    await connection.execute(
        "UPDATE request SET state = 'withdrawn', decided_at = now() WHERE learner_id = $1 AND state = 'open'",
        learner_id,
    )


async def lapsing(connection: Connection, *, days: int, limit: int) -> list[StoredRequest]:
    """Return, locked, requests that wait or were rejected for more than so many days and still hold personal data."""
    rows = await connection.fetch(
        f"""{_SELECT} WHERE state IN ('open', 'rejected') AND erased_at IS NULL
            AND request.created_at < now() - make_interval(days => $1)
            AND coalesce(decided_at, request.created_at) < now() - make_interval(days => $1)
            ORDER BY request_id LIMIT $2 FOR UPDATE OF request SKIP LOCKED""",
        days,
        limit,
    )
    return [_stored(row) for row in rows]
