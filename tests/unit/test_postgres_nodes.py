"""Which node of a URL with several is spoken to: all are asked side by side, and the newest leader is taken."""

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from services.persistence import postgres_nodes
from services.persistence.postgres_errors import DatabaseUnavailableProblem
from services.persistence.postgres_nodes import DatabaseNode, connect_to_leader, nodes_of

ONE, TWO, THREE = DatabaseNode("one", 1), DatabaseNode("two", 2), DatabaseNode("three", 3)
SECONDS = 120.0


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("postgresql://a:b@one:1,two:2/log?target_session_attrs=read-write", [ONE, TWO]),
        ("postgresql://a:b@one,two/log?port=7", [DatabaseNode("one", 7), DatabaseNode("two", 7)]),
        ("postgresql://a:b@[::1]:5,[fe80::2]/log", [DatabaseNode("::1", 5), DatabaseNode("fe80::2", 5432)]),
        ("postgresql://a@/log?host=one,two&port=1,2&target_session_attrs=primary", [ONE, TWO]),
        ("postgresql://a@/log?host=/run/a,/run/b", [DatabaseNode("/run/a", 5432), DatabaseNode("/run/b", 5432)]),
        ("postgresql://a@%2Frun%2Fa,%2Frun%2Fb/log", [DatabaseNode("/run/a", 5432), DatabaseNode("/run/b", 5432)]),
        ("postgresql://a:b@one:1/log", []),
        ("postgresql:///log", []),
        ("postgresql://a:b@one:1,two:2/log?target_session_attrs=prefer-standby", []),
    ],
)
def test_a_url_leaves_a_choice_where_it_names_several_nodes(url: str, nodes: list[DatabaseNode]) -> None:
    assert nodes_of(url) == nodes


class Opened:
    """A connection to a node that is on a timeline."""

    def __init__(self, node: DatabaseNode, timeline: str) -> None:
        self.node, self.timeline, self.is_ended = node, timeline, False

    async def fetchval(self, query: str, /) -> object:
        """Answer with the timeline."""
        assert "pg_walfile_name" in query
        return self.timeline

    def terminate(self) -> None:
        """Note it."""
        self.is_ended = True


class Cluster:
    """What each node does with whoever connects: a timeline, an error, or (None) never an answer."""

    def __init__(self, **does: str | Exception | None) -> None:
        self.does = does
        self.opened: list[Opened] = []
        self.asked: list[str] = []
        self.when_asked: Callable[[], None] = lambda: None

    async def connect(self, node: DatabaseNode) -> Opened:
        """Connect as the driver does."""
        self.asked.append(node.host)
        self.when_asked()
        what = self.does[node.host]
        if what is None:
            await asyncio.Event().wait()
        if isinstance(what, Exception):
            raise what
        assert isinstance(what, str)
        self.opened.append(Opened(node, what))
        return self.opened[-1]


@pytest.fixture(autouse=True)
def _nobody_has_led() -> None:
    postgres_nodes._LED.clear()


def standby() -> Exception:
    return asyncpg.TargetServerAttributeNotMatched("not it")


async def test_a_node_that_takes_connections_and_never_answers_keeps_nobody_from_the_leader() -> None:
    cluster = Cluster(one=None, two=standby(), three="00000002")
    found = await connect_to_leader([ONE, TWO, THREE], cluster.connect, seconds=SECONDS)
    assert found.node == THREE
    assert not found.is_ended


async def test_of_two_that_take_writes_the_newer_leader_is_taken_and_the_other_connection_ended() -> None:
    cluster = Cluster(one="00000009", two="0000000A", three=standby())
    found = await connect_to_leader([ONE, TWO, THREE], cluster.connect, seconds=SECONDS)
    assert found.node == TWO
    assert [each.is_ended for each in cluster.opened] == [True, False]


async def test_a_node_that_becomes_the_leader_while_another_hangs_is_found() -> None:
    cluster = Cluster(one=None, two=standby())

    def promote() -> None:
        if cluster.asked.count("two") > 1:
            cluster.does["two"] = "00000002"

    cluster.when_asked = promote
    found = await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)
    assert found.node == TWO


async def test_where_no_node_takes_writes_it_is_said_what_to_do() -> None:
    cluster = Cluster(one=standby(), two=ConnectionRefusedError("refused"))
    with pytest.raises(DatabaseUnavailableProblem, match=r"Of the 2 nodes .* choosing its leader"):
        await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)


async def test_what_a_server_says_of_us_counts_before_a_node_that_is_away() -> None:
    cluster = Cluster(one=ConnectionRefusedError("refused"), two=asyncpg.InvalidPasswordError("wrong password"))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)


async def test_where_all_are_away_the_first_one_s_error_is_raised() -> None:
    cluster = Cluster(one=ConnectionRefusedError("first"), two=ConnectionRefusedError("second"))
    with pytest.raises(ConnectionRefusedError, match="first"):
        await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)


async def test_where_none_answers_it_ends_in_time() -> None:
    cluster = Cluster(one=None, two=None)
    with pytest.raises(TimeoutError):
        await connect_to_leader([ONE, TWO], cluster.connect, seconds=0.01)


async def test_while_nothing_is_wrong_only_the_node_that_led_last_is_asked() -> None:
    cluster = Cluster(one=standby(), two="00000001", three=standby())
    for _ in range(3):
        found = await connect_to_leader([ONE, TWO, THREE], cluster.connect, seconds=SECONDS)
        assert found.node == TWO
    assert cluster.asked.count("two") == 3
    assert cluster.asked.count("one") == cluster.asked.count("three") == 1


@pytest.mark.parametrize("does", [None, ConnectionRefusedError("killed"), standby()])
async def test_where_the_node_that_led_last_does_so_no_more_the_others_are_asked(does: Exception | None) -> None:
    cluster = Cluster(one="00000001", two=standby())
    await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)
    cluster.does |= {"one": does, "two": "00000002"}
    found = await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)
    assert found.node == TWO


async def test_whoever_asks_all_finds_the_newer_leader_beside_one_that_goes_on() -> None:
    cluster = Cluster(one="00000001", two=standby())
    await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)
    cluster.does["two"] = "00000002"
    assert (await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)).node == ONE
    assert (await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS, asks_all=True)).node == TWO
    assert (await connect_to_leader([ONE, TWO], cluster.connect, seconds=SECONDS)).node == TWO
