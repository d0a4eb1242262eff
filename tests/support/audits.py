"""Audits of a served log, by command and in this process."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.log.finding import decode_finding, encode_finding
from proto.log.finding_check import check_finding
from proto.log.note_key import parse_vkey
from proto.log.policy import parse_policy
from proto.moment import Moment
from services.auditor import Auditor, AuditProgress, AuditState, Finding, LyingLogProblem
from services.verifier.projection.store import Store
from tests.support.commands import credentify
from tests.support.tiled_logs import ServedTiles, served_tiles
from tests.support.worlds import World


async def audit(log: ServedTiles, *arguments: str, key: str | None = None) -> tuple[int, str, str]:
    """Run the command to its end; return its exit status and what it printed."""
    return await credentify("audit", log.url, "--key", key or log.world.log_key.verifier.text, *arguments)


async def audit_json(log: ServedTiles, *arguments: str) -> tuple[int, dict[str, Any]]:
    status, out, err = await audit(log, "--once", "--json", *arguments)
    assert err == ""
    return status, json.loads(out)


class Told(AuditProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.entry_counts: list[tuple[int, int]] = []
        self.tile_counts: list[tuple[int, int]] = []

    def entries(self, done: int, total: int) -> None:
        self.entry_counts.append((done, total))

    def tiles(self, done: int, total: int) -> None:
        self.tile_counts.append((done, total))


class AuditStage:
    """A served world and auditors of it, which remember what they prove in one folder."""

    def __init__(self, log: ServedTiles, folder: Path, session: aiohttp.ClientSession) -> None:
        self.log, self.folder, self.session = log, folder, session
        self.progress = Told()
        self.policy: str | None = None
        self.key = log.world.log_key.verifier.text
        self._stores: list[Store] = []
        self.auditor = self.new()

    @property
    def world(self) -> World:
        return self.log.world

    def new(self) -> Auditor:
        """Begin anew from the folder, as a restarted process does."""
        self.close()
        state = AuditState(self.folder, parse_vkey(self.key))
        self._stores.append(Store(state.projection_path))
        self.auditor = Auditor(
            self.session,
            self.log.url,
            verifier_key=self.key,
            policy=parse_policy(self.policy.encode()) if self.policy else None,
            state=state,
            store=self._stores[-1],
            clock=lambda: Moment("2026-06-01T00:00:00.000Z"),
            progress=self.progress,
            pause_seconds=0,
        )
        return self.auditor

    def close(self) -> None:
        while self._stores:
            self._stores.pop().close()

    async def finds(self, kind: str, *, is_conclusive: bool) -> Finding:
        """Step, and assert that the log is found to be faulty in this way."""
        with pytest.raises(LyingLogProblem) as caught:
            await self.auditor.step()
        finding = caught.value.finding
        assert (finding.kind, finding.is_conclusive) == (kind, is_conclusive), finding.detail
        assert msgspec.json.decode(msgspec.json.encode(finding), type=Finding) == finding
        checked = check_finding(
            decode_finding(encode_finding(finding)),
            key=self.world.log_key.verifier,
            policy=parse_policy(self.policy.encode()) if self.policy else None,
        )
        grades = {"unproven"} if not is_conclusive else {"signed"} if kind in {"rule", "signature"} else {"proven"}
        assert checked.grade in grades, checked
        return finding


def small_world(name: str = "school", count: int = 7) -> World:
    world = World()
    school = world.admit(name)
    while world.size < count:
        world.issued(school)
    return world


@contextlib.asynccontextmanager
async def stage_of(world: World, folder: Path) -> AsyncIterator[AuditStage]:
    async with served_tiles(world) as log, aiohttp.ClientSession() as session:
        stage = AuditStage(log, folder / "audit", session)
        try:
            yield stage
        finally:
            stage.close()
