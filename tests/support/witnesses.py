"""Logs and witnesses for tests: trees that sign what they are told, real witnesses on loopback, and lying ones.

A `History` is a tree in memory; two of them with the same key and another leaf somewhere are a log that shows two
histories. `running_witness` is what a verifier serves; `scripted` answers whatever a test wants.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, cosign, open_checkpoint, sign_checkpoint
from proto.log.merkle import Frontier, Hash, consistency_proof, leaf_hash, reader_of
from proto.log.note_key import KeyKind, SignerKey, VerifierKey
from proto.log.policy import PolicyWitness
from proto.log.witness import AddCheckpoint, parse_add_checkpoint
from services.edge import EdgeConfig, Log, listening, make_app
from services.ledger.witnesses.asked_witness import AskedWitness, AskingBounds
from services.ledger.witnesses.witness_client import WitnessClient
from services.ledger.witnesses.witness_metrics import WitnessMetrics
from services.verifier.http.witness_routes import WITNESS, witness_routes
from services.verifier.witness.memory import WitnessMemory
from services.verifier.witness.witness import Witness
from tests.support.loopback import on_loopback
from tests.support.statements import secret_key

ORIGIN = Origin("log.example/witnessed")
LOG = SignerKey(name=ORIGIN, secret=secret_key("log", ORIGIN))
QUICK = AskingBounds(
    backoff_seconds_min=0.001, backoff_seconds_max=0.005, rest_seconds_min=0.005, rest_seconds_max=0.02
)

Answer = Callable[[bytes], Awaitable[web.StreamResponse]]
"""From the body of an add-checkpoint request to the answer."""


def witness_key(name: str) -> SignerKey:
    """Return the one cosigner's key of this name."""
    return SignerKey(name=f"{name}.example", kind=KeyKind.COSIGNATURE, secret=secret_key("witness", name))


class History:
    """A log's tree, of which any size can be signed and proven; serves as the publisher's prover."""

    def __init__(self, leaves: Sequence[Hash] = ()) -> None:
        self.leaves = list(leaves)

    def grow(self, count: int, word: str = "entry") -> "History":
        """Add that many leaves, made of the word and their index; return the history."""
        begin = len(self.leaves)
        self.leaves += [leaf_hash(f"{word} {begin + number}".encode()) for number in range(count)]
        return self

    def fork(self, size: int, count: int, word: str) -> "History":
        """Return another history with the first `size` leaves of this one, and `count` of its own."""
        return History(self.leaves[:size]).grow(count, word)

    @property
    def size(self) -> TreeSize:
        """How many leaves there are."""
        return TreeSize(len(self.leaves))

    def root_hash(self, size: int | None = None) -> Hash:
        """Return the root of the first `size` leaves (default: all)."""
        return Frontier().extend(self.leaves[:size]).root()

    def signed(self, size: int | None = None, key: SignerKey = LOG) -> OpenedCheckpoint:
        """Return the signed checkpoint of the first `size` leaves (default: all)."""
        count = TreeSize(self.size if size is None else size)
        checkpoint = Checkpoint(origin=Origin(key.name), size=count, root_hash=self.root_hash(count))
        return open_checkpoint(sign_checkpoint(checkpoint, key).encode(), key.verifier)

    def proof(self, old: int, new: int) -> tuple[Hash, ...]:
        """Return the consistency proof; empty where there is nothing to prove."""
        if old in {0, new}:
            return ()
        return tuple(consistency_proof(TreeSize(old), TreeSize(new), reader_of(self.leaves)))

    def request(self, old: int, size: int | None = None, key: SignerKey = LOG) -> AddCheckpoint:
        """Return the request that leads a witness from `old` to `size` (default: all)."""
        signed = self.signed(size, key)
        proof = self.proof(old, signed.checkpoint.size) if old <= signed.checkpoint.size else ()
        return AddCheckpoint(old_size=TreeSize(old), proof=proof, note=signed.note)

    async def consistency(self, old: TreeSize, new: TreeSize) -> tuple[Hash, ...]:
        """Return the proof, as the ledger's own `Proofs` does."""
        return self.proof(old, new)

    async def root(self, size: TreeSize) -> Hash:
        """Return the root at a size, as the ledger's own `Proofs` does."""
        return self.root_hash(size)


class Served:
    """A witness on loopback: its key, address and what it was sent; `shows` is what its monitoring endpoint serves."""

    def __init__(self, key: SignerKey) -> None:
        self.key = key
        self.url = ""
        self.bodies: list[bytes] = []
        self.shows: bytes | None = None
        self.shown_count = 0

    @property
    def policy_line(self) -> str:
        """The line by which a policy names this witness."""
        return f"witness {self.key.name} {self.key.verifier.text} {self.url}\n"

    @property
    def old_sizes(self) -> list[int]:
        """The old sizes of the requests, in the order in which they came."""
        return [parse_add_checkpoint(body).old_size for body in self.bodies]


@contextlib.asynccontextmanager
async def scripted(key: SignerKey, answer: Answer) -> AsyncIterator[Served]:
    """Serve whatever `answer` says while the block runs."""
    served = Served(key)

    async def add_checkpoint(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        served.bodies.append(body)
        return await answer(body)

    async def monitoring(_: web.Request) -> web.Response:
        served.shown_count += 1
        return web.Response(status=404) if served.shows is None else web.Response(body=served.shows)

    app = web.Application()
    app.router.add_post("/add-checkpoint", add_checkpoint)
    app.router.add_get("/{origin_hash:[0-9a-f]{64}}/checkpoint", monitoring)
    async with on_loopback(app) as served.url:
        yield served


def in_turn(*answers: Answer) -> Answer:
    """Return an answer that gives these one after another, the last of them for ever."""
    left = list(answers)

    async def answer(body: bytes) -> web.StreamResponse:
        return await (left.pop(0) if len(left) > 1 else left[0])(body)

    return answer


def says(status: int, text: str = "", media_type: str = "text/plain", **headers: str) -> Answer:
    """Return an answer with this status and body."""

    async def answer(_: bytes) -> web.StreamResponse:
        return web.Response(status=status, body=text.encode(), headers={"Content-Type": media_type, **headers})

    return answer


def has_size(size: object) -> Answer:
    """Return the answer of a witness that cosigned this size last."""
    return says(409, f"{size}\n", "text/x.tlog.size")


def cosigns(key: SignerKey, *, at: int = 1_800_000_000) -> Answer:
    """Return the answer of a witness that cosigns whatever it is shown."""

    async def answer(body: bytes) -> web.StreamResponse:
        return web.Response(text=cosign(parse_add_checkpoint(body).note, key, at).text)

    return answer


def after(gate: asyncio.Event, then: Answer) -> Answer:
    """Return an answer that comes once the gate is open."""

    async def answer(body: bytes) -> web.StreamResponse:
        await gate.wait()
        return await then(body)

    return answer


def forwards(session: aiohttp.ClientSession, served: Served, *, gate: asyncio.Event | None = None) -> Answer:
    """Return the answer of another witness, asked once the gate is open; this one's monitoring shows nothing."""

    async def answer(body: bytes) -> web.StreamResponse:
        if gate is not None:
            await gate.wait()
        async with session.post(f"{served.url}/add-checkpoint", data=io.BytesIO(body)) as response:
            headers = {"Content-Type": response.headers["Content-Type"]}
            return web.Response(status=response.status, body=await response.read(), headers=headers)

    return answer


@contextlib.asynccontextmanager
async def running_witness(name: str, folder: Path, *logs: VerifierKey, port: int = 0) -> AsyncIterator[Served]:
    """Run what a verifier with a witness key serves, with its memory in `folder`, while the block runs."""
    served = Served(witness_key(name))
    memory = WitnessMemory(folder / f"{name}.sqlite")
    app = make_app(
        "verifier",
        witness_routes(),
        config=EdgeConfig(shutdown_timeout_seconds=0.5),
        log=Log("verifier", io.BytesIO()),
        version="0",
        description="",
    )
    app[WITNESS] = Witness(served.key, logs or (LOG.verifier,), memory)
    try:
        async with listening(app, host="127.0.0.1", port=port) as address:
            served.url = address.url
            yield served
    finally:
        memory.close()


def asked(
    served: Served,
    session: aiohttp.ClientSession,
    prover: History,
    *,
    lines: io.BytesIO | None = None,
    bounds: AskingBounds = QUICK,
    timeout_seconds: float = 5.0,
    metrics: WitnessMetrics | None = None,
) -> AskedWitness:
    """Return the witness as the publisher deals with it."""
    return AskedWitness(
        PolicyWitness(name=served.key.name, key=served.key.verifier, url=served.url),
        WitnessClient(session, served.url, timeout_seconds=timeout_seconds),
        log_key=LOG.verifier,
        prover=prover,
        metrics=metrics or WitnessMetrics(CollectorRegistry()),
        log=Log("ledger", lines or io.BytesIO()),
        bounds=bounds,
    )
