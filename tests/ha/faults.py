"""The faults that a run deals out, each brought about and taken back again. Judge nothing.

What lames a leader lasts until another leads and has taken something that the lamed one has not; then it wakes up. A
full disk is a limit on how large a file the leader's processes may write (RLIMIT_FSIZE): what would be written beyond
fails as it does where there is no room, in the write-ahead log too. Nobody but root could make a small disk.
"""

import asyncio
import contextlib
import itertools
import os
import resource
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from services.command.child import ServiceProcess
from tests.bench.stand import READY_SECONDS_MAX
from tests.ha.children import Program
from tests.ha.database import Node
from tests.ha.stand import HALVES, HaStand, half_name
from tests.support.ledgers import until

TAKEN_OVER_SECONDS_MAX = 60.0
"""So long a leader is lamed at most: not with every second fault beside it can another be elected."""
SERVICE_STOPPED_SECONDS = 10.0
"""Longer than Patroni tries again (5 s), and until PostgreSQL ends a silent transaction of a service."""
FILE_BYTES_MAX = 4_096
ASK_AGAIN_SECONDS = 0.25
Appended = Callable[[], Awaitable[None]]
"""Returns once an append that is sent from now on was acknowledged by any ledger."""
Fault = Callable[[HaStand, Random, Appended], Coroutine[Any, Any, None]]


def _send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def _stopped(pids: list[int], ending: Coroutine[Any, Any, None]) -> None:
    _send(pids, signal.SIGSTOP)
    try:
        await ending
    finally:
        _send(pids, signal.SIGCONT)


async def _taken_over(stand: HaStand, leader: Node, appended: Appended) -> None:
    """Return once another leads and has acknowledged what this one does not have, or after a minute."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TAKEN_OVER_SECONDS_MAX):
            while not await stand.database.led_by_another(leader):  # noqa: ASYNC110 - the others' state tells nobody
                await asyncio.sleep(ASK_AGAIN_SECONDS)
            await appended()


async def _leader(stand: HaStand) -> Node:
    return await stand.database.healthy()


async def _etcd_leader(stand: HaStand) -> Node:
    return await until(stand.database.etcd_leader, "etcd has a leader")


async def postgres_killed(stand: HaStand, _: Random, __: Appended) -> None:
    """Kill the leading PostgreSQL."""
    _send((await _leader(stand)).postgres_pids()[:1], signal.SIGKILL)


async def postgres_stopped(stand: HaStand, _: Random, appended: Appended) -> None:
    """Stop the leading PostgreSQL, all its processes, until long after another leads; then it wakes up."""
    leader = await _leader(stand)
    await _stopped(leader.postgres_pids(), _taken_over(stand, leader, appended))


async def node_killed(stand: HaStand, _: Random, __: Appended) -> None:
    """Kill all that runs on the leading node, as a power failure does."""
    _send((await _leader(stand)).pids(), signal.SIGKILL)


async def node_stopped(stand: HaStand, _: Random, appended: Appended) -> None:
    """Stop all that runs on the leading node, etcd too."""
    leader = await _leader(stand)
    await _stopped(leader.pids(), _taken_over(stand, leader, appended))


async def patroni_killed(stand: HaStand, _: Random, __: Appended) -> None:
    """Kill the Patroni of who leads now, well or not; its PostgreSQL goes on."""
    _send([(await until(stand.database.leader, "somebody leads")).patroni.pid], signal.SIGKILL)


async def patroni_stopped(stand: HaStand, _: Random, appended: Appended) -> None:
    """Stop the Patroni of the leader until its key is somebody else's; nobody demotes its PostgreSQL meanwhile."""
    leader = await _leader(stand)
    await _stopped([leader.patroni.pid], _taken_over(stand, leader, appended))


async def etcd_killed(stand: HaStand, _: Random, __: Appended) -> None:
    """Kill the leading etcd."""
    _send([(await _etcd_leader(stand)).etcd.pid], signal.SIGKILL)


async def etcd_stopped(stand: HaStand, _: Random, __: Appended) -> None:
    """Stop the leading etcd."""
    await _stopped([(await _etcd_leader(stand)).etcd.pid], asyncio.sleep(SERVICE_STOPPED_SECONDS))


def _service(name: str, *, is_killed: bool) -> Fault:
    async def act(stand: HaStand, rng: Random, _: Appended) -> None:
        half = HALVES[0] if name == "ledger" else rng.choice(HALVES)
        pid = stand.services[f"{name}-{half}"].pid
        assert pid is not None
        if is_killed:
            _send([pid], signal.SIGKILL)
        else:
            await _stopped([pid], asyncio.sleep(SERVICE_STOPPED_SECONDS))

    return act


async def disk_full(stand: HaStand, _: Random, appended: Appended) -> None:
    """Let the leading node (its PostgreSQL, and whatever its Patroni starts) write no further until another leads."""
    leader = await _leader(stand)
    pids = [leader.patroni.pid, *leader.postgres_pids()]
    _limit(pids, FILE_BYTES_MAX)
    try:
        await _taken_over(stand, leader, appended)
    finally:
        _limit({*pids, *leader.pids()}, resource.RLIM_INFINITY)


def _limit(pids: Iterable[int], bytes_max: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_max, hard))


async def cut(stand: HaStand, rng: Random, appended: Appended) -> None:
    """Cut the leading node, and perhaps the services of a half, off from all the rest."""
    leader = await _leader(stand)
    half = rng.choice([(), *((half_name(each),) for each in HALVES)])
    stand.database.sides.cut(leader.name, *half)
    try:
        await _taken_over(stand, leader, appended)
    finally:
        stand.database.sides.mend()


async def switch_over(stand: HaStand, _: Random, __: Appended) -> None:
    """Change the leader as planned."""
    await stand.database.switch_over(await _leader(stand))


async def rolling_restart(stand: HaStand, _: Random, __: Appended) -> None:
    """Restart everything, one after the other, as an upgrade does: standbys first, the leader last."""
    leader = await _leader(stand)
    nodes = sorted(stand.database.nodes.values(), key=lambda node: node is leader)
    for node in nodes:
        if node is await stand.database.healthy():
            await stand.database.switch_over(node)
            await stand.database.healthy()
        await _restarted(node.patroni, node.etcd)
        await stand.database.healthy()
    for service in stand.services.values():
        await _restarted(service)
        await service.ready(stand.session, seconds=READY_SECONDS_MAX)


async def _restarted(*programs: Program | ServiceProcess) -> None:
    """Stop these, and return once whoever keeps them has started each anew."""
    before = [each.pid for each in programs]
    for each in programs:
        await each.stop()
    async with asyncio.timeout(READY_SECONDS_MAX):
        while any(each.pid == pid for each, pid in zip(programs, before, strict=True)):  # noqa: ASYNC110 - whoever starts them tells nobody
            await asyncio.sleep(ASK_AGAIN_SECONDS)


OF_THE_DATABASE: dict[str, Fault] = {
    "postgres killed": postgres_killed,
    "postgres stopped": postgres_stopped,
    "node killed": node_killed,
    "node stopped": node_stopped,
    "patroni stopped": patroni_stopped,
    "disk full": disk_full,
    "cut": cut,
    "switch-over": switch_over,
    "rolling restart": rolling_restart,
}
BESIDE_IT: dict[str, Fault] = {
    "patroni killed": patroni_killed,
    "etcd killed": etcd_killed,
    "etcd stopped": etcd_stopped,
    "signer killed": _service("ledger", is_killed=True),
    "signer stopped": _service("ledger", is_killed=False),
    "gateway killed": _service("gateway", is_killed=True),
    "gateway stopped": _service("gateway", is_killed=False),
    "verifier killed": _service("verifier", is_killed=True),
    "verifier stopped": _service("verifier", is_killed=False),
}
"""What may come in the midst of another fault; waits for nothing to be well before."""
FAULTS = OF_THE_DATABASE | BESIDE_IT
TOGETHER_MAX = 3


def dealt(rng: Random, count: int, *, together: int = 1) -> list[tuple[str, ...]]:
    """Return rounds with so many kinds in all, in an order that the seed gives, each once before any comes again.

    Several together are one of the database and others beside it.
    """
    rounds = -(-count // together)
    if together == 1:
        return [(kind,) for kind in itertools.islice(_cards(rng, list(FAULTS)), rounds)]
    leading, beside = _cards(rng, list(OF_THE_DATABASE)), _cards(rng, list(BESIDE_IT))
    return [(next(leading), *itertools.islice(beside, together - 1)) for _ in range(rounds)]


def _cards(rng: Random, deck: Sequence[str]) -> Iterator[str]:
    """Yield the cards of a deck, shuffled, again and again, but none twice in succession."""
    last = ""
    while True:
        cards = rng.sample(deck, len(deck))
        while cards[0] == last:
            cards = rng.sample(deck, len(deck))
        yield from cards
        last = cards[-1]
