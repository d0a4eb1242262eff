"""Code that others wrote accepts what our ledger publishes with our witnesses' cosignatures, over real HTTP."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.ids import Origin
from proto.log.note_key import VerifierKey, parse_vkey
from proto.log.policy import QuorumProblem, open_under_policy, parse_policy
from proto.log.witness import origin_hash
from tests.support.databases import MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until
from tests.support.witnesses import running_witness


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A log as anybody sees it: where it is, where its witness is, and the keys of both."""

    url: str
    witness_url: str
    log: VerifierKey
    witness: VerifierKey


@pytest.fixture
async def published(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Published]:
    """A ledger whose newest checkpoint one witness cosigned."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        ledger = RunningLedger(ledger_config(database, tmp_path / "ledger"), database, Registrar(), session)
        await ledger.init()
        log = parse_vkey(ledger.verifier_key)
        async with running_witness("w", tmp_path, log) as served:
            policy = f"log {log.text}\n{served.policy_line}quorum {served.key.name}\n"
            (tmp_path / "policy").write_text(policy)
            ledger.config = msgspec.structs.replace(ledger.config, policy_file=tmp_path / "policy")
            await ledger.start()
            await ledger.admit("college")

            async def cosigned() -> bool | None:
                try:
                    opened = open_under_policy(await ledger.client.checkpoint(), parse_policy(policy.encode()))
                except QuorumProblem:
                    return None
                return True if opened.checkpoint.size == 2 else None

            await until(cosigned, "a cosigned checkpoint")
            yield Published(url=ledger.url, witness_url=served.url, log=log, witness=served.key.verifier)
            await ledger.stop()


def read(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=120) as response:
        body: bytes = response.read()
    return body


async def test_tlog_scales_verifies_log_and_witness_on_the_published_checkpoint(published: Published) -> None:
    vkey = pytest.importorskip("tlog_scales.signing", reason="the package tlog-scales is not installed").Vkey
    reader = pytest.importorskip("tlog_scales.reader")
    backend = pytest.importorskip("tlog_scales.backend").HttpBackend(published.url)
    backend.session.trust_env = False  # no proxy stands between loopback and loopback

    def walk() -> Any:
        found = reader.TilesReader(backend)
        checkpoint = found.get_checkpoint()
        for key in (published.log, published.witness):
            checkpoint.verify(vkey.from_string(key.text))
        assert found.calculate_root_hash() == checkpoint.root_hash
        return checkpoint

    try:
        assert (await asyncio.to_thread(walk)).size == 2
    finally:
        backend.session.close()


async def test_aics_tlog_accepts_the_quorum_of_log_and_monitoring_endpoint(published: Published) -> None:
    aics = pytest.importorskip("aics_tlog", reason="the package aics-tlog is not installed (it needs Python 3.12)")
    parse_note = pytest.importorskip("aics_tlog.note").parse_note
    monitoring = f"{published.witness_url}/{origin_hash(Origin(published.log.name)).hex()}/checkpoint"
    for url in (f"{published.url}/checkpoint", monitoring):
        note = parse_note(await asyncio.to_thread(read, url))
        log, witness = aics.parse_vkey(published.log.text), aics.parse_vkey(published.witness.text)
        assert aics.verify_checkpoint(note, log, [witness], quorum=1).ok
