"""Institutions and their API keys: made, listed, revoked. Tokens are handed out once; what is kept is their hash."""

import base64
import secrets
import uuid
from typing import Literal

from proto.documents.wording import check_texts
from proto.events import KeyRecord
from proto.ids import ApiKeyId, InstitutionId
from proto.moment import from_datetime
from proto.problem import ConflictProblem, NotFoundProblem
from proto.wire.institutions import (
    API_SCOPES,
    ApiKey,
    ApiKeyCreated,
    ApiKeyRequest,
    InstitutionCreated,
    InstitutionRequest,
)
from services.edge import ForbiddenProblem, token_hash
from services.issuer_gateway.domain.tenant import (
    Tenant,
    UnknownInstitutionProblem,
    admission_request,
    key_record,
    tenant_from,
)
from services.issuer_gateway.keys.keystore import Keystore, MasterKeyFault, UnsealableProblem
from services.issuer_gateway.keys.signing_keys import new_secret
from services.issuer_gateway.store import followed_log, tenants
from services.persistence.postgres import Connection, Pool

INSTITUTION_PREFIX = "cfy_"
"""What every institution's token begins with, so that scanners find lost ones."""
API_KEYS_MAX = 100
SECRETS_MAX = 64
_TOKEN_BYTES = 32
_CHECK = b"credentify gateway"


class SlugTakenProblem(ConflictProblem):
    """Another institution of this gateway has this slug."""

    slug = "slug-taken"
    title = "This slug is taken"


class KeyOnLogProblem(ConflictProblem):
    """The recovery key is on the log already, so the registrar could never admit who names it."""

    slug = "key-on-log"
    title = "This key is on the log already"


class UnknownApiKeyProblem(NotFoundProblem):
    """The institution has no API key of that id."""

    slug = "unknown-api-key"
    title = "The institution has no such API key"


class TooManyKeysProblem(ConflictProblem):
    """The institution has as many keys as it may."""

    slug = "too-many-api-keys"
    title = "The institution has too many API keys"


async def check_master_key(pool: Pool, keystore: Keystore) -> None:
    """Raise `MasterKeyFault` unless this is the master key that this database was begun with."""
    async with pool.acquire() as connection:
        kept = await tenants.keystore_check(connection, keystore.seal(_CHECK, "check", "master"))
    try:
        keystore.open(kept, "check", "master")
    except UnsealableProblem as error:
        raise MasterKeyFault(
            "This is not the master key that this database was sealed with; give the gateway the right file"
        ) from error


def new_token(prefix: str = INSTITUTION_PREFIX) -> str:
    """Return a new token with 256 random bits: an API key's, or with its own prefix that of a link."""
    return prefix + base64.urlsafe_b64encode(secrets.token_bytes(_TOKEN_BYTES)).rstrip(b"=").decode()


async def create(
    keystore: Keystore, connection: Connection, request: InstitutionRequest, *, public_url: str
) -> InstitutionCreated:
    """Make a tenant with its keys in the caller's transaction; raises `SlugTakenProblem` and `KeyOnLogProblem`."""
    if await followed_log.is_key_on_log(connection, request.recovery_public_key):
        raise KeyOnLogProblem(
            "This key is on the log already, as somebody's key: make another with `credentify keygen`; a key belongs "
            "to one institution",
            pointer="/recovery_public_key",
        )
    tenant = tenant_from(request, institution_id=InstitutionId(str(uuid.uuid4())), public_url=public_url)
    if not await tenants.add_institution(connection, tenant):
        raise SlugTakenProblem(f"{request.slug} is an institution here already", pointer="/slug")
    keys: list[KeyRecord] = []
    for purpose in ("event", "assertion"):
        secret, stored = new_secret(keystore, tenant, purpose)
        await tenants.add_secret(connection, tenant.institution_id, stored)
        keys.append(key_record(tenant.did, purpose, secret.public_key))
    keys.append(key_record(tenant.did, "recovery", request.recovery_public_key))
    created = await _add_key(connection, tenant, ApiKeyRequest(name="first", scopes=API_SCOPES))
    return InstitutionCreated(
        institution_id=tenant.institution_id,
        slug=tenant.slug,
        did=tenant.did,
        api_key_id=created.key.api_key_id,
        api_key=created.api_key,
        admission_request=admission_request(tenant, keys),
    )


async def _add_key(connection: Connection, tenant: Tenant, request: ApiKeyRequest) -> ApiKeyCreated:
    token, api_key_id = new_token(), ApiKeyId(str(uuid.uuid4()))
    scopes = tuple(dict.fromkeys(request.scopes))
    created_at = await tenants.add_api_key(
        connection,
        tenant.institution_id,
        api_key_id=api_key_id,
        token_hash=token_hash(token),
        name=request.name,
        scopes=list(scopes),
    )
    key = ApiKey(api_key_id=api_key_id, name=request.name, scopes=scopes, created_at=from_datetime(created_at))
    return ApiKeyCreated(key=key, api_key=token)


async def add_secret(
    keystore: Keystore, connection: Connection, tenant: Tenant, purpose: Literal["event", "assertion"]
) -> KeyRecord:
    """Make a secret key in the caller's transaction; it signs once the log has it. Raises `TooManyKeysProblem`."""
    if len(await tenants.secrets(connection, tenant.institution_id)) >= SECRETS_MAX:
        raise TooManyKeysProblem(f"An institution has at most {SECRETS_MAX} keys in its life")
    secret, stored = new_secret(keystore, tenant, purpose)
    await tenants.add_secret(connection, tenant.institution_id, stored)
    return key_record(tenant.did, purpose, secret.public_key)


def check_scopes(request: ApiKeyRequest, own_scopes: frozenset[str]) -> None:
    """Raise `ForbiddenProblem` where the new key could do more than the key that asks for it, also in a repetition."""
    beyond = sorted(set(request.scopes) - own_scopes)
    if beyond:
        raise ForbiddenProblem(f"Your key has not itself the scopes {', '.join(beyond)}")


async def add_key(connection: Connection, tenant: Tenant, request: ApiKeyRequest) -> ApiKeyCreated:
    """Make an API key in the caller's transaction; raises `TooManyKeysProblem`, `InvalidProblem` for a blank name."""
    check_texts([("/name", request.name)])
    if await tenants.count_live_api_keys(connection, tenant.institution_id) >= API_KEYS_MAX:
        raise TooManyKeysProblem(f"An institution has at most {API_KEYS_MAX} API keys; revoke one first")
    return await _add_key(connection, tenant, request)


async def tenant_of(pool: Pool, slug: str) -> Tenant:
    """Return the institution of that slug or raise `UnknownInstitutionProblem`."""
    tenant = await tenants.institution(pool, slug)
    if tenant is None:
        raise UnknownInstitutionProblem(f"This gateway has no institution {slug}")
    return tenant
