"""A running ledger, judged by those who trust its public key alone: our auditor, and a tlog client of others."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proto.log.merkle import leaf_hash
from proto.log.note_key import parse_vkey
from proto.log.receipt import RECEIPT_HEADER, check_receipt, parse_receipt
from services.auditor import Auditor, AuditState, LyingLogProblem
from services.persistence import postgres
from services.verifier.projection.store import Store
from tests.support.bundles import policy_of
from tests.support.ledgers import RunningLedger

COUNT = 300


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def filled(ledger: RunningLedger) -> int:
    """Fill a whole tile and a bit; return how many entries are published."""
    school = await ledger.admit("school")
    await ledger.submit(ledger.registrar.issues(school, COUNT))
    await ledger.published(COUNT + 2)
    return COUNT + 2


def auditor(ledger: RunningLedger, folder: Path, store: Store) -> Auditor:
    key = ledger.verifier_key
    return Auditor(
        ledger.session,
        ledger.url,
        verifier_key=key,
        state=AuditState(folder, parse_vkey(key)),
        store=store,
        clock=lambda: ledger.registrar.now,
        pause_seconds=0,
    )


async def test_the_auditor_proves_a_running_ledger_and_its_growth(ledger: RunningLedger, tmp_path: Path) -> None:
    size = await filled(ledger)
    store = Store(tmp_path / "projection.sqlite")
    try:
        audit = auditor(ledger, tmp_path / "audit", store)
        seen = await audit.step()
        assert (seen.size, seen.entry_count, seen.tile_count) == (size, size, 3)
        await ledger.issued(ledger.registrar.party("school"), "one more")
        await ledger.published(size + 1)
        assert (await audit.step()).entry_count == 1
    finally:
        store.close()


async def test_the_auditor_finds_an_entry_that_the_operator_altered(ledger: RunningLedger, tmp_path: Path) -> None:
    await filled(ledger)
    store = Store(tmp_path / "projection.sqlite")
    [line] = [line async for line in ledger.client.entries(77, 78)]
    try:
        await overwrite(
            ledger, 77, line[:-3] + b"8" + line[-2:] if line[-3:-2] != b"8" else line[:-3] + b"7" + line[-2:]
        )
        with pytest.raises(LyingLogProblem) as caught:
            await auditor(ledger, tmp_path / "audit", store).step()
        assert (caught.value.finding.kind, caught.value.finding.index) == ("altered", 77)
    finally:
        store.close()
        await overwrite(ledger, 77, line)


async def overwrite(ledger: RunningLedger, index: int, data: bytes) -> None:
    """Alter an entry as only the owner of the database can."""
    async with postgres.connected(ledger.database.owner_url, application_name="vandal") as connection:
        await connection.execute("ALTER TABLE entry DISABLE TRIGGER append_only")
        await connection.execute("UPDATE entry SET entry = $1 WHERE leaf_index = $2", data, index)
        await connection.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER append_only")


class Foreign:
    """What tlog-scales makes of the log, in a thread: it speaks blocking HTTP."""

    def __init__(self, url: str, vkey: str) -> None:
        reader = pytest.importorskip("tlog_scales.reader", reason="the package tlog-scales is not installed")
        self._backend = pytest.importorskip("tlog_scales.backend").HttpBackend(url)
        self._backend.session.trust_env = False  # no proxy stands between loopback and loopback
        self._tlog = pytest.importorskip("tlog_scales.tlog")
        self._vkey = pytest.importorskip("tlog_scales.signing").Vkey.from_string(vkey)
        self._reader = reader.TilesReader(self._backend)

    def accepts(self, receipt: bytes, entry: bytes) -> None:
        """Check signature and inclusion of a receipt of ours with their code; raises where it is refused."""
        ours = parse_receipt(receipt)
        checkpoint = self._tlog.Checkpoint.from_text(receipt.split(b"\n\n", 1)[1].decode())
        checkpoint.verify(self._vkey)
        proof = self._tlog.InclusionProof(ours.index, checkpoint.size, list(ours.proof))
        proof.check(leaf_hash(entry), checkpoint.root_hash)

    def receipt(self, index: int) -> bytes:
        """Make a tlog-proof from our tiles with their code, as their command `gen-proof` prints it."""
        checkpoint = self._reader.get_checkpoint()
        proof: Any = self._reader.get_inclusion_proof(index, checkpoint.size)
        encode = pytest.importorskip("tlog_scales.utils").b64enc
        lines = [RECEIPT_HEADER, f"index {index}", *map(encode, proof.node_hashes), "", checkpoint.serialize()]
        return "\n".join(lines).encode()

    def close(self) -> None:
        self._backend.session.close()


async def test_a_foreign_client_accepts_our_receipts_and_we_accept_its(ledger: RunningLedger) -> None:
    size = await filled(ledger)
    foreign = Foreign(ledger.url, ledger.verifier_key)
    try:
        for index in (0, 1, 255, 256, size - 1):
            [entry] = [line async for line in ledger.client.entries(index, index + 1)]
            _, ours, _ = await ledger.get(f"/v1/receipts/{index}")
            foreign.accepts(ours, entry)
            with pytest.raises(pytest.importorskip("tlog_scales.tlog").InclusionProofInvalid):
                foreign.accepts(ours, entry + b" ")
            theirs = await asyncio.to_thread(foreign.receipt, index)
            assert theirs == ours
            check_receipt(parse_receipt(theirs), entry, policy_of(ledger.verifier_key))
    finally:
        foreign.close()


async def test_a_foreign_client_refuses_a_receipt_under_another_key(ledger: RunningLedger) -> None:
    await filled(ledger)
    [entry] = [line async for line in ledger.client.entries(3, 4)]
    _, receipt, _ = await ledger.get("/v1/receipts/3")
    text = ledger.verifier_key.split("+")
    foreign = Foreign(ledger.url, "+".join([text[0] + "x", *text[1:]]))
    try:
        with pytest.raises(RuntimeError, match="no signature matched"):
            foreign.accepts(receipt, entry)
    finally:
        foreign.close()
