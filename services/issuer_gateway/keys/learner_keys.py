"""Learners' keys at work: fetched from the vault, opened under the master key, made, destroyed. Knows no document."""

from collections.abc import Iterable, Sequence

from proto.ids import LearnerId
from proto.number_words import number_of
from services.issuer_gateway.keys.keystore import DataKey, Keystore, UnsealableProblem
from services.issuer_gateway.keys.vault import KeyFolderProblem, Vault
from services.issuer_gateway.store import learners
from services.persistence.postgres import Pool

_PAGE = 1_000


class LearnerKeys:
    """The keys of learners by their ids."""

    def __init__(self, vault: Vault, keystore: Keystore) -> None:
        self._vault = vault
        self._keystore = keystore

    async def known(self, learner_ids: Iterable[LearnerId]) -> dict[LearnerId, DataKey | None]:
        """Return the keys of learners, None where the key was destroyed.

        Raises `UnsealableProblem` where the vault never had one: then it is not the vault of this database.
        """
        wanted = list(dict.fromkeys(learner_ids))
        sealed = await self._vault.keys(wanted)
        missing = [name for name in wanted if name not in sealed]
        if missing:
            raise UnsealableProblem(
                f"The key folder holds no key of {number_of(len(missing), 'learner')}; give the gateway the folder "
                "of this database"
            )
        return self._opened(sealed)

    async def made(self, learner_ids: Iterable[LearnerId]) -> dict[LearnerId, DataKey | None]:
        """Return the keys of learners, made now for those who have none; None where the key was destroyed."""
        wanted = list(dict.fromkeys(learner_ids))
        sealed = await self._vault.keys(wanted)
        missing = [name for name in wanted if name not in sealed]
        if not missing:
            return self._opened(sealed)
        made = {name: self._keystore.new_learner_key(name) for name in missing}
        kept = await self._vault.keep({name: sealed_key for name, (_, sealed_key) in made.items()})
        ours = {name: key for name, (key, sealed_key) in made.items() if kept[name] == sealed_key}
        others = {name: key for name, key in kept.items() if name not in ours}  # another process was first
        return self._opened(sealed | others) | ours

    def _opened(self, sealed: dict[LearnerId, bytes | None]) -> dict[LearnerId, DataKey | None]:
        return {name: self._keystore.learner_key(key, name) if key else None for name, key in sealed.items()}

    async def marked(self, mark: bytes) -> list[LearnerId]:
        """Return the ids of learners who bear a mark; some may have no row in the database, and count as nobody."""
        return await self._vault.marked(mark)

    async def mark(self, learner_id: LearnerId, marks: Sequence[bytes]) -> None:
        """Let a learner who has a key be found by these marks, until the key is destroyed."""
        await self._vault.mark(learner_id, marks)

    async def destroy_erased(self, pool: Pool) -> None:
        """Destroy the keys of all learners whose erasure is committed, and note that it is done.

        So also those that an erasure left whose key folder was away, or that ended between commit and destruction.
        """
        while learner_ids := await learners.to_destroy(pool, limit=_PAGE):
            await self._vault.destroy(learner_ids)
            await learners.note_destroyed(pool, learner_ids)

    async def check_folder(self, pool: Pool) -> None:
        """Raise `KeyFolderProblem` where the database has learners and the folder no key of any: it is another one's.

        An unmounted disk looks like that. Learners would get second keys there, and their documents be torn apart.
        """
        learner_ids = await learners.some_learners(pool, limit=_PAGE)
        if learner_ids and not await self._vault.keys(learner_ids):
            raise KeyFolderProblem(
                f"The database has learners, and {self._vault.folder} holds no key of any. Mount its disk, or copy the "
                "newest copy back (RUNBOOK.md: key-folder). Only if no copy exists anywhere: set "
                "CREDENTIFY_GATEWAY_KEY_FOLDER_LOST=true, after which nobody can read what was issued until now"
            )

    async def put_in_order(self, pool: Pool) -> None:
        """At the start: (1) move keys out of the database; (2) finish erasures; (3) repeat them on a restored database.

        (1) is for databases of an earlier version, (2) for an end between commit and destruction; (3) is for databases
        from before an erasure: what was destroyed stays so.
        """
        while found := await learners.keys_in_database(pool, limit=_PAGE):  # (1)
            await self._vault.keep(found)
            await learners.drop_keys(pool, list(found))
        await self.destroy_erased(pool)  # (2)
        after = ""
        while learner_ids := await self._vault.destroyed(after=after, limit=_PAGE):  # (3)
            await learners.erase_again(pool, learner_ids)
            after = learner_ids[-1]
