"""The mixed load of a soak: issuing one by one and in files, revoking, checking, reading; and what was acknowledged."""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import msgspec

from proto.ids import CredentialId
from services.clients.gateway import GatewayClient
from services.clients.http_client import AnsweredProblem, UnreachableProblem
from services.clients.verifier_client import VerifierClient
from tests.bench.stand import Stand
from tests.bench.tenant import Tenant

_T = TypeVar("_T")
PAUSE_SECONDS = 0.25
SINGLES_PER_SECOND, CHECKS_PER_SECOND, READS_PER_SECOND = 4.0, 4.0, 8.0
FILE_ROWS, SINGLES_PER_FILE, FILE_LOOK_SECONDS = 400, 40, 0.5
"""A file for so many single issues, however fast the machine is: what a credential costs is compared over time."""
REVOKED_SHARE = 0.15
KEPT_DOCUMENTS = 2_000
FRESHNESS_SECONDS = 60.0
"""The verifier's own limit, by default: `valid` for what was revoked longer ago than that is wrong."""
SETTLE_TRIES, SETTLE_AT_ONCE, WRONG_SHOWN = 120, 4, 3
_PASSING_STATUS = 500
_TOO_MANY = 429


class Load:
    """Clients, and what they were told. A request is sent again, as the same one, until it is acknowledged."""

    def __init__(self, stand: Stand, tenant: Tenant, rng: random.Random) -> None:
        self._stand = stand
        self._tenant = tenant
        self._rng = rng
        self._gateway = GatewayClient(stand.session, stand.addresses.gateway, token=tenant.api_key)
        self._verifier = VerifierClient(stand.session, stand.addresses.verifier)
        self.issued: list[CredentialId] = []
        self.in_files = 0
        self.revoked: dict[CredentialId, float] = {}
        """When the revocation was acknowledged with its place on the log; infinity where only as taken."""
        self._documents: list[tuple[CredentialId, bytes]] = []
        self.counts = dict.fromkeys(
            ("singles", "files", "revocations", "checks", "checks of revoked ones", "reads", "tried again", "wrong"), 0
        )
        self.wrong: list[str] = []
        self.is_ending = False

    async def run(self, seconds: float) -> None:
        """Load everything for so long, and return once all that was begun is acknowledged."""
        work = (
            (self._single, 1 / SINGLES_PER_SECOND),
            (self._file, FILE_LOOK_SECONDS),
            (self._check, 1 / CHECKS_PER_SECOND),
            (self._read, 1 / READS_PER_SECOND),
        )
        async with asyncio.TaskGroup() as group:
            for each, pause in work:
                group.create_task(self._again_and_again(each, pause))
            await asyncio.sleep(seconds)
            self.is_ending = True

    async def _again_and_again(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while not self.is_ending:
            try:
                await work()
            except AnsweredProblem as problem:
                self._is_wrong(f"{work.__name__.strip('_')} was refused for good: {problem.answer_slug}")
            await asyncio.sleep(self._rng.expovariate(1 / pause))

    def _is_wrong(self, words: str) -> None:
        self.counts["wrong"] += 1
        self.wrong.append(words)

    async def acknowledged(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Return the answer, sending again whatever is away for now; raises what is a refusal."""
        while True:
            try:
                return await call()
            except (UnreachableProblem, aiohttp.ClientError, TimeoutError):
                pass
            except AnsweredProblem as problem:
                if problem.answer_status < _PASSING_STATUS and problem.answer_status != _TOO_MANY:
                    raise
            self.counts["tried again"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _single(self) -> None:
        award, key = msgspec.json.decode(self._tenant.award()), secrets.token_hex(16)
        made = await self.acknowledged(lambda: self._gateway.issue(award, key=key))
        self.issued.append(made.credential_id)
        self.counts["singles"] += 1
        document = await self.acknowledged(lambda: self._gateway.document(made.credential_id))
        self._documents = [*self._documents[-KEPT_DOCUMENTS:], (made.credential_id, document)]
        if self._rng.random() < REVOKED_SHARE:
            reason, again = {"reason": "error"}, secrets.token_hex(16)
            said = await self.acknowledged(lambda: self._gateway.revoke(made.credential_id, reason, key=again))
            self.revoked[made.credential_id] = time.monotonic() if said.index is not None else float("inf")
            self.counts["revocations"] += 1

    async def _file(self) -> None:
        if self.counts["singles"] < self.counts["files"] * SINGLES_PER_FILE:
            return
        rows, key = self._tenant.csv(FILE_ROWS), secrets.token_hex(16)
        await self.acknowledged(lambda: self._gateway.issue_batch(rows, media_type="text/csv", key=key))
        self.in_files += FILE_ROWS
        self.counts["files"] += 1

    async def _check(self) -> None:
        if not self._documents:
            return
        (credential_id, document), asked_at = self._rng.choice(self._documents), time.monotonic()
        is_old_news = asked_at - self.revoked.get(credential_id, float("inf")) > FRESHNESS_SECONDS
        answer = await self.acknowledged(lambda: self._verifier.verify(document))
        self.counts["checks"] += 1
        self.counts["checks of revoked ones"] += is_old_news
        if is_old_news and answer.verdict == "valid":
            self._is_wrong(f"valid for what was revoked more than {FRESHNESS_SECONDS:g} s before")

    async def _read(self) -> None:
        if self.issued:
            try:
                await self.acknowledged(lambda: self._verifier.status(self._rng.choice(self.issued[-2_000:])))
            except AnsweredProblem:  # it is not followed yet
                return
            self.counts["reads"] += 1

    async def settle(self) -> None:
        """Ask the verifier of each credential that was acknowledged; what it does not say of one is `wrong`."""
        waiting = iter(self.issued)

        async def ask() -> None:
            for each in waiting:
                await self._says(each, "invalid" if each in self.revoked else "valid")

        await asyncio.gather(*(ask() for _ in range(SETTLE_AT_ONCE)))

    async def _says(self, credential_id: CredentialId, wanted: str) -> None:
        found = "nothing"
        for _ in range(SETTLE_TRIES if len(self.wrong) < WRONG_SHOWN else 1):
            try:
                answer = await self.acknowledged(lambda: self._verifier.status(credential_id))
                found = str(answer.verdict)
            except AnsweredProblem as problem:
                found = problem.answer_slug
            if found == wanted:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        self._is_wrong(f"a credential that was acknowledged as {wanted} is {found}")
