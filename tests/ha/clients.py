"""Clients that issue, revoke and verify while faults come, and write down every acknowledgement. Judge nothing.

The clients of the ledger are those of the fault tests; what institutions ask of the gateways is written into the same
record, so that one checker judges all of it.
"""

import asyncio
import contextlib
import functools
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import TypeVar

import aiohttp
import msgspec

from proto.envelope import Envelope
from proto.ids import CredentialId
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.problem import Problem
from proto.wire.gateway import EventAnswer
from proto.wire.ledger import Appended
from services.clients.gateway import GatewayClient
from services.clients.http_client import AnsweredProblem
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.clients.verifier_client import VerifierClient
from services.command.child import ServiceProcess
from services.command.submit import submit
from tests.bench.stand import Stand
from tests.bench.tenant import Tenant, make_tenant
from tests.fault.checker import Attempt
from tests.fault.crew import BATCH, Crew
from tests.ha.stand import HALVES, HaStand
from tests.support.ledgers import Registrar
from tests.support.statements import ACCREDITATION, SCOPE

ASK_SECONDS = 8.0
PAUSE_SECONDS, LEDGER_PAUSE_SECONDS, VERIFY_PAUSE_SECONDS = 0.3, 0.5, 0.2
AGAIN_SECONDS = 0.25
REVOKED_SHARE = 0.5
SETTLE_SECONDS = 120.0
_T = TypeVar("_T")


class LedgerCrew(Crew):
    """The clients of the fault tests, at a pace that leaves two cores room for everything else."""

    passing = (LogUnreachableProblem, LogProblem, LogAnswerProblem)

    async def client(self, log: LogClient, name: str) -> None:
        """Send batch after batch until told to end, each again until it has a place."""
        while not self._is_ending:
            await self.send(log, name, self.envelopes())
            await asyncio.sleep(LEDGER_PAUSE_SECONDS)

    def envelopes(self, count: int = BATCH) -> list[Envelope]:
        """Return sealed issues by the second version of the rules, which nobody has sent yet."""
        registrar, number = self.registrar, next(self._batches)
        return [registrar.seal(registrar.committed(self.college, f"batch {number} {each}")) for each in range(count)]


class Said(msgspec.Struct):
    """One credential of an institution: what was said of it, and when that was acknowledged (monotonic seconds)."""

    ref: str
    credential_id: CredentialId
    issued_at: float
    revocation_acknowledged_at: float | None = None


class Seen(msgspec.Struct, frozen=True):
    """What a verifier said of a credential, and when it was asked."""

    credential_id: CredentialId
    began: float
    verdict: str


class Clients:
    """All clients of one run, and their record."""

    def __init__(self, stand: HaStand, session: aiohttp.ClientSession, rng: Random, tenant: Tenant) -> None:
        self.stand, self.session, self.rng, self.tenant = stand, session, rng, tenant
        self.crew = new_crew(stand)
        self.before = 0
        self.said: list[Said] = []
        self.seen: list[Seen] = []
        self.checkpoints: set[tuple[int, bytes]] = set()
        self.grown_at: list[float] = []
        """When a ledger showed a checkpoint greater than any that one had shown before."""
        self._grown_to = 0
        self.acknowledged = 0
        self.refused: Counter[str] = Counter()
        self.requests = 0
        self._is_ending = False

    def log(self, half: str) -> LogClient:
        """A client of one ledger."""
        return LogClient(self.session, self.stand.services[f"ledger-{half}"].url, timeout_seconds=ASK_SECONDS)

    def _any_gateway(self) -> GatewayClient:
        url = self.stand.services[f"gateway-{self.rng.choice(HALVES)}"].url
        return GatewayClient(self.session, url, token=self.tenant.api_key)

    def _any_verifier(self) -> VerifierClient:
        return VerifierClient(self.session, self.stand.services[f"verifier-{self.rng.choice(HALVES)}"].url)

    def verdicts(self) -> dict[str, int]:
        """Return how often each verdict was given."""
        return dict(Counter(each.verdict for each in self.seen))

    async def ask(self, question: Callable[[], Awaitable[_T]]) -> _T | None:
        """Ask once; None where there was no answer, or none that helps. Every refusal is counted."""
        self.requests += 1
        try:
            async with asyncio.timeout(ASK_SECONDS):
                return await question()
        except AnsweredProblem as problem:
            self.refused[problem.answer_slug] += 1
        except (Problem, TimeoutError) as problem:
            self.refused[type(problem).__name__] += 1
        return None

    async def until(self, question: Callable[[], Awaitable[_T | None]]) -> _T:
        """Ask until there is an answer."""
        while True:
            found = await self.ask(question)
            if found is not None:
                return found
            await asyncio.sleep(AGAIN_SECONDS)

    async def issue(self) -> Said:
        """Issue one credential, again and again under one key, until it is acknowledged."""
        ref, key, began = secrets.token_hex(8), secrets.token_hex(16), time.monotonic()
        award = msgspec.json.decode(self.tenant.award())
        award["learner"]["ref"] = ref
        answer = await self.until(lambda: self._any_gateway().issue(award, key=key))
        said = Said(ref, answer.credential_id, began)
        self.said.append(said)
        await self._acknowledged(answer.issue, began)
        return said

    async def revoke(self, said: Said) -> None:
        """Revoke a credential, until that is acknowledged and has its place on the log."""
        key, began = secrets.token_hex(16), time.monotonic()
        answer = await self.until(lambda: self._any_gateway().revoke(said.credential_id, {"reason": "error"}, key=key))
        await self._acknowledged(answer, began)
        said.revocation_acknowledged_at = time.monotonic()

    async def _acknowledged(self, answer: EventAnswer, began: float) -> None:
        """Write down what was acknowledged, and wait for its place on the log."""
        self.acknowledged += 1
        self._note(answer, began, None)

        async def placed() -> EventAnswer | None:
            found = await self._any_gateway().event(answer.event_id)
            assert found.state != "refused", found
            return found if found.index is not None else None

        found = answer if answer.index is not None else await self.until(placed)
        assert found.index is not None
        assert found.leaf_hash is not None
        assert found.received_at is not None
        self._note(
            found,
            began,
            Appended(
                index=found.index,
                leaf_hash=found.leaf_hash,
                received_at=found.received_at,
                event_id=found.event_id,
            ),
        )

    def _note(self, answer: EventAnswer, began: float, place: Appended | None) -> None:
        self.crew.attempts.append(
            Attempt(
                event_id=answer.event_id,
                submission=0,
                position=len(self.crew.attempts),
                began=began,
                ended=time.monotonic(),
                told="known" if place else "unknown",
                place=place,
            )
        )

    async def published(self, said: Said) -> None:
        """Return once a gateway says that a credential is published and a verifier says that it holds."""

        async def is_published() -> bool | None:
            found = await self._any_gateway().credential(said.credential_id)
            return True if found.issue.state == "published" else None

        async def is_valid() -> bool | None:
            return True if (await self.verify(said)) == "valid" else None

        await self.until(is_published)
        await self.until(is_valid)

    async def verify(self, said: Said) -> str:
        """Ask a verifier about a credential, and write its verdict down."""
        began = time.monotonic()
        answer = await self._any_verifier().status(said.credential_id)
        self.seen.append(Seen(said.credential_id, began, answer.verdict))
        return answer.verdict

    async def _office(self) -> None:
        while not self._is_ending:
            said = await self.issue()
            if self.rng.random() < REVOKED_SHARE:
                await self.revoke(said)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _reader(self) -> None:
        while not self._is_ending:
            for said in self._some():
                await self.ask(functools.partial(self.verify, said))
            await asyncio.sleep(VERIFY_PAUSE_SECONDS)

    def _some(self) -> list[Said]:
        """Of the latest, and of all."""
        return [self.rng.choice(self.said[-8:]), self.rng.choice(self.said)] if self.said else []

    async def _watcher(self, service: ServiceProcess) -> None:
        """Keep every checkpoint that anybody is shown."""
        key = parse_vkey(self.stand.addresses.log_verifier_key)
        path = "/checkpoint" if service.name == "ledger" else "/v1/checkpoint"
        timeout = aiohttp.ClientTimeout(total=2.0)
        while not self._is_ending:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, Problem):
                async with self.session.get(service.url + path, timeout=timeout) as response:
                    if response.status == 200:
                        opened = open_checkpoint(await response.read(), key).checkpoint
                        if service.name == "ledger" and opened.size > self._grown_to:
                            self._grown_to = opened.size
                            self.grown_at.append(time.monotonic())
                        self.checkpoints.add((opened.size, opened.root_hash))
            await asyncio.sleep(0.5)

    async def appended(self) -> None:
        """Return once an append that was sent from now on was acknowledged."""
        began, seen = time.monotonic(), len(self.crew.attempts)
        while True:
            news = self.crew.attempts[seen:]
            if any(each.told == "appended" and each.began >= began for each in news):
                return
            seen += len(news)
            await asyncio.sleep(AGAIN_SECONDS)

    def appended_at(self, since: float) -> list[float]:
        """Return when appends were acknowledged, from a moment on."""
        return [each.ended for each in self.crew.attempts if each.told == "appended" and each.ended >= since]

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Load everything while the block runs; at its end each client finishes what it has begun."""
        ledgers = [(self.log(half), half) for half in HALVES]
        async with self.crew.loading(*ledgers):
            working = [asyncio.create_task(each) for each in (self._office(), self._office(), self._reader())]
            watched = [each for name, each in self.stand.services.items() if name.startswith(("ledger", "verifier"))]
            working += [asyncio.create_task(self._watcher(each)) for each in watched]
            try:
                yield
                self._is_ending = True
                async with asyncio.timeout(SETTLE_SECONDS):
                    await asyncio.gather(*working)
            finally:
                for task in working:
                    task.cancel()
                await asyncio.gather(*working, return_exceptions=True)


def new_crew(stand: Stand) -> LedgerCrew:
    """Return clients of the ledgers, with an institution of their own."""
    registrar = Registrar(stand.origin, rules_version=2)
    return LedgerCrew(registrar, registrar.party("college"))


async def admit(stand: Stand, crew: Crew) -> None:
    """Put the institution of the ledgers' clients on the log."""
    party = crew.college
    admission = stand.registrar.say(
        stand.admission,
        subject=party.did,
        legal_name=party.name,
        country="NL",
        uri_prefixes=[party.url],
        keys=[party.event, party.assertion, party.recovery],
        scope=SCOPE,
        accreditation=ACCREDITATION,
    )
    await submit(stand.addresses.ledger, admission)


async def make_clients(stand: HaStand, session: aiohttp.ClientSession, rng: Random) -> Clients:
    """Return clients with an institution at the gateways and another at the ledgers, both on the log."""
    clients = Clients(stand, session, rng, await make_tenant(stand, "highland"))
    await admit(stand, clients.crew)
    clients.before = (await clients.log(HALVES[0]).log()).tree_size  # what comes later is the clients'
    return clients
