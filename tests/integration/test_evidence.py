"""Evidence that convinces others: what a follower finds, as a file, checked from that file alone; forks are kept."""

import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from click.testing import CliRunner

from proto.base64_strict import decode_base64, encode_base64
from proto.log.finding import Finding, decode_finding, encode_finding
from proto.log.finding_check import check_finding
from proto.log.note_key import KeyKind, SignerKey
from proto.problem import MalformedProblem
from services.clients.log_client import LogClient, LogProblem
from services.command.main import main
from services.follow import FaultyLogProblem, Follower
from services.follow.findings import finding_of
from services.follow.interface import LogEvidence
from services.verifier.projection.store import Store
from tests.support.awarded import award
from tests.support.follow_stage import BOUNDS, Kept, Stage, cosigned, lone_witness, policy_of
from tests.support.served_logs import force, served
from tests.support.statements import secret_key
from tests.support.verifiers import codes, running, until
from tests.support.worlds import DAY_MS, World, lately


class Keeping(Kept):
    """Keeps what is to be compared in the store, as a verifier does."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    async def unproven(self, notes: tuple[bytes, ...]) -> None:
        await self._store.keep_suspects(notes)


class Keeper(Stage):
    """A stage whose followers have own tiles and a memory."""

    async def restarted(self) -> Follower:
        self.observer = self.kept = Keeping(self.store)
        self.follower = Follower(
            LogClient(self.session, self.log.url, timeout_seconds=5),
            self.store,
            verifier_key=self.world.log_key.verifier.text,
            policy=self.policy,
            clock=self.clock.now,
            monotonic=self.clock.monotonic,
            bounds=self.bounds,
            known_suspects=await self.store.suspects(),
            root_of=self.store.root_of,
            observer=self.observer,
        )
        return self.follower

    def finding(self, evidence: LogEvidence) -> Finding:
        """Return the evidence as a file holds it, read again."""
        witnesses = self.policy.witness_keys if self.policy else ()
        return decode_finding(encode_finding(finding_of(evidence, self.world.log_key.verifier, witnesses=witnesses)))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Keeper]:
    world = World()
    school = world.admit("school")
    for number in range(6):
        world.issued(school, f"{number}")
    store = Store(tmp_path / "projection.sqlite")
    async with served(world) as log, aiohttp.ClientSession() as session:
        found = Keeper(log, store, session)
        await found.restarted()
        yield found
    store.close()


def other_world(size: int, name: str = "college") -> World:
    """Return another history of the same log, signed by the same key."""
    other = World()
    party = other.admit(name)
    while other.size < size:
        other.issued(party)
    return other


LIES: dict[str, tuple[str, str, Callable[[World], Any]]] = {
    "index": ("order", "proven", lambda w: force(w, _issue(w), index=99)),
    "back": ("order", "proven", lambda w: force(w, _issue(w), received_at="2025-12-31T00:00:00.000Z")),
    "chain": ("chain", "proven", lambda w: force(w, _issue(w), previous=bytes(32))),
    "rule": ("rule", "signed", lambda w: force(w, w.seal(w.committed(w.party("stranger"), "x")))),
    "signature": ("signature", "signed", lambda w: force(w, _badly_signed(w))),
}


def _issue(world: World) -> Any:
    return world.seal(world.committed(world.party("school"), "more"))


def _badly_signed(world: World) -> Any:
    good, other = _issue(world), world.seal(world.committed(world.party("school"), "other"))
    return msgspec.structs.replace(good, signatures=other.signatures)


@pytest.mark.parametrize("is_met_alone", [True, False])
@pytest.mark.parametrize("name", LIES)
async def test_a_wrong_entry_is_shown_to_everybody(stage: Keeper, name: str, *, is_met_alone: bool) -> None:
    kind, grade, lie = LIES[name]
    if is_met_alone:
        await stage.follower.step()  # then the entry comes by itself, the first of what is read
    lie(stage.world)
    for number in range(3):  # and the log grows on
        force(stage.world, stage.world.seal(stage.world.committed(stage.world.party("school"), f"after {number}")))
    evidence = await stage.finds(kind, is_conclusive=True)
    finding = stage.finding(evidence)
    checked = check_finding(finding, key=stage.world.log_key.verifier)
    assert checked.grade == grade, checked
    assert finding.proven is not None
    assert finding.checkpoints[-1].encode() == stage.world.checkpoint()
    assert any(f"Entry {evidence.index} is under the checkpoint" in step for step in checked.steps)


async def test_what_was_dated_ahead_of_its_witnesses_is_proven_to_who_knows_them(stage: Keeper, tmp_path: Path) -> None:
    witness, slanderer = lone_witness(), _slanderer()
    stage.policy = policy_of(witness)
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    await (await stage.restarted()).step()
    stage.world.advance(days=30)
    stage.world.issued(stage.world.party("school"), "dated ahead")
    stage.log.checkpoint = cosigned(stage.world, witness, at_ms=stage.clock.now_ms)
    ahead = stage.finding(await stage.finds("time", is_conclusive=True))
    assert check_finding(ahead, policy=stage.policy).grade == "proven"
    assert "anybody can cosign" in check_finding(ahead).remains
    for other in (check_finding(ahead), check_finding(ahead, policy=policy_of(slanderer))):
        assert other.grade == "signed", "it is the witness's word that is contradicted"
    file, policy = tmp_path / "evidence.json", tmp_path / "policy"
    file.write_bytes(encode_finding(ahead))
    policy.write_text(f"witness w {witness.verifier.text}\nquorum w\n")
    for arguments, status, words in (([], 2, "anybody can cosign"), (["--policy", str(policy)], 0, "PROVEN")):
        said = CliRunner().invoke(main, ["evidence", str(file), *arguments])
        assert (said.exit_code, words in " ".join(said.output.split())) == (status, True), said.output
    refused = CliRunner().invoke(main, ["evidence", str(file), "--policy", str(tmp_path / "none")])
    assert (refused.exit_code, "cannot be read" in " ".join(refused.output.split())) == (1, True)


async def test_an_honest_entry_is_not_made_a_lie_by_a_witness_of_the_slanderers_own(stage: Keeper) -> None:
    """Anybody may cosign a log's checkpoint, with any date, or show an old one to an honest witness again."""
    await stage.follower.step()
    force(stage.world, _issue(stage.world), previous=bytes(32))
    true = stage.finding(await stage.finds("chain", is_conclusive=True))
    assert true.proven is not None
    for size, at_ms in ((int(stage.world.size), 1_000), (4, stage.clock.now_ms + 40 * DAY_MS)):
        slander = msgspec.structs.replace(
            true,
            kind="time",
            previous=None,
            checkpoints=(cosigned(stage.world, _slanderer(), at_ms=at_ms, size=size).decode(), *true.checkpoints),
            witnesses=(_slanderer().verifier.text,),
        )
        assert check_finding(slander).grade == "signed"
        assert check_finding(slander, policy=policy_of(lone_witness())).grade == "signed"
    shown_late = check_finding(slander, policy=policy_of(_slanderer()))
    assert (shown_late.grade, "was shown" in shown_late.remains) == ("signed", True)


def _slanderer() -> SignerKey:
    return SignerKey(name="slander.example", kind=KeyKind.COSIGNATURE, secret=secret_key("slanderer"))


async def test_so_many_unproven_checkpoints_that_one_could_be_forgotten_confirm_nothing(
    stage: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.follow.suspects.SUSPECTS_MAX", 4)
    await stage.follower.step()
    forked = other_world(40)
    for size in range(20, 24):  # none of which our tree will have soon
        stage.log.checkpoint = forked.checkpoint(size)
        with pytest.raises(LogProblem):
            await stage.follower.step()
    stage.log.checkpoint = None
    stage.clock.advance(600)
    await (await stage.restarted()).step()
    health = stage.follower.health()
    assert (health.state, "signed 4 checkpoints" in health.detail) == ("stale", True)


async def test_a_fork_of_one_size_a_larger_and_a_smaller_are_each_proven(stage: Keeper) -> None:
    await stage.follower.step()
    other = other_world(40)
    sizes = {"same": int(stage.world.size), "smaller": 4}
    for name, size in sizes.items():
        await stage.restarted()
        stage.log.checkpoint = other.checkpoint(size)
        evidence = await stage.finds("fork", is_conclusive=True)
        checked = check_finding(stage.finding(evidence), key=stage.world.log_key.verifier)
        assert checked.grade == "proven", (name, checked)


@pytest.mark.parametrize("is_proof_refused", [True, False])
async def test_a_larger_fork_is_kept_over_restarts_and_second_suspects(
    stage: Keeper, *, is_proof_refused: bool
) -> None:
    """Shown for a moment, by a log that then behaves, grows, and shows another fork besides."""
    await stage.follower.step()
    own, size = stage.world, int(stage.world.size)
    for extra, name in ((1, "college"), (3, "academy")):
        forked = other_world(size + extra, name)
        if is_proof_refused:  # the checkpoint alone, and no proof of anything
            stage.log.checkpoint = forked.checkpoint()
            with pytest.raises(LogProblem):
                await stage.follower.step()
            stage.log.checkpoint = None
        else:
            stage.log.world = forked
            await stage.finds("fork", is_conclusive=False)
            stage.log.world = own
        await stage.restarted()
    assert len(await stage.store.suspects()) == 2
    for number in range(8):
        own.issued(own.party("school"), f"later {number}")
    stage.clock.now_ms = own.now_ms
    evidence = await stage.finds("fork", is_conclusive=True)
    assert check_finding(stage.finding(evidence), key=own.log_key.verifier).grade == "proven"


async def test_a_checkpoint_that_was_honest_is_forgotten_when_it_is_compared(stage: Keeper) -> None:
    await stage.follower.step()
    stage.world.issued(stage.world.party("school"), "more")
    stage.log.checkpoint, stage.log.size = stage.world.checkpoint(), int(stage.world.size) - 1
    with pytest.raises(LogProblem):
        await stage.follower.step()
    assert len(await stage.store.suspects()) == 1
    stage.log.checkpoint = stage.log.size = None
    follower = await stage.restarted()
    await follower.step()
    assert await stage.store.suspects() == ()


async def test_an_old_copy_of_an_honest_log_is_no_fork(stage: Keeper) -> None:
    await stage.follower.step()
    for size in range(1, int(stage.world.size)):
        stage.log.checkpoint = stage.world.checkpoint(size)
        assert await stage.follower.step() == 0
    assert stage.follower.health().state == "healthy"
    assert await stage.store.suspects() == ()


async def test_who_has_no_tiles_asks_the_log_about_old_copies_until_it_shows_that_they_were_merely_old(
    stage: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.follow.suspects.SUSPECTS_MAX", 4)
    follower = stage.new()
    await follower.step()
    for size in range(2, 6):  # copies that do not know what came later
        stage.log.size = size
        assert await follower.step() == 0
    stage.log.size = None
    await follower.step()
    assert follower.health().state == "healthy"


async def test_nothing_that_was_altered_proves_anything_else(stage: Keeper) -> None:
    """Whoever makes up evidence against an honest log, or alters true evidence, is found out."""
    await stage.follower.step()
    force(stage.world, _issue(stage.world), previous=bytes(32))
    finding = stage.finding(await stage.finds("chain", is_conclusive=True))
    assert check_finding(finding).grade == "proven"
    assert finding.proven is not None
    assert finding.previous is not None
    chance = random.Random(3)
    for name in ("proven", "previous"):
        proven = getattr(finding, name)
        data = bytearray(decode_base64(proven.entry))
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        forged = msgspec.structs.replace(proven, entry=encode_base64(bytes(data)))
        assert check_finding(msgspec.structs.replace(finding, entry=None, **{name: forged})).grade != "proven"
    moved = msgspec.structs.replace(finding.proven, index=0)
    assert check_finding(msgspec.structs.replace(finding, proven=moved)).grade == "unproven"
    honest = msgspec.structs.replace(finding, kind="fork", checkpoints=(finding.checkpoints[0],) * 2)
    assert check_finding(honest).grade == "unproven"
    thief = SignerKey(name=stage.world.origin, secret=secret_key("thief")).verifier
    assert check_finding(finding, key=thief).grade == "unproven"
    assert check_finding(msgspec.structs.replace(finding, verifier_key=thief.text)).grade == "unproven"


def test_what_is_no_evidence_is_refused() -> None:
    for data in (b"", b"{}", b"[" * 100_000, b'{"kind":"fork"}', b"\xff"):
        with pytest.raises(MalformedProblem):
            decode_finding(data)


async def test_a_verifier_writes_the_file_that_the_command_checks(tmp_path: Path) -> None:
    world, file = World(start=lately()), tmp_path / "projection.sqlite"
    awarded = award(world, world.admit("school"))
    async with served(world) as log, running(log, file) as verifier:
        await verifier.catches_up()
        force(world, _issue(world), previous=bytes(32))
        await until(verifier.shows('log_state{state="faulty"} 1.0'))
        assert codes(await verifier.post(awarded.data))["freshness"] == "log-faulty"
    evidence = tmp_path / "projection.sqlite.evidence.json"
    key = world.log_key.verifier.text
    run = CliRunner().invoke
    found = run(main, ["evidence", str(evidence), "--key", key])
    assert (found.exit_code, "PROVEN: the log is faulty" in found.output) == (0, True), found.output
    told = run(main, ["evidence", str(evidence), "--json"])
    assert json.loads(told.output)["result"]["grade"] == "proven"
    altered = json.loads(evidence.read_text())
    altered["proven"]["index"] = altered["index"] = 0
    evidence.write_text(json.dumps(altered))
    assert run(main, ["evidence", str(evidence)]).exit_code == 1
    evidence.write_bytes(b"[" * 20_000)
    refused = run(main, ["evidence", str(evidence)])
    assert (refused.exit_code, "holds no evidence" in refused.output) == (1, True)


async def test_conclusive_evidence_stays_conclusive_after_a_restart_of_the_follower(stage: Keeper) -> None:
    await stage.follower.step()
    force(stage.world, _issue(stage.world), previous=bytes(32))
    evidence = await stage.finds("chain", is_conclusive=True)
    await stage.store.keep_fault(evidence)
    assert await stage.store.fault() == evidence, "with its proofs"
    assert BOUNDS.chunk_entries_max == 3
    with pytest.raises(FaultyLogProblem):
        await stage.follower.step()
