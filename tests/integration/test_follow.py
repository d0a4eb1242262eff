"""A follower over real HTTP against logs that are honest, behind, down, or lying in every way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import msgspec
import pytest

from proto import events
from proto.base64_strict import encode_base64
from proto.envelope import PAYLOAD_TYPE, Envelope, Signature, pre_authentication_encoding
from proto.ids import CredentialId, LeafIndex, Origin
from proto.keys import SecretKey
from proto.lifecycle import Book, UnknownRulesProblem
from proto.log import entry as entries
from proto.log.checkpoint import parse_checkpoint, sign_checkpoint
from proto.log.merkle import Hash, leaf_hash
from proto.log.note import parse_note
from proto.log.note_key import SignerKey
from proto.log.policy import QuorumProblem
from services.clients.log_client import LogAnswerProblem, LogUnreachableProblem
from services.follow import (
    FaultyLogProblem,
    ForeignPositionProblem,
)
from services.verifier.projection.reader import ReadTransaction
from services.verifier.projection.store import Store
from tests.support.follow_stage import BOUNDS, Stage, cosigned, lone_witness, policy_of
from tests.support.served_logs import force, force_and_believe, served
from tests.support.statements import secret_key
from tests.support.worlds import ORIGIN, World, activate_unknown_rules


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    world = World()
    school = world.admit("school")
    part, other = world.issued(school, "a"), world.issued(school, "b")
    world.stacked(school, [part, other], "stack")
    world.say(world.revocation(school, part))
    store = Store(tmp_path / "projection.sqlite")
    async with served(world) as log, aiohttp.ClientSession() as session:
        yield Stage(log, store, session)
    store.close()


async def test_an_honest_log_is_applied_up_to_its_checkpoint(stage: Stage) -> None:
    assert await stage.follower.step() == stage.world.size
    position = await stage.position()
    assert (position.size, position.root_hash) == (stage.world.size, stage.world.root_hash())
    assert stage.follower.health().state == "healthy"
    assert await stage.follower.step() == 0


async def test_states_equal_those_of_the_log(stage: Stage) -> None:
    await stage.follower.step()
    for credential_id, credential in stage.world.book.credentials.items():
        book = await stage.store.read(_book_of(credential_id))
        assert book.credential(credential_id) == credential
    assert book.opened_log() == stage.world.book.opened_log()


async def test_a_restart_continues_where_it_was(stage: Stage) -> None:
    stage.log.size = 4
    await stage.follower.step()
    stage.log.size = None
    assert await stage.new().step() == stage.world.size - 4


async def test_growth_is_applied_in_bounded_chunks_even_if_the_log_sends_less(stage: Stage) -> None:
    stage.log.entries_per_answer_max = 2
    assert await stage.follower.step() == stage.world.size


async def test_a_log_of_no_entries_is_followed(tmp_path: Path, stage: Stage) -> None:
    stage.log.size = 0
    assert await stage.follower.step() == 0
    assert stage.follower.health().state == "healthy"
    stage.log.size = None
    assert await stage.follower.step() == stage.world.size


async def test_running_follows_growth_and_stops_on_cancellation(stage: Stage) -> None:
    task = asyncio.create_task(stage.follower.run())
    await until(lambda: _size(stage) == stage.world.size)
    stage.world.issued(stage.world.party("school"), "later")
    await until(lambda: _size(stage) == stage.world.size)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (await stage.position()).size == stage.world.size


async def test_running_survives_a_log_that_is_down(stage: Stage) -> None:
    stage.log.is_down = True
    task = asyncio.create_task(stage.follower.run())
    await until(lambda: stage.log.request_count >= 3)
    stage.log.is_down = False
    await until(lambda: _size(stage) == stage.world.size)
    task.cancel()


async def test_a_log_that_is_down_makes_the_projection_stale_not_faulty(stage: Stage) -> None:
    await stage.follower.step()
    stage.log.is_down = True
    with pytest.raises(LogUnreachableProblem):
        await stage.follower.step()
    assert stage.follower.health().state == "healthy"
    stage.clock.advance(61)
    assert stage.follower.health().state == "stale"
    stage.log.is_down = False
    await stage.follower.step()
    assert stage.follower.health().state == "healthy"


async def test_a_clock_that_is_set_back_makes_nothing_fresher(stage: Stage) -> None:
    await stage.follower.step()
    stage.clock.advance(61)
    stage.clock.now_ms -= 60_000
    assert stage.follower.health().state == "stale"


async def test_a_projection_that_never_caught_up_has_no_age(stage: Stage) -> None:
    health = stage.follower.health()
    assert (health.state, health.age_seconds) == ("stale", None)


async def test_the_time_of_the_last_fetch_survives_a_restart(stage: Stage) -> None:
    await stage.follower.step()
    stage.clock.advance(10)
    stage.log.is_down = True
    follower = stage.new()
    with pytest.raises(LogUnreachableProblem):
        await follower.step()
    assert follower.health().age_seconds == 10


async def test_a_smaller_checkpoint_is_merely_old_and_makes_nothing_fresher(stage: Stage) -> None:
    await stage.follower.step()
    stage.clock.advance(50)
    stage.log.size = 3
    assert await stage.follower.step() == 0
    health = stage.follower.health()
    assert (health.state, health.age_seconds) == ("healthy", 50)
    stage.clock.advance(11)
    assert stage.follower.health().state == "stale"


async def test_an_altered_entry_is_not_applied_and_may_heal(stage: Stage) -> None:
    stage.log.tamper = lambda index, line: line.replace(b'"payload":"e', b'"payload":"f') if index == 4 else line
    await stage.finds("altered", is_conclusive=False)
    assert (await stage.position()).size == 3
    stage.log.tamper = lambda _, line: line
    assert await stage.follower.step() == stage.world.size - 3
    assert stage.follower.health().state == "healthy"


@pytest.mark.parametrize("index", range(6))
async def test_no_entry_can_be_altered_unseen(stage: Stage, index: int) -> None:
    stage.log.tamper = lambda place, line: line[:-3] + b"8" + line[-2:] if place == index else line
    assert stage.log.tamper(index, stage.world.entries[index]) != stage.world.entries[index]
    await stage.finds("altered", is_conclusive=False)


async def test_two_trees_of_one_size_are_conclusive_evidence(stage: Stage) -> None:
    await stage.follower.step()
    other = World()
    other.admit("school")
    while other.size < stage.world.size:
        other.issued(other.party("school"))
    stage.log.checkpoint = other.checkpoint()
    evidence = await stage.finds("fork", is_conclusive=True)
    assert evidence.checkpoints == (stage.world.checkpoint(), other.checkpoint())
    stage.log.checkpoint = None
    with pytest.raises(FaultyLogProblem):
        await stage.follower.step()


async def test_a_larger_fork_is_found_and_becomes_conclusive_when_compared(stage: Stage) -> None:
    stage.log.size = 4
    await stage.follower.step()
    other = World()
    other.admit("college")
    while other.size < 6:
        other.issued(other.party("college"))
    stage.log.world, stage.log.size = other, None
    await stage.finds("fork", is_conclusive=False)
    stage.log.world = stage.world
    await stage.finds("fork", is_conclusive=True)


async def test_a_false_consistency_proof_is_not_believed(stage: Stage) -> None:
    stage.log.size = 4
    await stage.follower.step()
    stage.log.size = None
    stage.log.proof = [Hash(bytes(32))] * 3
    await stage.finds("fork", is_conclusive=False)
    stage.log.proof = None
    await stage.follower.step()
    assert stage.follower.health().state == "healthy"


async def test_a_checkpoint_of_another_key_is_refused(stage: Stage) -> None:
    stage.log.checkpoint = _resigned(stage.world, secret_key("thief"))
    await stage.finds("checkpoint", is_conclusive=False)
    assert await stage.store.position() is None


async def test_a_checkpoint_of_another_origin_is_refused(stage: Stage) -> None:
    stage.log.checkpoint = World(origin=Origin("log.example/other")).checkpoint()
    await stage.finds("checkpoint", is_conclusive=False)


async def test_garbage_instead_of_a_checkpoint_is_refused(stage: Stage) -> None:
    stage.log.checkpoint = b"<html>welcome to the hotel</html>"
    await stage.finds("checkpoint", is_conclusive=False)


async def test_an_entry_with_a_wrong_signature_stops_the_follower_before_it(stage: Stage) -> None:
    school = stage.world.party("school")
    good = stage.world.seal(stage.world.committed(school, "c"))
    other = stage.world.seal(stage.world.committed(school, "d"))
    index = force(stage.world, msgspec.structs.replace(good, signatures=other.signatures))
    evidence = await stage.finds("signature", is_conclusive=True)
    assert (evidence.index, evidence.entry) == (index, stage.world.entries[index])
    assert int((await stage.position()).size) == index


async def test_processes_for_signatures_find_the_same(stage: Stage) -> None:
    stage.bounds = msgspec.structs.replace(BOUNDS, signature_processes=2, processes_from_entries=1)
    stage.new()
    await test_an_entry_with_a_wrong_signature_stops_the_follower_before_it(stage)


async def test_an_entry_that_breaks_a_rule_stops_the_follower_before_it(stage: Stage) -> None:
    stranger = stage.world.party("stranger")
    index = force(stage.world, _sealed(stage.world, stage.world.committed(stranger, "x")))
    evidence = await stage.finds("rule", is_conclusive=True)
    assert evidence.index == index
    assert int((await stage.position()).size) == index
    assert await stage.store.read(lambda snapshot: snapshot.credential_count()) == 3


async def test_what_is_said_twice_stops_the_follower(stage: Stage) -> None:
    school = stage.world.party("school")
    index = force(stage.world, stage.world.seal(stage.world.committed(school, "a")))
    assert (await stage.finds("rule", is_conclusive=True)).index == index


async def test_a_broken_chain_stops_the_follower(stage: Stage) -> None:
    school = stage.world.party("school")
    force(stage.world, stage.world.seal(stage.world.committed(school, "c")), previous=bytes(32))
    await stage.finds("chain", is_conclusive=True)


async def test_a_wrong_index_stops_the_follower(stage: Stage) -> None:
    school = stage.world.party("school")
    force(stage.world, stage.world.seal(stage.world.committed(school, "c")), index=99)
    await stage.finds("order", is_conclusive=True)


async def test_a_time_that_goes_backwards_stops_the_follower(stage: Stage) -> None:
    school = stage.world.party("school")
    force(stage.world, stage.world.seal(stage.world.committed(school, "c")), received_at="2025-12-31T00:00:00.000Z")
    await stage.finds("order", is_conclusive=True)


async def test_rules_of_a_version_that_is_not_known_stop_the_follower(stage: Stage) -> None:
    world, school = stage.world, stage.world.party("school")
    activate_unknown_rules(world)
    index = force_and_believe(world, world.seal(world.committed(school, "c")))
    with pytest.raises(UnknownRulesProblem):
        await stage.follower.step()
    assert stage.follower.health().state == "unknown_rules"
    assert int((await stage.position()).size) == index


async def test_an_event_type_that_is_not_known_stops_the_follower_before_it(stage: Stage) -> None:
    world = stage.world
    payload = events.encode(world.committed(world.party("school"), "c")).replace(
        b"credential-issued.v2", b"credential-x.v9"
    )
    message = pre_authentication_encoding(payload)
    key_id = world.party("school").event.key_id
    signature = Signature(keyid=key_id, sig=encode_base64(world.party("school").sign(key_id, message)))
    envelope = Envelope(payload=encode_base64(payload), payload_type=PAYLOAD_TYPE, signatures=(signature,))
    size = int(world.size)
    line = entries.encode(envelope, LeafIndex(size), world.leaf_hashes[-1], world.now)
    world.entries.append(line)
    world.leaf_hashes.append(leaf_hash(line))
    with pytest.raises(UnknownRulesProblem):
        await stage.follower.step()
    assert stage.follower.health().state == "unknown_rules"
    assert int((await stage.position()).size) == size


async def test_a_log_that_does_not_begin_with_its_opening_is_refused(stage: Stage) -> None:
    world = World(is_open=False)
    opening = world.seal(msgspec.structs.replace(world.opening(), log=Origin("log.example/other")))
    world.append(opening)
    stage.log.world = world
    assert (await stage.finds("rule", is_conclusive=True)).index == 0


async def test_entries_that_are_withheld_are_asked_for_again(stage: Stage) -> None:
    stage.log.entries_per_answer_max = 0
    with pytest.raises(LogAnswerProblem):
        await stage.follower.step()
    stage.log.entries_per_answer_max = 100
    assert await stage.follower.step() == stage.world.size


async def test_a_projection_of_another_log_is_not_continued(stage: Stage) -> None:
    await stage.follower.step()
    key = SignerKey(name=ORIGIN, secret=secret_key("another log")).verifier.text
    with pytest.raises(ForeignPositionProblem, match="empty database"):
        await stage.new(verifier_key=key).step()


async def test_a_damaged_position_is_not_continued(stage: Stage) -> None:
    await stage.follower.step()
    position = await stage.position()
    await stage.store.apply(Book(), [], msgspec.structs.replace(position, root_hash=Hash(bytes(32))))
    with pytest.raises(ForeignPositionProblem, match="damaged"):
        await stage.new().step()


async def test_without_the_quorum_nothing_is_applied(stage: Stage) -> None:
    witness = lone_witness()
    stage.policy = policy_of(witness)
    follower = stage.new()
    with pytest.raises(QuorumProblem):
        await follower.step()
    assert await stage.store.position() is None
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms - 20_000)
    await follower.step()
    health = follower.health()
    assert (health.state, health.time_source, health.age_seconds) == ("healthy", "witnesses", 20)


async def test_with_witnesses_a_fetch_alone_makes_nothing_fresher(stage: Stage) -> None:
    witness = lone_witness()
    stage.policy = policy_of(witness)
    follower = stage.new()
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    await follower.step()
    stage.clock.advance(61)
    await follower.step()
    assert follower.health().state == "stale"


def _size(stage: Stage) -> int:
    return stage.follower.position.size if stage.follower.position else 0


def _book_of(credential_id: CredentialId) -> Callable[[ReadTransaction], Book]:
    return lambda snapshot: snapshot.book([credential_id])


def _sealed(world: World, event: events.Event) -> Envelope:
    party = world.parties[event.issuer]
    return world.seal(event, key=party.event)


def _resigned(world: World, secret: SecretKey) -> bytes:
    checkpoint = parse_checkpoint(parse_note(world.checkpoint()).text)
    return sign_checkpoint(checkpoint, SignerKey(name=world.origin, secret=secret)).encode()


async def until(holds: Callable[[], bool], *, seconds: float = 120.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)
