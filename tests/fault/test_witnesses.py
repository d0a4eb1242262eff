"""Witnesses that lie, are dead or slow, and logs that show two histories: no quorum ever stands behind both.

A quorum of k among n witnesses keeps a log to one history while fewer than 2k - n of them lie: two quorums share that
many witnesses at least, and one honest witness among those cosigns one history only.
"""

import asyncio
import contextlib
import io
import random
import time
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from proto.bundles.bundle import decode_bundle
from proto.bundles.check import check_bundle, require_faultless
from proto.ids import LeafIndex, Origin
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint, with_cosignatures
from proto.log.note import SignatureProblem
from proto.log.note_key import parse_vkey
from proto.log.policy import Policy, QuorumProblem, open_under_policy, parse_policy
from proto.log.receipt import check_receipt, parse_receipt
from proto.log.witness import origin_hash
from proto.problem import MalformedProblem
from services.edge import Log, listening
from services.ledger.service import LEDGER
from services.ledger.signer import LAST_SIGNED, InconsistentTreeError, load_key
from services.settings import SettingsFault
from services.verifier import app as verifier_app
from services.verifier.config import Config as VerifierConfig
from tests.support.databases import Database, MakeDatabase, Postgres
from tests.support.ledgers import Registrar, RunningLedger, ledger_config, new_database, until
from tests.support.witnesses import (
    LOG,
    Answer,
    History,
    Served,
    cosigns,
    forwards,
    has_size,
    in_turn,
    running_witness,
    says,
    scripted,
    witness_key,
)

ROUNDS, TORTURE_ROUNDS = 5, 100


def policy_text(log: str, served: Sequence[Served], quorum: int) -> str:
    names = " ".join(each.key.name for each in served)
    lines = "".join(each.policy_line for each in served)
    return f"log {log}\n{lines}group enough {quorum} {names}\nquorum enough\n"


# A log that shows two histories, by hand: what no ledger of ours would do.


async def offer(session: aiohttp.ClientSession, served: Served, history: History, size: int) -> str:
    """Lead a witness to a size as far as it goes along, and return the signature lines that it gave, or ""."""
    old = 0
    for _ in range(4):
        request = history.request(min(old, size), size)
        request = msgspec.structs.replace(request, old_size=old) if old > size else request
        try:
            async with session.post(f"{served.url}/add-checkpoint", data=request.encode()) as response:
                body = await response.text()
        except aiohttp.ClientError:
            return ""
        if response.status == 200:
            return body
        if response.status != 409 or old == int(body):
            return ""
        old = int(body)
    return ""


class Victim:
    """Somebody who is shown checkpoints and cosignatures, and believes a checkpoint under the policy."""

    def __init__(self, policy: Policy, served: Sequence[Served]) -> None:
        self.policy, self.served = policy, served
        self.lines: dict[str, dict[str, str]] = {}

    def sees(self, signed: OpenedCheckpoint, witness: Served, lines: str) -> None:
        self.lines.setdefault(signed.note.text, {})[witness.key.name] = lines

    def believes(self, signed: OpenedCheckpoint) -> bool:
        note = signed.note
        for witness in self.served:
            lines = self.lines.get(signed.note.text, {}).get(witness.key.name, "")
            with contextlib.suppress(SignatureProblem, MalformedProblem):
                note = with_cosignatures(note, lines, witness.key.verifier)
        try:
            open_under_policy(note.encode(), self.policy)
        except QuorumProblem:
            return False
        return True


@contextlib.asynccontextmanager
async def cast(folder: Path, liars: int, honest: int, slow: int, dead: int) -> AsyncIterator[list[Served]]:
    """Run so many witnesses of each kind; the slow ones are honest, and answer after a while of their own."""
    async with contextlib.AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def honest_one(name: str) -> Served:
            return await stack.enter_async_context(running_witness(name, folder))

        found = [await honest_one(f"honest{number}") for number in range(honest)]
        for number in range(liars):
            key = witness_key(f"liar{number}")
            found.append(await stack.enter_async_context(scripted(key, cosigns(key))))
        for number in range(slow):
            true = await honest_one(f"slow{number}")
            found.append(await stack.enter_async_context(scripted(true.key, slowly(forwards(session, true)))))
        for number in range(dead):
            async with scripted(witness_key(f"dead{number}"), says(500)) as gone:
                pass
            found.append(gone)
        yield found


def slowly(then: Answer) -> Answer:
    """Return an answer that is handed over by the loop many times before it comes."""

    async def answer(body: bytes) -> web.StreamResponse:
        for _ in range(200):
            await asyncio.sleep(0)
        return await then(body)

    return answer


@pytest.mark.parametrize(
    ("kinds", "quorum"),
    [
        ({"liars": 1, "honest": 0, "slow": 1, "dead": 1}, 2),
        ({"liars": 1, "honest": 2, "slow": 1, "dead": 0}, 3),
        ({"liars": 0, "honest": 2, "slow": 1, "dead": 0}, 2),
    ],
    ids=["one lies, one is slow, one is dead", "one of four lies", "none of three lies"],
)
async def test_no_quorum_ever_signs_two_histories(
    tmp_path: Path, kinds: dict[str, int], quorum: int, seed: int, *, torture: bool
) -> None:
    for number in range(TORTURE_ROUNDS if torture else ROUNDS):
        (tmp_path / str(number)).mkdir()
        async with cast(tmp_path / str(number), **kinds) as served:
            victim = Victim(parse_policy(policy_text(LOG.verifier.text, served, quorum).encode()), served)
            believed = await split(victim, random.Random(f"{seed} {number}"), is_true_first=bool(number % 2))
        assert believed != [True, True], f"seed {seed}, round {number}: a quorum cosigned two histories"


async def split(victim: Victim, chance: random.Random, *, is_true_first: bool) -> list[bool]:
    """Offer two histories to everybody at once, in an order left to chance; return which of them is believed."""
    shared = chance.randrange(1, 40)
    true = History().grow(shared).grow(30, "one history")
    histories = (true, true.fork(shared, 30, "another history"))
    offers = [
        (witness, history, chance.randrange(shared + 1, history.size + 1))
        for witness in victim.served
        for history in histories
        for _ in range(4)
    ]
    chance.shuffle(offers)
    async with aiohttp.ClientSession() as session:

        async def one(witness: Served, history: History, size: int) -> None:
            lines = await offer(session, witness, history, size)
            if lines:
                victim.sees(history.signed(size), witness, lines)

        if is_true_first:
            await asyncio.gather(*(one(witness, true, shared + 1) for witness in victim.served))
            assert victim.believes(true.signed(shared + 1))
        await asyncio.gather(*(one(*each) for each in offers))
        for history in histories:  # and then, patiently, each witness once more for the same size
            await asyncio.gather(*(one(witness, history, history.size) for witness in victim.served))
    return [any(victim.believes(h.signed(size)) for size in range(shared + 1, h.size + 1)) for h in histories]


async def test_with_as_many_liars_as_two_quorums_share_a_fork_can_be_cosigned(tmp_path: Path) -> None:
    """The bound is sharp, which is why README says how to choose the quorum."""
    true = History().grow(5).grow(3, "one")
    other = true.fork(5, 3, "another")
    async with cast(tmp_path, liars=1, honest=2, slow=0, dead=0) as served, aiohttp.ClientSession() as session:
        victim = Victim(parse_policy(policy_text(LOG.verifier.text, served, 2).encode()), served)
        first, second, liar = served
        for history, honest in ((true, first), (other, second)):
            for witness in (honest, liar):
                victim.sees(history.signed(), witness, await offer(session, witness, history, history.size))
        assert [victim.believes(history.signed()) for history in (true, other)] == [True, True]


# The real ledger among such witnesses.


@pytest.fixture
def registrar() -> Registrar:
    return Registrar()


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A ledger whose log exists, and which does not run yet."""
    database = await new_database(make_database)
    async with aiohttp.ClientSession() as session:
        made = RunningLedger(ledger_config(database, tmp_path / "ledger"), database, registrar, session)
        await made.init()
        yield made
        await made.stop()


def obey(ledger: RunningLedger, folder: Path, served: Sequence[Served], quorum: int, **changed: object) -> Policy:
    """Give the ledger a policy with these witnesses; return it as clients have it."""
    text = policy_text(ledger.verifier_key, served, quorum)
    (folder / "policy").write_text(text)
    quick = {"witness_wait_ms": 300, "witness_timeout_ms": 1_000, "idle_publish_interval_ms": 300}
    ledger.config = msgspec.structs.replace(ledger.config, policy_file=folder / "policy", **(quick | changed))
    return parse_policy(text.encode())


async def cosigned(ledger: RunningLedger, policy: Policy, size: int, cosigners: int = 0) -> OpenedCheckpoint:
    """Return the first published checkpoint of at least that size under the policy, by at least so many witnesses."""

    async def look() -> OpenedCheckpoint | None:
        try:
            opened = open_under_policy(await ledger.client.checkpoint(), policy)
        except QuorumProblem:
            return None
        return opened if opened.checkpoint.size >= size and len(opened.cosigned_at) >= cosigners else None

    return await until(look, f"a cosigned checkpoint of {size}")


@contextlib.asynccontextmanager
async def verifier_of(ledger: RunningLedger, folder: Path) -> AsyncIterator[str]:
    """Run a verifier that obeys the ledger's own policy, and yield its address."""
    config = VerifierConfig(
        ledger_url=ledger.url,
        log_verifier_key=ledger.verifier_key,
        database_file=folder / "projection.sqlite",
        policy_file=folder / "policy",
        poll_seconds=1,
    )
    app = verifier_app.make_app(config, log=Log("verifier", io.BytesIO()), end_process=ledger.ended_with.append)
    async with listening(app, host="127.0.0.1", port=0) as address:
        yield address.url


async def test_the_ledger_publishes_what_a_quorum_cosigned_while_one_lies_one_is_dead_and_one_is_slow(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    log = parse_vkey(ledger.verifier_key)
    liar, dead, gate = witness_key("liar"), witness_key("dead"), asyncio.Event()
    async with (
        running_witness("slow", tmp_path, log) as true,
        scripted(true.key, forwards(ledger.session, true, gate=gate)) as slow,
        scripted(liar, in_turn(has_size(0), has_size(1), cosigns(liar))) as lying,
        scripted(dead, says(500)) as gone,
    ):
        policy = obey(ledger, tmp_path, [slow, lying, gone], 2)
        await ledger.start()
        college = await ledger.admit("college")
        assert ledger_size(ledger) == 1, "nothing is published that no quorum cosigned"
        gate.set()
        opened = await cosigned(ledger, policy, 2)
        assert slow.key.verifier in opened.cosigned_at
        issued = [await ledger.issued(college, f"{number}") for number in range(3)]
        await cosigned(ledger, policy, 5)
        receipt = parse_receipt(await ledger.client.receipt(LeafIndex(4)))
        [line] = [entry async for entry in ledger.client.entries(4, 5)]
        check_receipt(receipt, line, policy)
        status, bundle, _ = await ledger.get(f"/v1/bundles/{issued[-1]}")
        assert status == 200
        require_faultless(check_bundle(decode_bundle(bundle), policy))
        told = parse_policy((await ledger.client.log()).witness_policy.encode())
        assert open_under_policy(await ledger.client.checkpoint(), told).checkpoint.size == 5
    await ledger.stop()
    assert (await ledger.fsck()).is_clean


def ledger_size(ledger: RunningLedger) -> int:
    assert ledger.app is not None
    return ledger.app[LEDGER].publication.size


async def test_without_a_quorum_the_last_cosigned_checkpoint_stays_and_witnesses_that_come_back_count(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    log = parse_vkey(ledger.verifier_key)
    async with running_witness("first", tmp_path, log) as first:
        async with running_witness("second", tmp_path, log) as second:
            policy = obey(ledger, tmp_path, [first, second], 2)
            await ledger.start()
            await ledger.admit("college")
            before = await cosigned(ledger, policy, 2)
        await ledger.admit("school")

        async def missed() -> bool | None:
            return True if b'"quorum_missed"' in ledger.log.getvalue() else None

        await until(missed, "the quorum is missed")
        kept = open_under_policy(await ledger.client.checkpoint(), policy)
        assert kept.checkpoint == before.checkpoint
        port = int(second.url.rpartition(":")[2])
        async with running_witness("second", tmp_path, log, port=port):
            await cosigned(ledger, policy, 3)
    await ledger.stop()
    assert (await ledger.fsck()).is_clean


async def test_a_witness_that_only_claims_to_know_more_is_left_out_and_the_log_goes_on(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    log = parse_vkey(ledger.verifier_key)
    async with (
        running_witness("first", tmp_path, log) as first,
        running_witness("second", tmp_path, log) as second,
        scripted(witness_key("liar"), has_size(900)) as liar,
    ):
        policy = obey(ledger, tmp_path, [first, second, liar], 2)
        await ledger.start()
        await ledger.admit("college")
        await cosigned(ledger, policy, 2, cosigners=2)
        await ledger.admit("school")
        await cosigned(ledger, policy, 3, cosigners=2)
        assert len(liar.bodies) == 1
    assert b'"witness_stopped"' in ledger.log.getvalue()
    assert ledger.ended_with == []


async def test_failing_open_is_a_setting(ledger: RunningLedger, tmp_path: Path) -> None:
    dead = witness_key("dead")
    async with scripted(dead, says(503)) as served:
        policy = obey(ledger, tmp_path, [served], 1, witness_fail_open=True)
        await ledger.start()
        await ledger.admit("college")
        note = await ledger.published(2)
        with pytest.raises(QuorumProblem):
            open_under_policy(note, policy)
        assert await ledger.client.receipt(LeafIndex(1))


async def test_an_idle_log_gets_fresh_cosignatures_and_the_verifier_takes_the_witnesses_time(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    log = parse_vkey(ledger.verifier_key)
    async with running_witness("w", tmp_path, log) as served:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        college = await ledger.admit("college")
        credential = await ledger.issued(college, "a course")
        first = policy.quorum_at((await cosigned(ledger, policy, 3)).cosigned_at)
        assert first is not None

        async def fresher() -> bool | None:
            newest = policy.quorum_at(open_under_policy(await ledger.client.checkpoint(), policy).cosigned_at)
            return True if newest is not None and newest > first else None

        async with verifier_of(ledger, tmp_path) as verifier_url:
            url = f"{verifier_url}/v1/credentials/{credential}"

            async def valid() -> dict[str, object] | None:
                async with ledger.session.get(url) as response:
                    answer = await response.json(content_type=None)
                return answer["as_of"] if response.status == 200 and answer["verdict"] == "valid" else None

            as_of = await until(valid, "the verifier knows the credential")
            assert as_of["time_source"] == "witnesses"
            await until(fresher, "the idle log is cosigned again")


@pytest.mark.parametrize("ahead_seconds", [3_600, 2**62])
async def test_a_witness_whose_clock_is_ahead_makes_nothing_fresh(
    ledger: RunningLedger, tmp_path: Path, ahead_seconds: int
) -> None:
    key = witness_key("hasty")
    async with scripted(key, cosigns(key, at=int(time.time()) + ahead_seconds)) as served:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        await ledger.admit("college")
        await cosigned(ledger, policy, 2)
        async with verifier_of(ledger, tmp_path) as url:

            async def stale() -> bool | None:
                async with ledger.session.get(f"{url}/readyz") as response:
                    said = await response.text()
                    assert response.status == HTTPStatus.SERVICE_UNAVAILABLE, said
                    return True if "set the clock" in said or "check the clocks" in said else None

            await until(stale, "the verifier says which clocks disagree")
        assert ledger.ended_with == []


async def test_a_verifier_believes_nothing_that_no_quorum_cosigned(ledger: RunningLedger, tmp_path: Path) -> None:
    async with scripted(witness_key("dead"), says(503)) as served:
        obey(ledger, tmp_path, [served], 1, witness_fail_open=True)
        await ledger.start()
        credential = await ledger.issued(await ledger.admit("college"), "a course")
        await ledger.published(3)
        async with verifier_of(ledger, tmp_path) as verifier_url:

            async def refused() -> bool | None:
                async with ledger.session.get(f"{verifier_url}/readyz") as response:
                    return True if "quorum" in await response.text() else None

            await until(refused, "the verifier says that the quorum is missing")
            async with ledger.session.get(f"{verifier_url}/v1/credentials/{credential}") as response:
                assert response.status == 404
                assert (await response.json(content_type=None))["fresh"] is False


async def test_a_restored_backup_is_found_out_by_what_a_witness_holds(
    ledger: RunningLedger, tmp_path: Path, postgres: Postgres
) -> None:
    """Database and signer's memory both come from last night: only a witness knows better, and it can show it."""
    log = parse_vkey(ledger.verifier_key)
    assert ledger.config.state_folder is not None
    memory = ledger.config.state_folder / LAST_SIGNED
    async with running_witness("w", tmp_path, log) as served:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        await ledger.admit("college")
        await cosigned(ledger, policy, 2)
        await ledger.stop()
        backup, remembered = await copy_of(postgres, ledger.database), memory.read_bytes()
        await ledger.start()
        await ledger.admit("school")
        await cosigned(ledger, policy, 3)
        await ledger.stop()

        memory.write_bytes(remembered)
        config = msgspec.structs.replace(ledger.config, port=0, database_url=backup.running_url)
        config = msgspec.structs.replace(config, migration_database_url=backup.owner_url)
        restored = RunningLedger(config, backup, ledger.registrar, ledger.session)
        with pytest.raises(InconsistentTreeError, match="an earlier state of the log, perhaps from a backup"):
            await restored.start()
        assert memory.read_bytes() == remembered, "nothing was signed"
        shown = open_checkpoint(await ledger_of(served, ledger), log)
        assert shown.checkpoint.size == 3


async def test_after_a_start_nothing_is_signed_before_the_quorum_stands_behind_the_last(
    ledger: RunningLedger, tmp_path: Path
) -> None:
    """A restored backup whose witnesses are away at first: they come back before anything contradicts them."""
    assert ledger.config.state_folder is not None
    memory = ledger.config.state_folder / LAST_SIGNED
    async with running_witness("w", tmp_path, parse_vkey(ledger.verifier_key)) as served:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        await ledger.admit("college")
        await cosigned(ledger, policy, 2)
        await ledger.stop()
    remembered = memory.read_bytes()
    await ledger.start()
    await ledger.admit("school")

    async def missed() -> bool | None:
        return True if b'"quorum_missed"' in ledger.log.getvalue() else None

    await until(missed, "the quorum is missed")
    assert memory.read_bytes() == remembered, "nothing was signed"
    port = int(served.url.rpartition(":")[2])
    async with running_witness("w", tmp_path, parse_vkey(ledger.verifier_key), port=port):
        await cosigned(ledger, policy, 3)


async def copy_of(postgres: Postgres, database: Database) -> Database:
    return await postgres._copy(database)


async def ledger_of(served: Served, ledger: RunningLedger) -> bytes:
    origin = origin_hash(Origin(parse_vkey(ledger.verifier_key).name)).hex()
    async with ledger.session.get(f"{served.url}/{origin}/checkpoint") as response:
        return await response.read()


async def test_a_witness_that_shows_a_fork_ends_the_signer(ledger: RunningLedger, tmp_path: Path) -> None:
    assert ledger.config.log_key_file is not None
    key = load_key(ledger.config.log_key_file)
    witness, is_shown = witness_key("w"), asyncio.Event()

    async def answer(body: bytes) -> web.StreamResponse:
        return await (says(422) if is_shown.is_set() else cosigns(witness))(body)

    async with scripted(witness, answer) as served:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        await cosigned(ledger, policy, 1)
        is_shown.set()
        served.shows = History().grow(900).signed(key=key).encoded
        await ledger.admit("college")

        async def ended() -> bool | None:
            return True if ledger.ended_with else None

        await until(ended, "the process ends")
        assert b"would fork the log" in ledger.log.getvalue()


async def test_a_witness_shows_what_it_cosigned_under_another_prefix(ledger: RunningLedger, tmp_path: Path) -> None:
    assert ledger.config.log_key_file is not None
    key = load_key(ledger.config.log_key_file)
    witness = witness_key("w")
    async with scripted(witness, cosigns(witness)) as served, scripted(witness, says(500)) as shown:
        policy = obey(ledger, tmp_path, [served], 1)
        await ledger.start()
        await cosigned(ledger, policy, 1)
        await ledger.stop()
        shown.shows = History().grow(900).signed(key=key).encoded
        name = witness.name
        for words in (name, f"{name} ftp://{shown.url}", f"other {shown.url}"):
            ledger.config = msgspec.structs.replace(ledger.config, witness_monitoring=(words,))
            with pytest.raises(SettingsFault, match="monitoring prefix"):
                await ledger.start()
        before = served.shown_count
        ledger.config = msgspec.structs.replace(ledger.config, witness_monitoring=(f"{name} {shown.url}/",))
        with pytest.raises(InconsistentTreeError, match="holds a checkpoint of 900 entries"):
            await ledger.start()
        assert (shown.shown_count > 0, served.shown_count) == (True, before)


async def test_a_policy_that_can_never_be_met_does_not_start(ledger: RunningLedger, tmp_path: Path) -> None:
    key = witness_key("w").verifier.text
    wrong = {
        f"witness w {key}\nquorum w\n": "can never be met",
        f"witness w {key} ftp://w.example\nquorum w\n": "does not begin with http",
        f"log {LOG.verifier.text}\nwitness w {key} http://w.example\nquorum w\n": "it lists logs, and not",
        "quorum nobody\n": "Line 1",
    }
    ledger.config = msgspec.structs.replace(ledger.config, policy_file=tmp_path / "policy")
    with pytest.raises(SettingsFault, match="cannot be read"):
        await ledger.start()
    for text, words in wrong.items():
        (tmp_path / "policy").write_text(text)
        with pytest.raises(SettingsFault, match=words):
            await ledger.start()
