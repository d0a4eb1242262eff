"""Learners' keys: made once for many, kept in the key folder, and whoever was first has made them."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import pytest

from proto.ids import LearnerId
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.keys.vault import Vault

KEYSTORE = Keystore(bytes(range(32)))
NAMES = [LearnerId(f"learner-{number}") for number in range(2_111)]


class OvertakenVault(Vault):
    """A vault into which another process puts its keys just after this one has looked, and found none."""

    async def keys(self, learner_ids: Iterable[LearnerId]) -> dict[LearnerId, bytes | None]:
        """Return nothing, and let the other one be first for every third learner."""
        with contextlib.closing(Vault(self.folder)) as vault:
            await LearnerKeys(vault, KEYSTORE).made(list(learner_ids)[::3])
        return {}


@pytest.mark.parametrize("kind", [Vault, OvertakenVault])
async def test_keys_that_are_made_are_those_that_are_known_afterwards(tmp_path: Path, kind: type[Vault]) -> None:
    with contextlib.closing(kind(tmp_path / "keys")) as vault:
        made = await LearnerKeys(vault, KEYSTORE).made([*NAMES, NAMES[0]])
    with contextlib.closing(Vault(tmp_path / "keys")) as vault:
        known = await LearnerKeys(vault, KEYSTORE).known(NAMES)
        again = await LearnerKeys(vault, KEYSTORE).made(NAMES)
    assert made.keys() == known.keys() == again.keys() == set(NAMES)
    for name in NAMES:
        key, later, same = made[name], known[name], again[name]
        assert key is not None
        assert later is not None
        assert same is not None
        sealed = key.seal(b"a document", "document", name)
        assert later.open(sealed, "document", name) == same.open(sealed, "document", name) == b"a document"


async def test_a_key_that_was_destroyed_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    with contextlib.closing(Vault(tmp_path / "keys")) as vault:
        await vault.destroy(NAMES[1:3])
        kept = await vault.keep(dict.fromkeys(NAMES[:4], b"sealed"))
        assert kept == {NAMES[0]: b"sealed", NAMES[1]: None, NAMES[2]: None, NAMES[3]: b"sealed"}
        made = await LearnerKeys(vault, KEYSTORE).made([NAMES[1], NAMES[4]])
    assert made[NAMES[1]] is None
    assert made[NAMES[4]] is not None
