"""SQL of institutions, their sealed secret keys and their API keys. Opens no seal and judges no scope."""

import itertools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from proto.event_fields import Purpose
from proto.fold import fold
from proto.ids import ApiKeyId, Did, InstitutionId, KeyId
from proto.moment import from_datetime
from proto.wire.institutions import ApiKey, ApiScope
from services.issuer_gateway.domain.tenant import Tenant
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Tenant).decode
_ENCODE = msgspec.json.Encoder().encode


class StoredSecret(msgspec.Struct, frozen=True, kw_only=True):
    """An institution's secret key as it lies in the database: sealed."""

    key_id: KeyId
    purpose: Purpose
    sealed: bytes


class StoredApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A live API key's look-up: whose it is and what it may."""

    api_key_id: ApiKeyId
    scopes: frozenset[str]
    tenant: Tenant


async def keystore_check(connection: Connection, sealed: bytes) -> bytes:
    """Keep `sealed` if nothing was kept yet, and return what is kept."""
    await connection.execute("INSERT INTO keystore_check (sealed) VALUES ($1) ON CONFLICT DO NOTHING", sealed)
    kept: bytes = await connection.fetchval("SELECT sealed FROM keystore_check")
    return kept


async def add_institution(connection: Connection, tenant: Tenant) -> bool:
    """Add an institution; False where slug or DID are taken."""
    status = await connection.execute(
        "INSERT INTO institution (institution_id, slug, did, record) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        tenant.institution_id,
        tenant.slug,
        tenant.did,
        _ENCODE(tenant),
    )
    return status == "INSERT 0 1"


async def institution(connection: Connection | Pool, slug: str) -> Tenant | None:
    """Return the institution of that slug."""
    record = await connection.fetchval("SELECT record FROM institution WHERE slug = $1", slug)
    return _DECODE(record) if record else None


async def by_id(connection: Connection | Pool, institution_id: InstitutionId) -> Tenant:
    """Return the institution of that id, which is there."""
    record = await connection.fetchval("SELECT record FROM institution WHERE institution_id = $1", institution_id)
    return _DECODE(record)


async def by_dids(connection: Connection | Pool, dids: Collection[Did]) -> list[Tenant]:
    """Return those of the institutions that are of this gateway."""
    rows = await connection.fetch("SELECT record FROM institution WHERE did = ANY($1::text[])", sorted(dids))
    return [_DECODE(row["record"]) for row in rows]


async def locked(connection: Connection, institution_id: InstitutionId) -> Tenant:
    """Return the institution of that id, which is there; nobody else changes it until the transaction ends."""
    record = await connection.fetchval(
        "SELECT record FROM institution WHERE institution_id = $1 FOR UPDATE", institution_id
    )
    return _DECODE(record)


async def change_settings(connection: Connection, institution_id: InstitutionId, **settings: Any) -> Tenant:
    """Change settings of an institution, by their names in its record, and return the institution as it is now."""
    tenant = msgspec.structs.replace(await locked(connection, institution_id), **settings)
    await connection.execute(
        "UPDATE institution SET record = $2 WHERE institution_id = $1", institution_id, _ENCODE(tenant)
    )
    return tenant


async def own_remind_days(connection: Connection) -> dict[InstitutionId, int]:
    """Return how many days before its applications are due an institution wants to be reminded, where it says that."""
    rows = await connection.fetch(
        "SELECT record FROM institution WHERE position($1::bytea IN record) > 0", b'"remind_days_before"'
    )
    found = [_DECODE(row["record"]) for row in rows]
    return {tenant.institution_id: tenant.remind_days_before for tenant in found}


async def institutions(connection: Connection | Pool, *, words: Sequence[str], after: str, limit: int) -> list[Tenant]:
    """Return institutions whose name, place, country or slug hold every word, in the order of slugs behind `after`.

    They are compared here, folded, whatever the database's locale folds: a gateway has hundreds of institutions.
    """
    wanted = [fold(word) for word in words]
    rows = await connection.fetch(
        "SELECT record FROM institution WHERE slug > $1 ORDER BY slug LIMIT $2", after, None if wanted else limit
    )
    found = (tenant for row in rows if _holds(tenant := _DECODE(row["record"]), wanted))
    return list(itertools.islice(found, limit))


def _holds(tenant: Tenant, words: Sequence[str]) -> bool:
    said = (tenant.slug, tenant.legal_name, tenant.locality, tenant.region, tenant.country)
    text = fold(" ".join(filter(None, said)))
    return all(word in text for word in words)


async def add_secret(connection: Connection, institution_id: InstitutionId, secret: StoredSecret) -> None:
    """Add a sealed secret key of an institution."""
    await connection.execute(
        "INSERT INTO secret_key (key_id, institution_id, purpose, sealed) VALUES ($1, $2, $3, $4)",
        secret.key_id,
        institution_id,
        secret.purpose,
        secret.sealed,
    )


async def secrets(connection: Connection | Pool, institution_id: InstitutionId) -> list[StoredSecret]:
    """Return an institution's sealed keys, the newest first."""
    rows = await connection.fetch(
        "SELECT key_id, purpose, sealed FROM secret_key WHERE institution_id = $1 ORDER BY created_at DESC, key_id",
        institution_id,
    )
    return [StoredSecret(**dict(row)) for row in rows]


async def add_api_key(
    connection: Connection,
    institution_id: InstitutionId,
    *,
    api_key_id: ApiKeyId,
    token_hash: bytes,
    name: str,
    scopes: list[str],
) -> datetime:
    """Add an API key by its hash and return when."""
    created_at: datetime = await connection.fetchval(
        """INSERT INTO api_key (api_key_id, institution_id, token_hash, name, scopes) VALUES ($1, $2, $3, $4, $5)
           RETURNING created_at""",
        api_key_id,
        institution_id,
        token_hash,
        name,
        scopes,
    )
    return created_at


async def live_api_keys(connection: Connection | Pool, hashes: Sequence[bytes]) -> dict[bytes, StoredApiKey]:
    """Return whose keys have these hashes, without those that were revoked."""
    rows = await connection.fetch(
        """SELECT token_hash, api_key_id::text, scopes, record FROM api_key JOIN institution USING (institution_id)
           WHERE token_hash = ANY($1::bytea[]) AND revoked_at IS NULL""",
        hashes,
    )
    return {
        row["token_hash"]: StoredApiKey(
            api_key_id=row["api_key_id"], scopes=frozenset(row["scopes"]), tenant=_DECODE(row["record"])
        )
        for row in rows
    }


async def api_keys(connection: Connection | Pool, institution_id: InstitutionId, *, limit: int) -> list[ApiKey]:
    """Return an institution's API keys, the oldest first."""
    rows = await connection.fetch(
        """SELECT api_key_id::text, name, scopes, created_at, revoked_at FROM api_key
           WHERE institution_id = $1 ORDER BY created_at, api_key_id LIMIT $2""",
        institution_id,
        limit,
    )
    return [
        ApiKey(
            api_key_id=row["api_key_id"],
            name=row["name"],
            scopes=_scopes(row["scopes"]),
            created_at=from_datetime(row["created_at"]),
            revoked_at=from_datetime(row["revoked_at"]) if row["revoked_at"] else None,
        )
        for row in rows
    ]


def _scopes(stored: list[str]) -> tuple[ApiScope, ...]:
    return msgspec.convert(stored, tuple[ApiScope, ...])


async def count_live_api_keys(connection: Connection, institution_id: InstitutionId) -> int:
    """Return how many API keys of the institution work."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM api_key WHERE institution_id = $1 AND revoked_at IS NULL", institution_id
    )
    return count


async def revoke_api_key(connection: Connection | Pool, institution_id: InstitutionId, api_key_id: ApiKeyId) -> bool:
    """Revoke a key of the institution; False where it has none of that id. A revoked one stays as it was."""
    status = await connection.execute(
        """UPDATE api_key SET revoked_at = coalesce(revoked_at, now())
           WHERE institution_id = $1 AND api_key_id = $2""",
        institution_id,
        api_key_id,
    )
    return status == "UPDATE 1"
