"""What the stand of three nodes rests on: faults that a seed repeats, doors that hold, and what is stale."""

import asyncio
from random import Random

import pytest

from proto.ids import CredentialId
from tests.ha.clients import Said, Seen
from tests.ha.doors import Door, Sides
from tests.ha.faults import BESIDE_IT, FAULTS, OF_THE_DATABASE, dealt
from tests.ha.judge import stale
from tests.ha.outage import longest_gap
from tests.ha.patroni_settings import LOOP_WAIT_SECONDS, RETRY_SECONDS, SHARED, TTL_SECONDS
from tests.ha.stand import FRESHNESS_SECONDS
from tests.support.ports import free_port

ONE = CredentialId("00" * 32)


def test_a_seed_deals_the_same_faults_again_and_each_kind_once_before_any_comes_twice() -> None:
    count = len(FAULTS)
    assert dealt(Random(7), count + 3) == dealt(Random(7), count + 3)
    assert sorted(kind for (kind,) in dealt(Random(7), count)) == sorted(FAULTS)
    assert dealt(Random(8), count) != dealt(Random(7), count)


@pytest.mark.parametrize("together", [2, 3])
def test_faults_at_one_time_are_one_of_the_database_and_others_beside_it(together: int) -> None:
    rounds = dealt(Random(7), 6 * len(FAULTS), together=together)
    assert all(first in OF_THE_DATABASE and set(others) <= BESIDE_IT.keys() for first, *others in rounds)
    assert all(len(set(each)) == together for each in rounds), "none beside itself"
    assert sorted(first for first, *_ in rounds[: len(OF_THE_DATABASE)]) == sorted(OF_THE_DATABASE)
    others = [kind for _, *others in rounds for kind in others]
    assert sorted(others[: len(BESIDE_IT)]) == sorted(BESIDE_IT), "each once before any comes again"
    assert len(dealt(Random(7), 7, together=together)) * together >= 7, "made up to whole rounds, never fewer"


def test_the_longest_stretch_without_a_commit_counts_from_the_beginning_and_to_the_end() -> None:
    assert longest_gap([], 10.0, 14.0) == 4.0
    assert longest_gap([9.0, 11.0, 11.5, 13.9, 20.0], 10.0, 14.0) == 2.4
    assert longest_gap([13.0], 10.0, 14.0) == 3.0
    assert longest_gap([11.0], 10.0, 14.0) == 3.0


def test_a_leader_gives_up_before_another_may_take_its_key() -> None:
    assert TTL_SECONDS >= LOOP_WAIT_SECONDS + 2 * RETRY_SECONDS
    assert (SHARED["synchronous_mode"], SHARED["synchronous_mode_strict"]) == ("quorum", True)


def test_valid_is_stale_only_beyond_the_freshness_limit_after_the_revocation_was_acknowledged() -> None:
    said = [Said("l-1", ONE, 0.0, revocation_acknowledged_at=100.0)]
    limit = 100.0 + FRESHNESS_SECONDS
    assert stale(said, [Seen(ONE, limit, "valid"), Seen(ONE, limit + 9, "invalid"), Seen(ONE, 50.0, "valid")]) == []
    assert stale(said, [Seen(ONE, limit + 9, "indeterminate")]) == []
    assert len(stale(said, [Seen(ONE, limit + 0.1, "valid")])) == 1


async def test_what_is_cut_off_is_held_and_comes_through_when_it_is_mended() -> None:
    got: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            got.put_nowait(data)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    sides = Sides(lambda _: "b")
    door = Door(sides, port=free_port(), to=server.sockets[0].getsockname()[1], node="a")
    async with server, door.listening(), asyncio.timeout(120):
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"before")
        assert await got.get() == b"before"
        sides.cut("a")
        writer.write(b"after")
        await writer.drain()
        assert got.empty()
        sides.cut("a", "b")  # both are in the same half now
        sides.mend()
        assert await got.get() == b"after"
        writer.close()
        await writer.wait_closed()
