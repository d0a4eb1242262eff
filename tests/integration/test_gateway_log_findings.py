"""What a gateway finds against its log, or its own clock: it outlives a restart where it has to, and is shown."""

import io
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from proto.log.checkpoint import parse_checkpoint, sign_checkpoint
from proto.log.merkle import Hash
from proto.log.note import parse_note
from proto.log.note_key import SignerKey, parse_signer_key
from proto.moment import Moment, from_datetime
from services.edge import Log
from services.follow.interface import LogEvidence
from services.issuer_gateway.log.projector import FollowObserver
from services.issuer_gateway.metrics import FollowingMetrics
from services.issuer_gateway.wiring import parts
from tests.support.gateways import RunningGateway
from tests.support.ledgers import RunningLedger, until


async def test_evidence_and_suspects_of_a_gateway_outlive_a_restart(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    note = await ledger.client.checkpoint()
    checkpoint = parse_checkpoint(parse_note(note).text)
    assert ledger.config.log_key_file is not None
    key: SignerKey = parse_signer_key(ledger.config.log_key_file.read_text().strip())
    larger = sign_checkpoint(
        type(checkpoint)(origin=checkpoint.origin, size=type(checkpoint.size)(10_000), root_hash=Hash(bytes(32))), key
    ).encode()
    await observer_of(gateway).unproven((larger,))
    await gateway.stop()
    await gateway.start()
    assert gateway.inside is not None
    assert gateway.inside.follower._checkpoints.suspects.notes == (larger,)
    await observer_of(gateway).convicted(
        LogEvidence(
            kind="fork",
            detail="two trees",
            found_at=Moment("2026-01-01T00:00:00.000Z"),
            is_conclusive=True,
            checkpoints=(note, larger),
        )
    )
    await gateway.stop()
    await gateway.start()
    assert gateway.inside is not None
    health = gateway.inside.follower.health()
    assert (health.state, health.evidence and health.evidence.checkpoints) == ("faulty", (note, larger))
    async with aiohttp.ClientSession() as session, session.get(f"{gateway.url}/readyz") as response:
        assert response.status == 503


def observer_of(gateway: RunningGateway) -> FollowObserver:
    """Return an observer over the database of a gateway that was started again."""
    assert gateway.inside is not None
    return FollowObserver(gateway.inside.pool, Log("gateway", io.BytesIO()), FollowingMetrics(CollectorRegistry()))


async def test_a_gateway_whose_clock_is_behind_the_log_is_not_ready_and_says_by_how_much(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.institution("waterland")
    await gateway.stop()
    yesterday = from_datetime(datetime.now(UTC) - timedelta(days=1))
    monkeypatch.setattr(parts, "wall_clock", lambda: yesterday)
    await gateway.start()

    async def refusal() -> str | None:
        async with gateway.ledger.session.get(f"{gateway.url}/readyz") as response:
            text = await response.text()
        return text if response.status == 503 and "set the clock (NTP)" in text else None

    async def behind_seconds() -> float | None:
        async with gateway.ledger.session.get(f"{gateway.url}/metrics") as response:
            found = dict(line.rsplit(" ", 1) for line in (await response.text()).splitlines() if line[0] != "#")
        return float(found["credentify_gateway_clock_behind_seconds"]) or None

    assert await until(refusal, "the gateway says that its clock is behind")
    assert await until(behind_seconds, "the metric says it too") > 80_000
