"""When a checkpoint may be published: quorum, fail closed, fail open, and witnesses that are slow, late or back."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from proto.ids import TreeSize
from proto.log.checkpoint import open_checkpoint
from proto.log.policy import Policy, open_under_policy, parse_policy
from services.edge import Log
from services.ledger.signer import InconsistentTreeError
from services.ledger.witnesses.asked_witness import AskingBounds
from services.ledger.witnesses.cosigning import Witnesses
from services.ledger.witnesses.witness_metrics import WitnessMetrics
from tests.support.witnesses import (
    LOG,
    QUICK,
    Answer,
    History,
    Served,
    after,
    asked,
    cosigns,
    has_size,
    in_turn,
    says,
    scripted,
    witness_key,
)

WAIT_SECONDS = 5.0
HUNG_SECONDS = 120.0


def policy_of(served: Sequence[Served], quorum: int) -> Policy:
    names = " ".join(each.key.name for each in served)
    group = f"group all-of-them {quorum} {names}\nquorum all-of-them\n" if quorum else "quorum none\n"
    return parse_policy((f"log {LOG.verifier.text}\n" + "".join(each.policy_line for each in served) + group).encode())


class Stage:
    """Witnesses that answer as told, and the publisher's side of them."""

    def __init__(self, witnesses: Witnesses, served: list[Served], policy: Policy, registry: CollectorRegistry) -> None:
        self.witnesses, self.served, self.policy, self.registry = witnesses, served, policy, registry
        self.lines = io.BytesIO()

    def names(self, note: bytes | None) -> list[str]:
        """Return who cosigned a note, after checking that the policy is satisfied by it."""
        assert note is not None
        opened = open_under_policy(note, self.policy)
        return sorted(key.name.partition(".")[0] for key in opened.cosigned_at)

    def missed(self) -> float:
        return self.registry.get_sample_value("credentify_ledger_quorum_missed_total") or 0.0


@contextlib.asynccontextmanager
async def stage(
    history: History,
    *answers: Answer,
    quorum: int,
    wait_seconds: float = WAIT_SECONDS,
    is_fail_open: bool = False,
    bounds: AskingBounds = QUICK,
) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        served = [
            await stack.enter_async_context(scripted(witness_key(f"w{number}"), answer))
            for number, answer in enumerate(answers)
        ]
        registry, lines = CollectorRegistry(), io.BytesIO()
        metrics = WitnessMetrics(registry)
        witnesses = Witnesses(
            policy_of(served, quorum),
            [asked(each, session, history, metrics=metrics, lines=lines, bounds=bounds) for each in served],
            wait_seconds=wait_seconds,
            is_fail_open=is_fail_open,
            metrics=metrics,
            log=Log("ledger", lines),
        )
        made = Stage(witnesses, served, policy_of(served, quorum), registry)
        made.lines = lines
        running = asyncio.create_task(witnesses.run())
        try:
            yield made
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def until(ask: Callable[[], Awaitable[bytes | None]]) -> bytes:
    """Return what `ask` returns once it is not None."""
    async with asyncio.timeout(HUNG_SECONDS):
        while (found := await ask()) is None:  # noqa: ASYNC110 - what is waited for is in another task's hands
            await asyncio.sleep(0.005)
    return found


async def later(made: Stage) -> bytes:
    async def ask() -> bytes | None:
        return made.witnesses.later()

    return await until(ask)


async def test_without_witnesses_the_note_is_the_logs_own() -> None:
    history = History().grow(3)
    async with stage(history, quorum=0) as made:
        assert made.witnesses.is_empty
        assert await made.witnesses.cosigned(history.signed()) == history.signed().encoded
        assert made.witnesses.later() is None


async def test_a_slow_witness_blocks_nobody_and_its_cosignature_is_added_later() -> None:
    history, gate = History().grow(3), asyncio.Event()
    keys = [witness_key(f"w{number}") for number in range(3)]
    answers = cosigns(keys[0]), after(gate, cosigns(keys[1])), cosigns(keys[2])
    async with stage(history, *answers, quorum=2, wait_seconds=10 * WAIT_SECONDS) as made:
        async with asyncio.timeout(HUNG_SECONDS):
            assert made.names(await made.witnesses.cosigned(history.signed())) == ["w0", "w2"]
        assert made.witnesses.later() is None
        gate.set()
        assert made.names(await later(made)) == ["w0", "w1", "w2"]
        assert made.witnesses.later() is None


async def test_a_slow_witness_is_handed_the_newest_checkpoint_next() -> None:
    history, gate = History().grow(9), asyncio.Event()
    async with stage(history, cosigns(witness_key("w0")), after(gate, cosigns(witness_key("w1"))), quorum=1) as made:
        for size in (3, 5, 7):
            assert made.names(await made.witnesses.cosigned(history.signed(size))) == ["w0"]
        gate.set()
        assert made.names(await later(made)) == ["w0", "w1"]
        assert made.served[1].old_sizes == [0, 3]


async def test_without_quorum_nothing_is_handed_out() -> None:
    history = History().grow(3)
    async with stage(history, cosigns(witness_key("w0")), says(500), says(404), quorum=2) as made:
        assert await made.witnesses.cosigned(history.signed()) is None
        assert await made.witnesses.cosigned(history.signed()) is None
        assert made.witnesses.later() is None
        assert made.missed() == 2
        assert made.lines.getvalue().count(b'"quorum_missed"') == 1


async def test_the_wait_for_a_quorum_ends() -> None:
    history, gate = History().grow(3), asyncio.Event()
    async with stage(history, after(gate, says(500)), quorum=1, wait_seconds=0.05) as made:
        assert await made.witnesses.cosigned(history.signed()) is None
        gate.set()


async def test_failing_open_publishes_what_there_is() -> None:
    history = History().grow(3)
    async with stage(history, cosigns(witness_key("w0")), says(500), quorum=2, is_fail_open=True) as made:
        note = await made.witnesses.cosigned(history.signed())
        assert note is not None
        opened = open_checkpoint(note, LOG.verifier, made.policy.witness_keys)
        assert [key.name for key in opened.cosigned_at] == ["w0.example"]
        assert made.missed() == 1


async def test_the_quorum_counts_again_when_a_witness_is_back() -> None:
    history = History().grow(3)
    answers = in_turn(*[says(503)] * 3, cosigns(witness_key("w1")))
    async with stage(history, cosigns(witness_key("w0")), answers, quorum=2) as made:
        assert await made.witnesses.cosigned(history.signed()) is None
        note = await until(lambda: made.witnesses.cosigned(history.signed()))
        assert made.names(note) == ["w0", "w1"]
        assert b'"quorum_back"' in made.lines.getvalue()


async def test_offered_again_the_same_checkpoint_gets_fresh_times() -> None:
    history, key = History().grow(3), witness_key("w0")
    async with stage(history, in_turn(cosigns(key, at=1_000), cosigns(key, at=2_000)), quorum=1) as made:
        notes = [await made.witnesses.cosigned(history.signed()) for _ in range(2)]
        times = [made.policy.quorum_at(open_under_policy(note, made.policy).cosigned_at) for note in notes if note]
        assert times == [1_000, 2_000]


async def test_cosignatures_of_one_checkpoint_are_never_put_under_another() -> None:
    history = History().grow(9)
    answers = in_turn(cosigns(witness_key("w0")), says(500))
    async with stage(history, answers, cosigns(witness_key("w1")), quorum=1) as made:
        async with asyncio.timeout(HUNG_SECONDS):
            note = await made.witnesses.cosigned(history.signed(3))
            while made.names(note) != ["w0", "w1"]:
                note = await later(made)
        assert made.names(await made.witnesses.cosigned(history.signed(5))) == ["w1"]


async def test_a_witness_that_shows_a_fork_ends_the_publishing() -> None:
    history = History().grow(5)
    other = history.fork(2, 5, "another")
    async with stage(history, cosigns(witness_key("w0")), has_size(7), quorum=2) as made:
        made.served[1].shows = other.signed().encoded
        with pytest.raises(InconsistentTreeError, match="would fork"):
            await made.witnesses.cosigned(history.signed())
        with pytest.raises(InconsistentTreeError, match="would fork"):
            made.witnesses.later()
        with pytest.raises(InconsistentTreeError, match="would fork"):
            await made.witnesses.compare(history.signed())


async def test_witnesses_without_quorum_are_asked_and_not_waited_for() -> None:
    history, gate = History().grow(5), asyncio.Event()
    async with stage(history, after(gate, cosigns(witness_key("w0"))), quorum=0) as made:
        assert made.names(await made.witnesses.cosigned(history.signed())) == []
        gate.set()
        assert made.names(await later(made)) == ["w0"]


async def test_the_size_of_each_witness_is_measured() -> None:
    history = History().grow(5)
    async with stage(history, cosigns(witness_key("w0"), at=77), says(422), quorum=1) as made:
        await made.witnesses.cosigned(history.signed())

        async def stopped() -> bytes | None:
            name = "credentify_ledger_witness_stopped"
            return b"stopped" if made.registry.get_sample_value(name, {"witness": "w1.example"}) else None

        await until(stopped)
        label = {"witness": "w0.example"}
        prefix = "credentify_ledger_witness_"
        assert made.registry.get_sample_value(f"{prefix}cosigned_size_entries", label) == TreeSize(5)
        assert made.registry.get_sample_value(f"{prefix}cosigned_timestamp_seconds", label) == 77
        counted = {"witness": "w1.example", "outcome": "contradicted"}
        assert made.registry.get_sample_value(f"{prefix}requests_total", counted) == 1
