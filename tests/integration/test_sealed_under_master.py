"""Nothing of a person is sealed under a key that outlives her, whatever way it came: each seal of any key is read.

The walk is an attacker's who holds database, backups, every key that is left, and all that was ever written to a page
or a log of the database: what was sealed under such a key stays open for ever, also after an erasure.
"""

import base64
import contextlib
import json
from collections.abc import Iterable

import pytest

from services.issuer_gateway.keys.keystore import DataKey, Keystore, Purpose, UnsealableProblem
from tests.support.erased import assert_in_no_file, assert_nowhere, keys_left
from tests.support.gateways import RunningGateway
from tests.support.one_learner import BATCH_ROWS_MAX, SAID, OneLearner

pytestmark = pytest.mark.usefixtures("rounds_by_hand")
HERS: set[Purpose] = {
    *("document", "request", "request-reason", "claim-award", "share-terms", "batch-part"),
    *("application", "application-title", "application-evidence", "application-decision"),
    *("application-appeal", "application-assessor"),
}
"""For what something that says anything of her is sealed."""


class Seals:
    """What was sealed under any key, by what it is for; each is in the database's log for as long as that is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.of_master: list[tuple[Purpose, bytes]] = []
        self.of_her: list[tuple[Purpose, str, bytes]] = []
        seal = DataKey.seal

        def recorded(key: DataKey, plain: bytes, purpose: Purpose, name: str) -> bytes:
            sealed = seal(key, plain, purpose, name)
            if isinstance(key, Keystore):
                self.of_master.append((purpose, plain))
            if _says(plain, SAID):
                self.of_her.append((purpose, name, sealed))
            return sealed

        monkeypatch.setattr(DataKey, "seal", recorded)

    def assert_master_sealed_nothing_of_her(self) -> None:
        """Fail where one of the master key's says anything of her."""
        assert {purpose for purpose, _ in self.of_master} >= {
            *("answer", "problem", "notes", "batch-key", "learner-key", "office-session")
        }
        for purpose, plain in self.of_master:
            assert not _says(plain, SAID), (purpose, plain)

    def opened_by(self, keys: Iterable[DataKey]) -> set[Purpose]:
        """Return for what everything is that says something of her and that one of these keys opens."""
        found = set[Purpose]()
        for key in keys:
            for purpose, name, sealed in self.of_her:
                with contextlib.suppress(UnsealableProblem):
                    key.open(sealed, purpose, name)
                    found.add(purpose)
        return found


def _says(plain: bytes, said: Iterable[str]) -> bool:
    """Tell whether something is said in whatever spelling JSON or base64 has for it."""
    return any(
        form in plain
        for each in said
        for form in (each.encode(), json.dumps(each)[1:-1].encode(), base64.b64encode(each.encode())[:-4])
    )


async def test_no_seal_of_a_key_that_is_left_holds_anything_of_a_person_and_an_erasure_leaves_nothing(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.issuer_gateway.batches.batch_upload.BATCH_ROWS_MAX", BATCH_ROWS_MAX)
    seals = Seals(monkeypatch)
    office = await gateway.institution("waterland")
    learner = OneLearner(gateway, office)
    await learner.say_all()
    seals.assert_master_sealed_nothing_of_her()
    await assert_nowhere(gateway, SAID[1:])  # but for what the institution calls her: backups of now are kept
    assert {purpose for purpose, _, _ in seals.of_her} == HERS
    assert seals.opened_by(await keys_left(gateway)) == HERS - {"batch-part"}, "those keys are destroyed with the batch"
    for ref in learner.refs:
        erased = await office.client.send("DELETE", f"/v1/learners/{ref}")
        assert erased.status == 200, erased
    for link in learner.own_links:
        ended = await gateway.client().send("DELETE", link)
        assert ended.status < 300, ended
    seals.assert_master_sealed_nothing_of_her()
    await assert_nowhere(gateway, SAID)
    left = await keys_left(gateway)
    assert (len(left) > 1, seals.opened_by(left)) == (True, set()), "others' keys are left, and open nothing of hers"
    await assert_in_no_file(gateway, SAID[1:])
