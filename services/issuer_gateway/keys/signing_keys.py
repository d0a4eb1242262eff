"""Institutions' secret keys at work: opens the seals and signs. Hands out signatures, never keys.

Which key speaks is what the followed log says: the newest that is on it for the purpose, not retired, and past its
delay. What the log says is asked again after a second, and at once when this process has followed a change.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from proto.event_fields import Purpose
from proto.ids import Did, KeyId
from proto.keys import SecretKey, Sign, key_id_of
from proto.lifecycle import Book, compromised_from, is_retired
from proto.moment import Moment
from proto.problem import UnavailableProblem
from proto.sentence import sentence
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.store import followed_log, tenants
from services.persistence.postgres import Pool

RINGS_MAX = 4_096
KNOWN_SECONDS = 1.0


class NoKeyProblem(UnavailableProblem):
    """The gateway holds no key of this purpose for the institution that the log lets speak."""

    slug = "no-key"
    title = "The gateway has no key to sign with"


class EventSigner(msgspec.Struct, frozen=True):
    """A key's name and what signs with it."""

    key_id: KeyId
    sign: Sign


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of an institution as the log has them now: who signs for what, and whose signatures are still good."""

    signers: dict[Purpose, EventSigner]
    good: frozenset[KeyId]


def new_secret(keystore: Keystore, tenant: Tenant, purpose: Purpose) -> tuple[SecretKey, tenants.StoredSecret]:
    """Return a new secret key and the form in which it is stored."""
    secret = SecretKey.generate()
    key_id = key_id_of(tenant.did, secret.public_key)
    sealed = keystore.seal(secret.seed, "secret-key", key_id)
    return secret, tenants.StoredSecret(key_id=key_id, purpose=purpose, sealed=sealed)


class SigningKeys:
    """Rings of institutions; at most `SPEAKERS_MAX` are kept open in memory."""

    def __init__(self, pool: Pool, keystore: Keystore, *, now: Callable[[], Moment]) -> None:
        self._pool = pool
        self._keystore = keystore
        self._now = now
        self._open: OrderedDict[str, tuple[float, Ring]] = OrderedDict()
        self._registrar: Did | None = None

    def forget(self) -> None:
        """What the log says of keys has changed."""
        self._open.clear()

    async def signer(self, tenant: Tenant, purpose: Purpose) -> EventSigner:
        """Return what signs for the institution now; raises `NoKeyProblem`."""
        found = (await self.ring(tenant)).signers.get(purpose)
        if found is None:
            raise NoKeyProblem(
                sentence(
                    "No {purpose} key that the gateway holds for {institution} may sign now. Make one with POST "
                    "/v1/signing-keys and have the institution's recovery key add it on the log",
                    purpose=purpose,
                    institution=tenant.slug,
                )
            )
        return found

    async def ring(self, tenant: Tenant) -> Ring:
        """Return the institution's keys as the log has them."""
        kept = self._open.get(tenant.institution_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        found = await self._read(tenant)
        self._open[tenant.institution_id] = (time.monotonic() + KNOWN_SECONDS, found)
        self._open.move_to_end(tenant.institution_id)
        if len(self._open) > RINGS_MAX:
            self._open.popitem(last=False)
        return found

    async def _read(self, tenant: Tenant) -> Ring:
        # Side by side: whoever asks seldom finds nothing kept, and waits for it each time.
        secrets, book = await asyncio.gather(
            tenants.secrets(self._pool, tenant.institution_id),
            followed_log.book_of_speakers(self._pool, [tenant.did], self._registrar),
        )
        self._registrar = book.log.registrar if book.log else None
        now = self._now()
        issuer = book.issuer(tenant.did) if book.log else None
        signers: dict[Purpose, EventSigner] = {}
        for stored in secrets:
            if stored.purpose not in signers and (issuer is None or _may_sign(book, stored, now)):
                secret = SecretKey(self._keystore.open(stored.sealed, "secret-key", stored.key_id))
                signers[stored.purpose] = EventSigner(stored.key_id, secret.sign)
        keys = issuer.keys if issuer else ()
        good = frozenset(key.key_id for key in keys if compromised_from(book, key.key_id) is None)
        return Ring(signers=signers, good=good)


def _may_sign(book: Book, stored: tenants.StoredSecret, now: Moment) -> bool:
    key = book.key(stored.key_id)
    return key is not None and key.purpose == stored.purpose and key.usable_from <= now and not is_retired(book, key)
