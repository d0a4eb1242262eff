"""A `World` served over real HTTP on loopback, as a ledger serves its log; it can be told to lie in every way.

Knows the routes that followers read. What it serves is read from the world at each request, so tests say something and
look at what a follower makes of it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web

from proto.base64_strict import encode_base64
from proto.envelope import Envelope, open_envelope
from proto.ids import LeafIndex, TreeSize
from proto.lifecycle import evolve
from proto.log import entry as entries
from proto.log.merkle import Hash, consistency_proof, leaf_hash
from proto.moment import Moment
from proto.wire.ledger import ConsistencyProof, LogInfo
from tests.support.loopback import on_loopback
from tests.support.worlds import World


class ServedLog:
    """What is served: the world's first `size` entries (None: all). `url` is where."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        self.size: int | None = None
        self.checkpoint: bytes | None = None
        """Served instead of the world's own."""
        self.tamper: Callable[[int, bytes], bytes] = lambda _, line: line
        """What becomes of an entry on its way."""
        self.proof: list[Hash] | None = None
        """Served instead of every true consistency proof."""
        self.is_down = False
        self.held: int | None = None
        """How many entries it says it holds; None: the truth."""
        self.is_silent_of_itself = False
        """Whether `/v1/log` is refused."""
        self.entries_per_answer_max = 10_000
        self.request_count = 0

    @property
    def published_size(self) -> int:
        """The size of what is served."""
        return self.world.size if self.size is None else self.size

    def note(self) -> bytes:
        """Return the checkpoint that is served now."""
        return self.checkpoint or self.world.checkpoint(self.published_size)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._refuse_when_down])
        app.router.add_get("/checkpoint", self._checkpoint)
        app.router.add_get("/v1/checkpoint/after/{size}", self._checkpoint_after)
        app.router.add_get("/v1/entries", self._entries)
        app.router.add_get("/v1/consistency/{first}/{second}", self._consistency)
        app.router.add_get("/v1/log", self._log)
        return app

    @web.middleware
    async def _refuse_when_down(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.request_count += 1
        return web.Response(status=503) if self.is_down else await handler(request)

    async def _checkpoint(self, _: web.Request) -> web.Response:
        return web.Response(body=self.note(), content_type="text/plain")

    async def _checkpoint_after(self, request: web.Request) -> web.Response:
        size = int(request.match_info["size"])
        deadline = asyncio.get_running_loop().time() + float(request.query["wait_seconds"])
        while self.published_size <= size:
            if asyncio.get_running_loop().time() >= deadline:
                return web.Response(status=204)
            await asyncio.sleep(0.01)  # the world has nothing to wait on
        return await self._checkpoint(request)

    async def _entries(self, request: web.Request) -> web.StreamResponse:
        begin, end = int(request.query["from"]), int(request.query["to"])
        end = min(end, self.published_size, begin + self.entries_per_answer_max)
        lines = [self.tamper(index, self.world.entries[index]) for index in range(begin, end)]
        return web.Response(body=b"".join(line + b"\n" for line in lines), content_type="application/x-ndjson")

    async def _consistency(self, request: web.Request) -> web.Response:
        first, second = (TreeSize(int(request.match_info[name])) for name in ("first", "second"))
        if not 0 < first <= second <= self.published_size:
            return web.json_response({"type": "urn:credentify:problem:not-found", "status": 404}, status=404)
        proof = self.proof if self.proof is not None else consistency_proof(first, second, self.world.read_node)
        body = ConsistencyProof(first=first, second=second, proof=tuple(encode_base64(item) for item in proof))
        return web.Response(body=msgspec.json.encode(body), content_type="application/json")

    async def _log(self, _: web.Request) -> web.Response:
        if self.is_silent_of_itself:
            return web.Response(status=403)
        info = LogInfo(
            origin=self.world.origin,
            verifier_key=self.world.log_key.verifier.text,
            witness_policy="",
            tree_size=self.world.size if self.held is None else TreeSize(self.held),
            published_size=TreeSize(self.published_size),
            rules_version=1,
            publish_interval_ms=1000,
        )
        return web.Response(body=msgspec.json.encode(info), content_type="application/json")


@contextlib.asynccontextmanager
async def served(world: World) -> AsyncIterator[ServedLog]:
    """Serve the world on loopback while the block runs."""
    log = ServedLog(world)
    async with on_loopback(log.app()) as log.url:
        yield log


def force(world: World, envelope: Envelope, **changed: object) -> LeafIndex:
    """Append what no honest ledger would: nothing is decided, and fields of the entry may be changed."""
    index, previous = LeafIndex(len(world.entries)), world.leaf_hashes[-1]
    fields: dict[str, object] = {"index": index, "previous": previous, "received_at": world.now} | changed
    line = entries.encode(
        envelope,
        LeafIndex(int(str(fields["index"]))),
        fields["previous"] if isinstance(fields["previous"], bytes) else previous,
        Moment(str(fields["received_at"])),
    )
    world.entries.append(line)
    world.leaf_hashes.append(leaf_hash(line))
    world.opened.append(open_envelope(envelope))
    world.now_ms += world.step_ms
    return index


def force_and_believe(world: World, envelope: Envelope) -> LeafIndex:
    """Append undecided, and let the world's own state follow it."""
    received_at = world.now
    index = force(world, envelope)
    evolve(world.book, world.opened[index], index=index, received_at=received_at)
    return index
