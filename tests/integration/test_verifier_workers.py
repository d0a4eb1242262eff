"""A verifier of several processes, started as an operator starts it: one replays, the others answer on one port."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import uvloop
from prometheus_client import CollectorRegistry, Gauge

from proto.ids import Origin
from proto.moment import from_ms
from services.follow import FaultyLogProblem, FollowerKnowledge, HealthPolicy, LogEvidence, Position
from services.follow.condition import Condition
from services.verifier.answers.answer_cache import AnswerCache
from services.verifier.processes import exposition
from services.verifier.processes.exposition import Exposition
from services.verifier.processes.supervisor import reserved
from services.verifier.replay.settings_pipe import hand_settings
from services.verifier.replay.shared_state import CAPACITY_BYTES, RemoteHealth, SharedState, SharedStateReader
from tests.support.awarded import award
from tests.support.served_logs import ServedLog, served
from tests.support.verifier_keys import make_key
from tests.support.verifier_processes import WORKERS, running, start
from tests.support.verifiers import until
from tests.support.worlds import START, World, lately

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux deals a shared port's connections out")


class Settings(msgspec.Struct):
    """Some settings."""

    name: str


@pytest.fixture
async def log() -> AsyncIterator[ServedLog]:
    async with served(World(start=lately())) as found:
        yield found


async def test_all_processes_answer_and_learn_of_a_revocation(log: ServedLog, tmp_path: Path) -> None:
    school = log.world.admit("school")
    kept, revoked = award(log.world, school), award(log.world, school)
    async with running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.all_say(kept, "valid")
        await verifier.all_say(revoked, "valid")
        log.world.say(log.world.revocation(school, revoked.credential_id))
        await verifier.all_say(revoked, "invalid")
        assert await verifier.verdicts(kept) == {"valid"}
        assert (await verifier.ask("/readyz"))[0] == 200

        async def are_counted() -> bool:
            text = (await verifier.ask("/metrics"))[1]
            names = ["replay", *(f"worker-{number}" for number in range(1, WORKERS + 1))]
            answered = [f'credentify_verifier_verdicts_total{{process="{name}",verdict="valid"}}' for name in names]
            lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            return [float(lines[line]) > 0 for line in answered] == [False, *([True] * WORKERS)]

        await until(are_counted)
    assert verifier.process.returncode == 0
    assert not (tmp_path / "projection.sqlite.workers").exists()


async def test_nobody_answers_valid_once_the_process_that_replays_hangs(log: ServedLog, tmp_path: Path) -> None:
    awarded = award(log.world, log.world.admit("school"))
    async with running(log, tmp_path / "projection.sqlite", freshness_seconds_max="3") as verifier:
        await verifier.all_say(awarded, "valid")
        verifier.process.send_signal(signal.SIGSTOP)
        await verifier.all_say(awarded, "indeterminate")
        assert (await verifier.ask("/readyz"))[0] == 503
        verifier.process.send_signal(signal.SIGCONT)
        await verifier.all_say(awarded, "valid")


async def test_who_answers_is_started_again_and_ends_with_who_replays(log: ServedLog, tmp_path: Path) -> None:
    awarded = award(log.world, log.world.admit("school"))
    async with running(log, tmp_path / "projection.sqlite") as verifier:
        before = verifier.pids()
        os.kill(before["worker-2"], signal.SIGKILL)
        await verifier.logs("worker_ended", worker="worker-2", status=str(-signal.SIGKILL))
        await until(lambda: _true(verifier.pids()["worker-2"] != before["worker-2"]))
        await verifier.all_say(awarded, "valid")
        verifier.process.kill()
        await verifier.process.wait()
        await until(lambda: _true(not any(_runs(pid) for pid in verifier.pids().values())))
    async with running(log, tmp_path / "projection.sqlite") as verifier:  # what was left behind is in nobody's way
        await verifier.all_say(awarded, "valid")


async def test_a_faulty_log_is_known_to_all_at_once(log: ServedLog, tmp_path: Path) -> None:
    school = log.world.admit("school")
    awarded = award(log.world, school)
    async with running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.all_say(awarded, "valid")
        other = World()
        other.admit("other")
        while other.size < log.world.size:
            award(other, other.party("other"))
        log.checkpoint = other.checkpoint()
        await verifier.all_say(awarded, "indeterminate")
        _, answer = await verifier.ask(f"/v1/credentials/{awarded.credential_id}")
        assert "contradict each other" in next(c for c in answer["checks"] if c["check"] == "freshness")["cause"]


async def test_a_quota_is_counted_by_all_together(log: ServedLog, tmp_path: Path) -> None:
    key = await make_key(tmp_path / "keys.toml", "ats-example", "--requests-per-minute", "20")
    file, keys = tmp_path / "projection.sqlite", str(tmp_path / "keys.toml")
    async with running(log, file, api_keys_file=keys) as verifier:
        path, headers = "/v1/statistics", {"Authorization": f"Bearer {key}"}
        statuses = [(await verifier.ask(path, **headers))[0] for _ in range(50)]
    assert statuses == [200] * 20 + [429] * 30


async def test_a_second_one_is_refused_the_projection_and_the_port(log: ServedLog, tmp_path: Path) -> None:
    async with running(log, tmp_path / "projection.sqlite") as verifier:
        port = int(verifier.url.rpartition(":")[2])
        second = await start(log, tmp_path / "projection.sqlite", 0)
        _, said = await second.communicate()
        assert (second.returncode, b"Another verifier replays into" in said) == (1, True)
        third = await start(log, tmp_path / "other.sqlite", port)
        _, said = await third.communicate()
        assert (third.returncode, b"Cannot listen on" in said) == (1, True)


def test_a_process_that_ended_before_it_was_told_its_settings_ends_nothing_else() -> None:
    async def told_too_late() -> int:
        process = await asyncio.create_subprocess_exec("/bin/true", stdin=asyncio.subprocess.PIPE)
        assert process.stdin is not None
        status = await process.wait()
        process.stdin.close()  # as the loop does once it sees that nobody reads
        await hand_settings(process.stdin, Settings(name="late"))
        return status

    assert uvloop.run(told_too_late()) == 0


def test_a_port_is_kept_although_connections_of_an_earlier_process_linger() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()  # who closes first waits
            assert client.recv(1) == b""
    with reserved("127.0.0.1", port) as kept:
        assert kept == port


def test_what_is_torn_in_the_shared_state_is_not_read_and_grows_old(tmp_path: Path) -> None:
    seconds = [0.0]
    policy = HealthPolicy(
        is_witnessed=False, freshness_seconds_max=60, clock=lambda: from_ms(0), monotonic=lambda: seconds[0]
    )
    state = SharedState(tmp_path / "state")
    cache = AnswerCache(answers_max=10)
    guide = RemoteHealth(SharedStateReader(tmp_path / "state"), policy, cache, Origin("log.example"))
    assert guide.health().state == "stale"
    position = Position(checkpoint=b"note")
    state.write(FollowerKnowledge(position=position, fetched_at=from_ms(0), fetched_monotonic=0.0))
    assert guide.health().state == "healthy"
    assert cache.position == position
    fresher = FollowerKnowledge(position=position, fetched_at=from_ms(60_000), fetched_monotonic=60.0)
    state.write(fresher)
    data = bytearray((tmp_path / "state").read_bytes())
    data[40] ^= 1
    with (tmp_path / "state").open("r+b") as file:
        file.write(data)
    seconds[0] = 61.0
    assert guide.health().state == "stale"
    state.write(fresher)
    assert guide.health().state == "healthy"


def test_evidence_that_does_not_fit_is_left_out_and_the_fault_is_not(tmp_path: Path) -> None:
    state, reader = SharedState(tmp_path / "state"), SharedStateReader(tmp_path / "state")
    evidence = LogEvidence(
        kind="rule", detail="Bad", found_at=START, is_conclusive=True, entry=bytes(CAPACITY_BYTES), index=None
    )
    Condition(stop=FaultyLogProblem(evidence), tell=state.write)
    known = reader.news()
    assert known is not None
    assert (known.halt, known.words, known.evidence) == (
        "faulty",
        "Bad",
        msgspec.structs.replace(evidence, entry=None),
    )


class TriedExposition(Exposition):
    """Counts how often its figures were to be written."""

    try_count = 0

    def write(self, registry: CollectorRegistry) -> None:
        self.try_count += 1
        super().write(registry)


async def test_figures_that_cannot_be_written_end_nothing_and_old_ones_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposition, "WRITE_SECONDS", 0.0)
    registry = CollectorRegistry()
    Gauge("credentify_test", "A figure.", registry=registry).set(1)
    gone = TriedExposition(tmp_path / "gone", "worker-1")
    writing = asyncio.create_task(gone.keep_writing(registry))
    await until(lambda: _true(gone.try_count > 1))
    writing.cancel()
    Exposition(tmp_path, "worker-2").write(registry)
    ours = Exposition(tmp_path, "worker-1")
    assert b'credentify_test{process="worker-2"} 1.0' in ours.expose(registry)
    os.utime(tmp_path / "worker-2.prom", (1, 1))
    assert b"worker-2" not in ours.expose(registry)


async def _true(found: bool) -> bool:
    return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
