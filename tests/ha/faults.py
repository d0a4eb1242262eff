"""The faults that a run deals out, each brought about and taken back again. Judge nothing, and wait for nobody.

A full disk is a limit on how large a file the leader's processes may write (RLIMIT_FSIZE): what would be written beyond
fails as it does where there is no room, in the write-ahead log too. Nobody but root could make a small disk.
"""

import asyncio
import contextlib
import os
import resource
import signal
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Any

from tests.bench.stand import READY_SECONDS_MAX
from tests.ha.database import Node
from tests.ha.stand import HALVES, HaStand, half_name
from tests.support.ledgers import until

STOPPED_SECONDS, CUT_SECONDS, FULL_SECONDS, SERVICE_STOPPED_SECONDS = 28.0, 28.0, 15.0, 10.0
FILE_BYTES_MAX = 4_096
Fault = Callable[[HaStand, Random], Coroutine[Any, Any, None]]


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def _stopped(pids: list[int], seconds: float) -> None:
    _send(pids, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        _send(pids, signal.SIGCONT)


async def _leader(stand: HaStand) -> Node:
    return await stand.database.healthy()


async def _etcd_leader(stand: HaStand) -> Node:
    return await until(stand.database.etcd_leader, "etcd has a leader")


async def postgres_killed(stand: HaStand, _: Random) -> None:
    """Kill the leading PostgreSQL."""
    _send((await _leader(stand)).postgres_pids()[:1], signal.SIGKILL)


async def postgres_stopped(stand: HaStand, _: Random) -> None:
    """Stop the leading PostgreSQL, all its processes, until long after another leads; then it wakes up."""
    await _stopped((await _leader(stand)).postgres_pids(), STOPPED_SECONDS)


async def node_killed(stand: HaStand, _: Random) -> None:
    """Kill all that runs on the leading node, as a power failure does."""
    _send((await _leader(stand)).pids(), signal.SIGKILL)


async def node_stopped(stand: HaStand, _: Random) -> None:
    """Stop all that runs on the leading node, etcd too."""
    await _stopped((await _leader(stand)).pids(), STOPPED_SECONDS)


async def patroni_killed(stand: HaStand, _: Random) -> None:
    """Kill the Patroni of the leader; its PostgreSQL goes on."""
    _send([(await _leader(stand)).patroni.pid], signal.SIGKILL)


async def patroni_stopped(stand: HaStand, _: Random) -> None:
    """Stop the Patroni of the leader until its key is somebody else's; nobody demotes its PostgreSQL meanwhile."""
    await _stopped([(await _leader(stand)).patroni.pid], STOPPED_SECONDS)


async def etcd_killed(stand: HaStand, _: Random) -> None:
    """Kill the leading etcd."""
    _send([(await _etcd_leader(stand)).etcd.pid], signal.SIGKILL)


async def etcd_stopped(stand: HaStand, _: Random) -> None:
    """Stop the leading etcd."""
    await _stopped([(await _etcd_leader(stand)).etcd.pid], SERVICE_STOPPED_SECONDS)


def _service(name: str, *, is_killed: bool) -> Fault:
    async def act(stand: HaStand, rng: Random) -> None:
        half = HALVES[0] if name == "ledger" else rng.choice(HALVES)
        pid = stand.services[f"{name}-{half}"].pid
        assert pid is not None
        if is_killed:
            _send([pid], signal.SIGKILL)
        else:
            await _stopped([pid], SERVICE_STOPPED_SECONDS)

    return act


async def disk_full(stand: HaStand, _: Random) -> None:
    """Let the leading node write no further, for a while: its PostgreSQL, and whatever its Patroni starts."""
    leader = await _leader(stand)
    pids = [leader.patroni.pid, *leader.postgres_pids()]
    _limit(pids, FILE_BYTES_MAX)
    try:
        await asyncio.sleep(FULL_SECONDS)
    finally:
        _limit({*pids, *leader.pids()}, resource.RLIM_INFINITY)


def _limit(pids: Iterable[int], bytes_max: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_max, hard))


async def cut(stand: HaStand, rng: Random) -> None:
    """Cut the leading node, and perhaps the services of a half, off from all the rest."""
    leader = await _leader(stand)
    half = rng.choice([(), *((half_name(each),) for each in HALVES)])
    stand.database.sides.cut(leader.name, *half)
    try:
        await asyncio.sleep(CUT_SECONDS)
    finally:
        stand.database.sides.mend()


async def switch_over(stand: HaStand, _: Random) -> None:
    """Change the leader as planned."""
    await stand.database.switch_over(await _leader(stand))


async def rolling_restart(stand: HaStand, _: Random) -> None:
    """Restart everything, one after the other, as an upgrade does: standbys first, the leader last."""
    leader = await _leader(stand)
    nodes = sorted(stand.database.nodes.values(), key=lambda node: node is leader)
    for node in nodes:
        if node is await stand.database.healthy():
            await stand.database.switch_over(node)
            await stand.database.healthy()
        await node.patroni.stop()
        await node.etcd.stop()
        await asyncio.sleep(1.0)
        await stand.database.healthy()
    for service in stand.services.values():
        await service.stop()
        await asyncio.sleep(1.0)
        await service.ready(stand.session, seconds=READY_SECONDS_MAX)


FAULTS: dict[str, Fault] = {
    "postgres killed": postgres_killed,
    "postgres stopped": postgres_stopped,
    "node killed": node_killed,
    "node stopped": node_stopped,
    "patroni killed": patroni_killed,
    "patroni stopped": patroni_stopped,
    "etcd killed": etcd_killed,
    "etcd stopped": etcd_stopped,
    "signer killed": _service("ledger", is_killed=True),
    "signer stopped": _service("ledger", is_killed=False),
    "gateway killed": _service("gateway", is_killed=True),
    "gateway stopped": _service("gateway", is_killed=False),
    "verifier killed": _service("verifier", is_killed=True),
    "verifier stopped": _service("verifier", is_killed=False),
    "disk full": disk_full,
    "cut": cut,
    "switch-over": switch_over,
    "rolling restart": rolling_restart,
}


def dealt(rng: Random, count: int) -> list[str]:
    """Return so many kinds in an order that the seed gives, each once before any comes again."""
    found: list[str] = []
    while len(found) < count:
        deck = list(FAULTS)
        rng.shuffle(deck)
        found += deck
    return found[:count]
