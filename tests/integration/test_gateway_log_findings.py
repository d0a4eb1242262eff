"""What a gateway found against its log outlives a restart: forks, and checkpoints that are still to be compared."""

import io

import aiohttp
from prometheus_client import CollectorRegistry

from proto.log.checkpoint import parse_checkpoint, sign_checkpoint
from proto.log.merkle import Hash
from proto.log.note import parse_note
from proto.log.note_key import SignerKey, parse_signer_key
from proto.moment import Moment
from services.edge import Log
from services.follow.interface import Evidence
from services.issuer_gateway.log.projector import FollowObserver
from services.issuer_gateway.metrics import Metrics
from tests.support.gateways import RunningGateway
from tests.support.ledgers import RunningLedger


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
    await observer_of(gateway).faulted(
        Evidence(
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
    return FollowObserver(gateway.inside.pool, Log("gateway", io.BytesIO()), Metrics(CollectorRegistry()))
