"""Keys of batches in the background: made for an upload, kept in the vault while rows wait, then destroyed.

What is true if we crash here: a key is in the vault before its batch is committed, and its end is noted in the
transaction that ends the batch. A key that was noted and not destroyed goes with the next one, or at the next start;
one without a batch goes after a day.
"""

import secrets
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from proto.ids import BatchId, BatchKeyId
from services.issuer_gateway.keys.keystore import KEY_BYTES, DataKey, Keystore
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.store import batches, pending_batches
from services.persistence.postgres import Pool

_PAGE = 1_000
_ORPHAN_HOURS = 24
_QUOTING_NOTHING = ("type", "title", "status", "pointer", "code")
_DECODE = msgspec.json.Decoder(dict[str, Any]).decode
_ENCODE = msgspec.json.Encoder().encode


class BatchKey:
    """The key that seals a batch's parts, and the one that makes its rows' fingerprints; both die together."""

    def __init__(self, secret: bytes, *, key_id: BatchKeyId) -> None:
        self.key_id = key_id
        self.data = DataKey(secret[:KEY_BYTES])
        # Keys of an earlier version are one for both.
        self.fingerprint_key = secret[KEY_BYTES:] or secret
        self.secret = secret

    @classmethod
    def fresh(cls, fingerprint_key: bytes | None = None) -> "BatchKey":
        """Return a new key; with the fingerprints of an older one, where rows of that one's batch are sealed anew."""
        made = fingerprint_key or secrets.token_bytes(KEY_BYTES)
        return cls(secrets.token_bytes(KEY_BYTES) + made, key_id=BatchKeyId(str(uuid.uuid4())))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class EndedKeys(Protocol):
    """Where it is noted which keys nothing needs any more."""

    async def ended_keys(self, *, limit: int) -> list[BatchKeyId]:
        """Return names of keys that nothing needs any more, and that may still be in the key folder."""
        ...

    async def forget_ended_keys(self, key_ids: Sequence[BatchKeyId]) -> None:
        """Note that these keys are destroyed."""
        ...

    async def needed_keys(self, key_ids: Sequence[BatchKeyId]) -> list[BatchKeyId]:
        """Return those of the keys that a batch needs, or whose end is noted."""
        ...


class PostgresEndedKeys:
    """The database of the gateway, where batches note it."""

    def __init__(self, pool: Pool) -> None:
        self._keys_pool = pool

    async def ended_keys(self, *, limit: int) -> list[BatchKeyId]:
        """Return names of keys that nothing needs any more, and that may still be in the key folder."""
        return await pending_batches.ended_keys(self._keys_pool, limit=limit)

    async def forget_ended_keys(self, key_ids: Sequence[BatchKeyId]) -> None:
        """Note that these keys are destroyed."""
        await pending_batches.forget_ended_keys(self._keys_pool, key_ids)

    async def needed_keys(self, key_ids: Sequence[BatchKeyId]) -> list[BatchKeyId]:
        """Return those of the keys that a batch needs, or whose end is noted."""
        return await pending_batches.needed_keys(self._keys_pool, key_ids)


class BatchKeys:
    """The keys of batches, sealed under the master key, outside the database."""

    def __init__(self, vault: Vault, keystore: Keystore) -> None:
        self._vault = vault
        self._keystore = keystore

    async def keep(self, key: BatchKey) -> None:
        """Keep a key for as long as its batch waits."""
        await self._vault.keep_batch_key(key.key_id, self._keystore.seal(key.secret, "batch-key", key.key_id))

    async def of(self, key_id: BatchKeyId) -> BatchKey | None:
        """Return a key; None where it was destroyed, which a database from before that does not know."""
        sealed = await self._vault.batch_key(key_id)
        if sealed is None:
            return None
        return BatchKey(self._keystore.open(sealed, "batch-key", key_id), key_id=key_id)

    async def destroy(self, key_ids: Iterable[BatchKeyId]) -> None:
        """Destroy keys of which no batch was made."""
        await self._vault.destroy_batch_keys(key_ids)

    async def destroy_ended(self, ended: EndedKeys) -> None:
        """Destroy the keys of batches that are over, once that is committed, and note that it is done."""
        while key_ids := await ended.ended_keys(limit=_PAGE):
            await self._vault.destroy_batch_keys(key_ids)
            await ended.forget_ended_keys(key_ids)

    async def sweep(self, ended: EndedKeys) -> None:
        """Destroy keys whose batch was never committed, and those whose end is noted."""
        old = await self._vault.old_batch_keys(hours=_ORPHAN_HOURS)
        if old:
            needed = set(await ended.needed_keys(old))
            await self._vault.destroy_batch_keys([key_id for key_id in old if key_id not in needed])
        await self.destroy_ended(ended)

    async def put_in_order(self, pool: Pool) -> None:
        """At the start: (1) move keys out of the database; (2) finish ends; (3) take words out of old refusals."""
        while found := await pending_batches.keys_in_database(pool, limit=_PAGE):  # (1)
            for batch_id, sealed in found.items():
                secret = self._keystore.open(sealed, "batch-key", batch_id)
                key = BatchKey(secret, key_id=BatchKeyId(str(uuid.uuid4())))
                await self.keep(key)
                await pending_batches.move_key(pool, batch_id, key.key_id)
        await self.destroy_ended(PostgresEndedKeys(pool))  # (2)
        while batch_ids := await pending_batches.that_may_quote(pool, limit=1):  # (3)
            for batch_id in batch_ids:
                await self._take_words(pool, batch_id)

    async def _take_words(self, pool: Pool, batch_id: BatchId) -> None:
        """Leave of a batch's old refusals what quotes nothing; what was noted in a dry run goes."""
        after = 0
        while page := await batches.results(pool, batch_id, after=after, limit=_PAGE):
            kept = []
            for row in page:
                if row.sealed_problem is not None:
                    name = f"{batch_id}\n{row.line}"
                    document = _DECODE(self._keystore.open(row.sealed_problem, "problem", name))
                    left = {member: document[member] for member in _QUOTING_NOTHING if member in document}
                    left["detail"] = "What was wrong is not kept any more; the column that is named holds it"
                    kept.append((row.line, self._keystore.seal(_ENCODE(left), "problem", name)))
            await pending_batches.replace_problems(pool, batch_id, kept)
            after = page[-1].line
        await pending_batches.note_quotes_nothing(pool, batch_id)
