"""The alarms of witnesses and followers, each brought about: `make drills`, as in test_drills.py."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest

from proto.log.note_key import KeyKind, SignerKey
from services.command.key_file import write_secret
from services.ledger.signer import load_key
from tests.monitoring.stand import Stand, WatchedLedger, stand_in
from tests.support.databases import MakeDatabase
from tests.support.served_logs import force, served
from tests.support.statements import secret_key
from tests.support.witnesses import History, has_size, scripted, witness_key
from tests.support.worlds import FirstWorld, World, lately


@pytest.fixture
async def stand(make_database: MakeDatabase, open_folder: Path) -> AsyncIterator[Stand]:
    async with stand_in(make_database, open_folder) as made:
        yield made


async def with_witnesses(ledger: WatchedLedger, folder: Path, lines: Sequence[str], quorum: str) -> None:
    """Start the ledger anew with a policy of these witnesses."""
    policy = folder / "policy"
    policy.write_text(f"log {ledger.verifier_key}\n{''.join(lines)}quorum {quorum}\n")
    await ledger.stop()
    ledger.config = msgspec.structs.replace(
        ledger.config, policy_file=policy, witness_wait_ms=500, witness_timeout_ms=500, idle_publish_interval_ms=500
    )
    await ledger.start()


@pytest.mark.drill("QuorumMissed", "WitnessBehind")
async def test_a_witness_that_is_away(stand: Stand) -> None:
    ledger = await stand.ledger()
    key = SignerKey(name="w.example", kind=KeyKind.COSIGNATURE, secret=secret_key("witness", "w"))
    write_secret(stand.folder / "witness.key", key.private_text.encode() + b"\n")
    witness = await stand.verifier(
        ledger.url,
        ledger.verifier_key,
        witness_key_file=stand.folder / "witness.key",
        witness_memory_file=stand.folder / "witness.sqlite",
    )
    line = f"witness w {key.verifier.text} {witness.url}\n"
    await with_witnesses(ledger, stand.folder, [line], "w")
    watch = await stand.watch()
    await watch.until("credentify_ledger_witness_cosigned_size_entries >= 1")
    assert not await watch.firing() & {"QuorumMissed", "WitnessBehind"}
    await witness.kill()
    await watch.fires("QuorumMissed", "WitnessBehind", "ServiceDown")
    await witness.start()
    await watch.ends("WitnessBehind", "ServiceDown")


@pytest.mark.drill("WitnessContradicts")
async def test_a_witness_that_says_it_has_cosigned_more(stand: Stand) -> None:
    ledger = await stand.ledger()
    key = witness_key("w")
    async with scripted(key, has_size(10_000)) as witness:
        await with_witnesses(ledger, stand.folder, [witness.policy_line], "none")
        watch = await stand.watch()
        await watch.fires("WitnessContradicts")


@contextlib.asynccontextmanager
async def followed(stand: Stand, by: str) -> AsyncIterator[World]:
    """Have a verifier or a gateway follow a log that may say whatever it wants."""
    world = FirstWorld(start=lately())
    async with served(world) as log:
        if by == "verifier":
            await stand.verifier(log.url, world.log_key.verifier.text)
        else:
            key = world.log_key.verifier.text
            await stand.gateway(await stand.ledger(), ledger_url=log.url, log_verifier_key=key)
        yield world


@pytest.mark.drill("LogFaulty")
@pytest.mark.parametrize(
    ("by", "clause"),
    [
        ("verifier", 'credentify_verifier_log_state{state="faulty"} == 1'),
        ("gateway", "credentify_gateway_log_faults_total > 0"),
    ],
)
async def test_a_log_that_breaks_its_own_chain(stand: Stand, by: str, clause: str) -> None:
    async with followed(stand, by) as world:
        watch = await stand.watch()
        await watch.until(f'up{{job="credentify-{by}"}} == 1')
        assert "LogFaulty" not in await watch.firing()
        school = world.admit("school")
        force(world, world.seal(world.issue(school)), previous=bytes(32))
        await watch.until(clause)
        await watch.fires("LogFaulty")


@pytest.mark.drill("LogFaulty")
async def test_a_log_that_shows_its_witness_two_histories(stand: Stand) -> None:
    ledger = await stand.ledger()
    key = witness_key("w")
    write_secret(stand.folder / "witness.key", key.private_text.encode() + b"\n")
    witness = await stand.verifier(
        ledger.url,
        ledger.verifier_key,
        witness_key_file=stand.folder / "witness.key",
        witness_memory_file=stand.folder / "witness.sqlite",
    )
    watch = await stand.watch()
    await watch.until('credentify_verifier_log_state{state="healthy"} == 1')
    assert ledger.config.log_key_file is not None
    log_key = load_key(ledger.config.log_key_file)
    for history in (History().grow(5, "one"), History().grow(5, "other")):
        body = history.request(0, key=log_key).encode()
        async with stand.session.post(f"{witness.url}/add-checkpoint", data=body) as response:
            await response.read()
        body = history.request(5, key=log_key).encode()
        async with stand.session.post(f"{witness.url}/add-checkpoint", data=body) as response:
            await response.read()
    await watch.until("credentify_verifier_witness_forks_total > 0")
    await watch.fires("LogFaulty")


@pytest.mark.drill("ClockBehind")
@pytest.mark.parametrize("by", ["verifier", "gateway"])
async def test_a_log_for_which_it_is_tomorrow(stand: Stand, by: str) -> None:
    async with followed(stand, by) as world:
        watch = await stand.watch()
        await watch.until(f"credentify_{by}_clock_behind_seconds == 0")
        world.advance(days=1)
        world.admit("school")
        await watch.until(f"credentify_{by}_clock_behind_seconds > 10")
        await watch.fires("ClockBehind")
