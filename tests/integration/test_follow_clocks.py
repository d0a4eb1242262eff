"""Clocks that are behind, ahead or set, and logs that date ahead or back: what a follower holds, refuses and says."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from proto.log.checkpoint import open_checkpoint
from proto.moment import from_ms, to_ms
from services.clients.log_client import LogUnreachableProblem
from services.follow import ClockBehindProblem, FaultyLogProblem
from services.verifier.projection.store import Store
from tests.support.follow_stage import BOUNDS, Stage, cosigned, lone_witness, policy_of
from tests.support.served_logs import force, force_and_believe, served
from tests.support.worlds import DAY_MS, World

HOUR_MS = 3_600_000


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    world = World()
    world.issued(world.admit("school"), "a")
    store = Store(tmp_path / "projection.sqlite")
    async with served(world) as log, aiohttp.ClientSession() as session:
        yield Stage(log, store, session)
    store.close()


@pytest.mark.parametrize("behind_seconds", [11, 90, 300, 86_400])
async def test_what_lies_past_our_clock_is_held_and_both_causes_are_named(stage: Stage, behind_seconds: int) -> None:
    await stage.follower.step()
    school = stage.world.party("school")
    stage.world.advance(seconds=behind_seconds)
    index = stage.world.say(stage.world.committed(school, "b"))
    with pytest.raises(ClockBehindProblem, match="that clock is behind, or the log dates its entries ahead"):
        await stage.follower.step()
    health = stage.follower.health()
    assert (health.state, health.evidence, health.shown_at) == ("clock_behind", None, stage.world.received_at(index))
    assert health.behind_seconds > 10
    assert int((await stage.position()).size) == index
    stage.clock.advance(behind_seconds)
    assert stage.follower.health().state == "clock_behind", "until it is applied"
    assert await stage.follower.step() == 1
    assert stage.follower.health().state == "healthy"


async def test_a_clock_that_is_little_behind_holds_nothing(stage: Stage) -> None:
    await stage.follower.step()
    stage.clock.now_ms -= 9_000
    stage.world.issued(stage.world.party("school"), "b")
    assert await stage.follower.step() == 1
    assert stage.follower.health().state == "healthy"


async def test_a_clock_that_is_behind_what_was_read_before_confirms_nothing_also_after_a_restart(stage: Stage) -> None:
    await stage.follower.step()
    stage.clock.now_ms -= DAY_MS
    health = stage.follower.health()
    assert (health.state, health.age_seconds) == ("clock_behind", 0.0)
    stage.log.is_down = True
    follower = stage.new()
    with pytest.raises(LogUnreachableProblem):
        await follower.step()
    assert follower.health().state == "clock_behind"


async def test_a_time_that_an_earlier_run_took_from_a_clock_ahead_is_not_fresh(stage: Stage) -> None:
    stage.clock.now_ms += HOUR_MS
    await stage.follower.step()
    stage.clock.now_ms -= HOUR_MS
    stage.log.is_down = True
    follower = stage.new()
    with pytest.raises(LogUnreachableProblem):
        await follower.step()
    health = follower.health()
    assert (health.state, health.age_seconds) == ("stale", None)


async def test_an_entry_dated_ahead_of_two_clocks_is_evidence(stage: Stage) -> None:
    witness = lone_witness()
    stage.policy = policy_of(witness)
    stage.new()
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    await stage.follower.step()
    school = stage.world.party("school")
    stage.world.advance(days=30)
    index = stage.world.say(stage.world.committed(school, "b"))
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    evidence = await stage.finds("time", is_conclusive=True)
    assert (evidence.index, evidence.entry) == (index, stage.world.entries[index])
    assert evidence.checkpoints == (stage.log.checkpoint,)
    assert int((await stage.position()).size) == index


async def test_witnesses_ahead_of_our_clock_alone_are_said_to_contradict_it(stage: Stage) -> None:
    witness = lone_witness()
    stage.policy = policy_of(witness)
    follower = stage.new()
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms + 90_000)
    await follower.step()
    health = follower.health()
    assert (health.state, health.age_seconds) == ("clock_behind", None)
    assert 89 <= health.behind_seconds <= 91
    stage.clock.advance(90)
    await follower.step()
    assert follower.health().state == "healthy"


async def test_a_clock_that_is_ahead_of_the_witnesses_is_named_as_a_cause(stage: Stage) -> None:
    witness = lone_witness()
    stage.policy = policy_of(witness)
    follower = stage.new()
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    stage.clock.now_ms += 90_000
    await follower.step()
    health = follower.health()
    assert health.state == "stale"
    assert "this machine's clock is ahead" in health.detail


@pytest.mark.parametrize("back_ms", [400_000, HOUR_MS, 30 * DAY_MS])
async def test_what_is_dated_before_a_time_at_which_the_log_was_seen_without_it_is_refused(
    stage: Stage, back_ms: int
) -> None:
    stage.clock.now_ms += 40 * DAY_MS
    await stage.follower.step()
    before = stage.world.checkpoint()
    stage.world.now_ms = stage.clock.now_ms - back_ms
    index = stage.world.say(stage.world.committed(stage.world.party("school"), "b"))
    evidence = await stage.finds("time", is_conclusive=False)
    assert (evidence.index, evidence.entry) == (index, stage.world.entries[index])
    assert evidence.checkpoints == (before, stage.world.checkpoint())
    assert int((await stage.position()).size) == index
    with pytest.raises(FaultyLogProblem):
        await stage.new().step()  # it is remembered over a restart
    stage.bounds = msgspec.structs.replace(BOUNDS, publish_delay_seconds=back_ms / 1000)
    assert await stage.new().step() == 1, "an operator who knows better says so"


async def test_what_a_witness_saw_the_log_without_is_refused_also_after_a_restart(stage: Stage) -> None:
    """Nobody else is convinced by it: a witness says what it was shown, and not that the log held no more."""
    witness = lone_witness()
    stage.policy = policy_of(witness)
    stage.new()
    stage.clock.now_ms += 40 * DAY_MS
    before = stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    await stage.follower.step()
    stage.world.now_ms = stage.clock.now_ms - 10 * DAY_MS
    index = stage.world.say(stage.world.committed(stage.world.party("school"), "b"))
    after = stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    evidence = await stage.finds("time", is_conclusive=False)
    assert (evidence.index, evidence.checkpoints) == (index, (before, after))
    assert "its witnesses had seen" in evidence.detail
    stage.new()
    stage.clock.monotonic_seconds = 0.0
    evidence = await stage.finds("time", is_conclusive=False)
    assert "this follower had seen" in evidence.detail


@pytest.mark.parametrize("outage_seconds", [400, 4_000, 400_000])
async def test_a_log_whose_witnesses_were_away_is_not_accused_when_they_are_back(
    stage: Stage, outage_seconds: int
) -> None:
    """It signed once more when they went, which they cosign first when they are back, hours after what came since."""
    witness = lone_witness()
    stage.policy = policy_of(witness)
    stage.new()
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    await stage.follower.step()
    school = stage.world.party("school")
    published = int(stage.world.size)
    for _ in range(20):
        stage.clock.advance(outage_seconds / 20)
        stage.world.now_ms = stage.clock.now_ms
        stage.world.issued(school, f"{stage.world.size}")
        stage.log.size = published
        await stage.follower.step()
    for size in (published + 1, int(stage.world.size)):
        stage.clock.advance(1)
        stage.log.size = size
        stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms, size=size)
        assert await stage.follower.step() == size - published
        published = size
    assert stage.follower.health().state == "healthy"


async def test_another_fault_of_an_entry_prevails_over_its_time(stage: Stage) -> None:
    stage.clock.now_ms += DAY_MS
    await stage.follower.step()
    stranger = stage.world.party("stranger")
    force(stage.world, stage.world.seal(stage.world.committed(stranger, "x")))
    await stage.finds("rule", is_conclusive=True)


async def test_honest_steps_of_the_ledger_s_clock_accuse_nobody(stage: Stage) -> None:
    await stage.follower.step()
    for step_ms in (-2_000, 2_000, -2_000, 0):
        stage.clock.advance(5)
        last_ms = to_ms(stage.world.received_at(int(stage.world.size) - 1))
        stage.world.now_ms = max(stage.clock.now_ms + step_ms, last_ms)
        stage.world.issued(stage.world.party("school"), f"{stage.world.size}")
        assert await stage.follower.step() == 1


async def test_a_log_that_could_not_publish_for_hours_is_not_accused_afterwards(stage: Stage) -> None:
    """It said all the while that it held more than it published; what it held is not confirmed meanwhile."""
    await stage.follower.step()
    published = int(stage.world.size)
    stage.log.size = published
    for number in range(36):  # for three hours
        stage.clock.advance(300)
        stage.world.now_ms = stage.clock.now_ms
        stage.world.issued(stage.world.party("school"), f"waiting {number}")
        await stage.follower.step()
    assert stage.follower.health().state == "stale"
    assert "has not published them here" in stage.follower.health().detail
    stage.log.size = None
    assert await stage.follower.step() == 36
    assert stage.follower.health().state == "healthy"


async def test_a_log_that_does_not_say_how_much_it_holds_is_not_believed_for_long(stage: Stage) -> None:
    """Nobody sees it without an entry then, and it could date back as far as it likes."""
    await stage.follower.step()
    stage.log.is_silent_of_itself = True
    for _ in range(40):
        stage.clock.advance(10)
        await stage.follower.step()
    stage.clock.advance(60)
    health = stage.follower.health()
    assert health.state == "stale"
    assert "has not said for" in health.detail
    stage.log.is_silent_of_itself = False
    stage.clock.advance(10)
    await stage.follower.step()
    assert stage.follower.health().state == "healthy"
    stage.log.is_silent_of_itself = True  # for a moment: a log that is busy is not doubted at once
    stage.clock.advance(10)
    await stage.follower.step()
    assert stage.follower.health().state == "healthy"


async def test_a_log_that_signed_more_for_others_than_it_shows_here_is_not_believed_for_long(stage: Stage) -> None:
    """It could keep a revocation from one reader for ever: nothing that it shows contradicts what others see."""
    await stage.follower.step()
    stage.log.size = stage.log.held = int(stage.world.size)
    stage.world.issued(stage.world.party("school"), "kept from us")
    stage.follower.suspect(open_checkpoint(stage.world.checkpoint(), stage.world.log_key.verifier))
    for seconds in range(0, 400, 10):
        assert await stage.follower.step() == 0
        assert seconds >= 300 or stage.follower.health().state == "healthy"
        stage.clock.advance(10)
    stage.clock.advance(60)
    health = stage.follower.health()
    assert (health.state, "has not published them here" in health.detail.replace("\n", " ")) == ("stale", True)
    stage.log.size = stage.log.held = None
    await stage.finds("time", is_conclusive=False)  # it had told us that it held no more


async def test_a_clock_that_was_ahead_and_was_put_right_accuses_nobody(stage: Stage) -> None:
    stage.clock.now_ms += HOUR_MS
    await stage.follower.step()
    stage.clock.now_ms -= HOUR_MS
    stage.clock.advance(60)
    stage.world.now_ms = stage.clock.now_ms
    stage.world.issued(stage.world.party("school"), "b")
    assert await stage.follower.step() == 1


async def test_a_history_of_years_replays_from_nothing_at_once_and_in_parts(stage: Stage, tmp_path: Path) -> None:
    for number in range(12):
        stage.world.advance(days=100)
        stage.world.issued(stage.world.party("school"), f"{number}")
    stage.clock.now_ms = stage.world.now_ms
    assert await stage.follower.step() == stage.world.size
    fresh = Store(tmp_path / "fresh.sqlite")
    stage.store, kept = fresh, stage.store
    stage.log.size = 5  # an old copy of the log, then what it is now
    await stage.new().step()
    fresh.close()
    stage.store = kept


async def test_entries_dated_ahead_in_steps_are_each_held(stage: Stage) -> None:
    school = stage.world.party("school")
    for seconds in (60, 3_600, 86_400):
        stage.world.advance(seconds=seconds)
        force_and_believe(stage.world, stage.world.seal(stage.world.committed(school, f"{seconds}")))
    for _ in range(3):
        with pytest.raises(ClockBehindProblem):
            await stage.follower.step()
        waiting = int((await stage.position()).size)
        stage.clock.now_ms = to_ms(stage.world.received_at(waiting))
    assert await stage.follower.step() == 1
    assert from_ms(stage.clock.now_ms) == stage.world.received_at(int(stage.world.size) - 1)
