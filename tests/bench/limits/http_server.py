"""Limit: what aiohttp answers when there is nothing to do. `python -m tests.bench.limits.http_server` prints its port.

Without access log; ends when its standard input does, so that it never outlives who started it.
"""

import asyncio
import sys

import msgspec
import uvloop
from aiohttp import web

from proto.envelope import Envelope

HOST = "127.0.0.1"
ANSWER_BYTES = 1_000
_DECODER = msgspec.json.Decoder(Envelope)
_ANY_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_JSON = "application/json"


class Answer(msgspec.Struct, frozen=True):
    """What a POST is answered with: about as much as the ledger says."""

    index: int
    text: str


_STATUS = {f"member_{number}": "x" * (ANSWER_BYTES // 20 - 16) for number in range(20)}


async def _post_envelope(request: web.Request) -> web.Response:
    """Decode the body to a record and answer with another."""
    envelope = _DECODER.decode(await request.read())
    answer = Answer(index=len(envelope.payload), text=envelope.signatures[0].sig)
    return web.Response(body=_ENCODER.encode(answer), content_type=_JSON)


async def _post_any(request: web.Request) -> web.Response:
    """Decode the body, whatever it holds, and answer with a kilobyte of JSON, encoded anew."""
    _ANY_DECODER.decode(await request.read())
    return web.Response(body=_ENCODER.encode(_STATUS), content_type=_JSON)


async def _get_json(_request: web.Request) -> web.Response:
    """Answer with a kilobyte of JSON, encoded anew."""
    return web.Response(body=_ENCODER.encode(_STATUS), content_type=_JSON)


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/envelope", _post_envelope)
    app.router.add_post("/any", _post_any)
    app.router.add_get("/json", _get_json)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 - the port is what the parent reads
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(_serve())
