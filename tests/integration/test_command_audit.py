"""`credentify audit` as a process of its own: what it prints, writes and returns."""

import asyncio
import contextlib
import fcntl
import json
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from proto import events
from proto.base64_strict import decode_base64
from proto.envelope import open_envelope
from proto.ids import Origin, TreeSize
from proto.log import entry as entries
from proto.log.checkpoint import open_checkpoint
from proto.log.receipt import check_receipt, parse_receipt
from services.auditor import Finding
from services.command.audit import EXIT_COULD_NOT_AUDIT, EXIT_UNKNOWN_RULES
from tests.support.audits import audit, audit_json
from tests.support.bundles import policy_of, witness_policy_text
from tests.support.served_logs import force, force_and_believe
from tests.support.tiled_logs import served_tiles
from tests.support.worlds import World, activate_unknown_rules

ROOT = Path(__file__).parents[2]
WAIT_SECONDS = 120


def world_of(count: int = 5) -> World:
    world = World()
    school = world.admit("school")
    while world.size < count:
        world.issued(school)
    return world


def finding_in(path: Path) -> Finding:
    return msgspec.json.decode(path.read_bytes(), type=Finding)


async def test_an_honest_log_is_proven(tmp_path: Path) -> None:
    async with served_tiles(world_of()) as log:
        status, out, err = await audit(log, "--once", "--state", str(tmp_path))
        assert (status, err) == (0, "")
        assert "5 entries proven (5 new), 1 tile compared" in out
        status, found = await audit_json(log, "--state", str(tmp_path))
        assert status == 0
        assert (found["result"], found["size"], found["entry_count"]) == ("proven", 5, 0)
        assert found["root_hash"] == log.world.root_hash().hex()


async def test_everything_can_be_read_anew_without_forgetting_what_was_signed(tmp_path: Path) -> None:
    async with served_tiles(world_of()) as log:
        assert (await audit_json(log, "--state", str(tmp_path)))[1]["tile_count"] == 1
        _, again = await audit_json(log, "--state", str(tmp_path), "--again")
        assert (again["entry_count"], again["tile_count"]) == (5, 1)
        log.size = 3
        status, found = await audit_json(log, "--state", str(tmp_path), "--again")
        assert (status, found["finding"]["kind"]) == (1, "rollback")


async def test_two_audits_do_not_share_a_folder(tmp_path: Path) -> None:
    async with served_tiles(world_of()) as log:
        with (tmp_path / "audit.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            status, _, err = await audit(log, "--once", "--state", str(tmp_path))
        assert status == EXIT_COULD_NOT_AUDIT
        assert "Another audit" in err


async def test_a_lie_is_written_to_a_file_and_is_remembered(tmp_path: Path) -> None:
    world = world_of()
    force(world, world.seal(world.committed(world.party("stranger")), key=world.party("stranger").event))
    async with served_tiles(world) as log:
        status, found = await audit_json(log, "--state", str(tmp_path))
        assert (status, found["result"], found["finding"]["kind"]) == (1, "faulty", "rule")
        written = finding_in(Path(found["evidence_file"]))
        assert (written.index, written.is_conclusive) == (5, True)
        log.world = world_of()
        status, again = await audit_json(log, "--state", str(tmp_path))
        assert (status, again["finding"]) == (1, found["finding"])


async def test_a_fork_is_found_between_two_runs(tmp_path: Path) -> None:
    async with served_tiles(world_of()) as log:
        assert (await audit(log, "--once", "--state", str(tmp_path)))[0] == 0
        log.world = World()
        log.world.admit("college")
        status, _, err = await audit(log, "--once", "--state", str(tmp_path), "--evidence", str(tmp_path / "lie.json"))
        assert status == 1
        assert err.startswith("FAULTY (fork): ")
        written = finding_in(tmp_path / "lie.json")
        assert len(written.checkpoints) == 2


async def test_what_could_not_be_audited_has_a_status_of_its_own(tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    async with served_tiles(world_of()) as log:
        policy.write_text(witness_policy_text(log.world))
        for arguments in (("--policy", str(policy)), ("--policy", "missing"), ("--state", str(policy))):
            status, _, err = await audit(log, "--once", *arguments)
            assert (status, err[:7]) == (EXIT_COULD_NOT_AUDIT, "error: "), arguments
        assert (await audit(log, "--once", key="no key"))[0] == EXIT_COULD_NOT_AUDIT
        log.url = "http://127.0.0.1:1"
        assert (await audit(log, "--once"))[0] == EXIT_COULD_NOT_AUDIT


def heir_of(old: World, named: events.Predecessor) -> World:
    """Return a log that says that it continues the old one after that tree, whatever the old one says."""
    new = World(origin=Origin("heir.example/log"), is_open=False)
    new.parties, new.book, new.now_ms = old.parties, old.book, old.now_ms
    new.say(new.opening(predecessor=named))
    return new


async def test_a_log_that_begins_where_the_last_one_does_not_end_is_shown_to_anybody(tmp_path: Path) -> None:
    old = world_of()
    end = events.Predecessor(origin=old.origin, size=old.size, root_hash=old.root_hash().hex())
    other_root = msgspec.structs.replace(end, root_hash="ab" * 32)
    earlier = msgspec.structs.replace(end, size=TreeSize(4), root_hash=old.root_hash(4).hex())
    for named in (other_root, earlier):
        async with served_tiles(world_of()) as before, served_tiles(heir_of(world_of(), named)) as log:
            continued = f"{before.url}={before.world.log_key.verifier.text}"
            file = tmp_path / "lie.json"
            status, out, err = await audit(log, "--once", "--predecessor", continued, "--evidence", str(file))
            assert (status, err[:21]) == (1, "FAULTY (succession): "), (out, err)
            finding = finding_in(file)
            assert (finding.is_conclusive, finding.origin, finding.verifier_key) == (
                True,
                log.world.origin,
                log.world.log_key.verifier.text,
            )
            # Anybody can check it: the opening that the heir signed, and the tree that the old log signed.
            assert finding.entry is not None
            assert finding.receipt is not None
            opening = decode_base64(finding.entry)
            check_receipt(parse_receipt(finding.receipt.encode()), opening, policy_of(finding.verifier_key))
            event = open_envelope(entries.decode(opening).envelope).event
            signed = open_checkpoint(finding.checkpoints[0].encode(), before.world.log_key.verifier).checkpoint
            assert isinstance(event, events.LogOpened)
            assert event.predecessor == named
            assert (signed.size, signed.root_hash.hex()) != (named.size, named.root_hash)


async def test_a_predecessor_that_may_be_behind_is_no_lie(tmp_path: Path) -> None:
    old = world_of()
    later = events.Predecessor(origin=old.origin, size=TreeSize(9), root_hash="ab" * 32)
    async with served_tiles(world_of()) as before, served_tiles(heir_of(old, later)) as log:
        continued = f"{before.url}={before.world.log_key.verifier.text}"
        status, _, err = await audit(log, "--once", "--predecessor", continued, "--state", str(tmp_path))
        assert (status, err[:7]) == (EXIT_COULD_NOT_AUDIT, "error: "), err
        assert "begins after 9" in err


async def test_unknown_rules_have_a_status_of_their_own() -> None:
    world = world_of()
    activate_unknown_rules(world)
    force_and_believe(world, world.seal(world.committed(world.party("school"), "c")))
    async with served_tiles(world) as log:
        assert (await audit(log, "--once"))[0] == EXIT_UNKNOWN_RULES


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="these tests were started by what ignores Ctrl-C for all"
)
async def test_without_once_growth_is_followed_until_it_is_stopped(tmp_path: Path) -> None:
    async with served_tiles(world_of()) as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "audit", log.url, "--key", log.world.log_key.verifier.text),
            *("--state", str(tmp_path), "--interval", "0.05"),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                assert b"5 entries proven" in await process.stdout.readline()
                log.world.issued(log.world.party("school"))
                assert b"6 entries proven (1 new)" in await process.stdout.readline()
                process.send_signal(signal.SIGINT)
                assert await process.wait() == 130
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert json.loads((tmp_path / "audited.json").read_bytes())["tiles_size"] == 6


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
