"""Institutions' secret keys at work: opens the seals and signs. Hands out signatures, never keys."""

from collections import OrderedDict

import msgspec

from proto.events import Purpose
from proto.ids import KeyId
from proto.keys import SecretKey, Sign, key_id_of
from proto.problem import UnavailableProblem
from services.issuer_gateway.domain.tenancy import Tenant
from services.issuer_gateway.keystore import Keystore
from services.issuer_gateway.store import tenants
from services.postgres import Pool

SPEAKERS_MAX = 4_096


class NoKeyProblem(UnavailableProblem):
    """The gateway holds no key of this purpose for the institution."""

    slug = "no-key"
    title = "The gateway has no key to sign with"


class Signer(msgspec.Struct, frozen=True):
    """A key's name and what signs with it."""

    key_id: KeyId
    sign: Sign


def new_secret(keystore: Keystore, tenant: Tenant, purpose: Purpose) -> tuple[SecretKey, tenants.StoredSecret]:
    """Return a new secret key and the form in which it is stored."""
    secret = SecretKey.generate()
    key_id = key_id_of(tenant.did, secret.public_key)
    sealed = keystore.seal(secret.seed, "secret-key", key_id)
    return secret, tenants.StoredSecret(key_id=key_id, purpose=purpose, sealed=sealed)


class Speakers:
    """Signers of institutions, by institution and purpose; at most `SPEAKERS_MAX` are kept open in memory."""

    def __init__(self, pool: Pool, keystore: Keystore) -> None:
        self._pool = pool
        self._keystore = keystore
        self._open: OrderedDict[tuple[str, Purpose], Signer] = OrderedDict()

    async def signer(self, tenant: Tenant, purpose: Purpose) -> Signer:
        """Return what signs for the institution, by its newest key; raises `NoKeyProblem`."""
        wanted = (tenant.institution_id, purpose)
        found = self._open.get(wanted)
        if found is None:
            found = await self._opened(tenant, purpose)
            self._open[wanted] = found
            if len(self._open) > SPEAKERS_MAX:
                self._open.popitem(last=False)
        return found

    async def _opened(self, tenant: Tenant, purpose: Purpose) -> Signer:
        for stored in await tenants.secrets(self._pool, tenant.institution_id):
            if stored.purpose == purpose:
                secret = SecretKey(self._keystore.open(stored.sealed, "secret-key", stored.key_id))
                return Signer(stored.key_id, secret.sign)
        raise NoKeyProblem(f"The gateway holds no {purpose} key of {tenant.slug}")
