"""The private fields of aiohttp's connection that `services.edge.connections` reads and writes; another aiohttp may
name them otherwise, and then idle connections and pipelined requests would not be bounded any more, without a word."""

import asyncio
import inspect
import io

from aiohttp import web

from services.edge import Log
from services.edge.address import TrustedProxies
from services.edge.config import EdgeConfig
from services.edge.connections import PIPELINED_MAX, Connection, ConnectionLimits, Connections

READ = ("_current_request", "_loop", "_messages", "_request_count")
WRITTEN = ("_max_msg_queue_size", "_msg_queue_resume_size")


def test_every_private_field_that_is_used_is_one_of_aiohttp() -> None:
    slots = {name for kind in web.RequestHandler.__mro__ for name in getattr(kind, "__slots__", ())}
    made = inspect.getsource(web.RequestHandler.__init__)
    for name in (*READ, *WRITTEN):
        assert name in slots or f"self.{name} " in made or f"self.{name}:" in made, f"aiohttp has no {name} any more"
    own = set(Connection.__slots__)
    assert not own & {*READ, *WRITTEN}, "a slot of ours would hide the field of aiohttp"


def test_the_bound_of_pipelined_requests_is_what_aiohttp_asks_for_when_it_takes_one() -> None:
    source = inspect.getsource(web.RequestHandler)
    body_of_init = inspect.getsource(web.RequestHandler.__init__)
    for name in WRITTEN:
        assert f"self.{name}" in source.replace(body_of_init, ""), f"aiohttp sets {name} and asks nobody for it"


async def test_a_connection_has_our_bound_and_begins_idle() -> None:
    async def nobody(_: web.BaseRequest) -> web.Response:
        return web.Response()

    limits = ConnectionLimits.of(EdgeConfig(), 1_024)
    connections = Connections(log=Log("edge", io.BytesIO()), proxies=TrustedProxies(()))
    connection = Connection(web.Server(nobody), connections, limits, loop=asyncio.get_running_loop())
    assert connection._max_msg_queue_size == PIPELINED_MAX
    assert connection.is_idle
