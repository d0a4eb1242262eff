"""Clients that go on while releases change: one reads from whichever verifier answers, one issues credentials."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Sequence

import aiohttp

from proto.problem import Problem
from services.clients.gateway import GatewayClient

PAUSE_S = 0.05
TRIES_S = 60.0


class ReadingClient:
    """Asks for one credential all the time; a verifier that is away is left for the next, as a load balancer does."""

    def __init__(self, session: aiohttp.ClientSession, verifiers: Sequence[str], credential_id: str) -> None:
        self._session, self._verifiers, self._id = session, list(verifiers), credential_id
        self.asked = 0
        self.longest_s = 0.0
        self.wrong: list[str] = []

    async def run(self) -> None:
        """Ask until cancelled."""
        answered = time.monotonic()
        while True:
            verdict = await self._verdict()
            if verdict is not None:
                now = time.monotonic()
                self.asked, self.longest_s, answered = self.asked + 1, max(self.longest_s, now - answered), now
                if verdict != "valid":
                    self.wrong.append(verdict)
            await asyncio.sleep(PAUSE_S)

    def since(self) -> tuple[int, float, list[str]]:
        """Return answers, the longest time without one in seconds, and wrong verdicts, and begin anew."""
        found = self.asked, self.longest_s, self.wrong
        self.asked, self.longest_s, self.wrong = 0, 0.0, []
        return found

    async def _verdict(self) -> str | None:
        for url in self._verifiers:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                timeout = aiohttp.ClientTimeout(total=2)
                async with self._session.get(f"{url}/v1/credentials/{self._id}", timeout=timeout) as response:
                    if response.status == 200 and (await response.json())["verdict"] != "indeterminate":
                        return str((await response.json())["verdict"])
        return None


class IssuingClient:
    """Issues one credential after the other, each asked for again with the same key until it was answered."""

    def __init__(self, gateway: GatewayClient, achievement: str) -> None:
        self._gateway, self._achievement = gateway, achievement
        self.issued: list[str] = []
        self.refused = ""
        self.longest_s = 0.0

    async def run(self) -> None:
        """Issue until cancelled."""
        while True:
            began = time.monotonic()
            name = secrets.token_hex(6)
            learner = {"ref": f"walk-{name}", "given_name": "Ada", "family_name": "Walker"}
            award = {"achievement": self._achievement, "learner": learner, "valid_from": "2026-01-01T00:00:00Z"}
            while time.monotonic() - began < TRIES_S:
                try:
                    answer = await self._gateway.issue(award, key=f"walk-{name}")
                except (Problem, aiohttp.ClientError, TimeoutError, OSError) as problem:
                    self.refused = f"{type(problem).__name__}: {problem}"
                else:
                    self.issued.append(str(answer.credential_id))
                    break
                await asyncio.sleep(PAUSE_S)
            self.longest_s = max(self.longest_s, time.monotonic() - began)
            await asyncio.sleep(PAUSE_S)

    def since(self) -> float:
        """Return the longest time that one credential took, in seconds, and begin anew."""
        found, self.longest_s = self.longest_s, 0.0
        return found
