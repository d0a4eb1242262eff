"""What a walk stands on: services in processes of their own, what they said, and the shell of whoever is woken up."""

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.monitoring.stand import Stand, WatchedLedger, WatchedProcess, settings_of
from tests.runbook.page import blocks
from tests.runbook.shell import Shell
from tests.support.ledgers import until


class Walk:
    """A stand, and a shell that knows the services by the names that the runbook uses."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.folder = stand.folder
        (self.folder / "shell").mkdir()
        self.shell = Shell(self.folder / "shell")

    async def ledger(self, **settings: Any) -> WatchedLedger:
        """Run a ledger with a fresh log; the shell has its settings."""
        made = await self.stand.ledger(**settings)
        self.knows(made)
        return made

    def knows(self, ledger: WatchedLedger) -> None:
        """Give the shell what it says of a ledger, and its settings, as they are now."""
        config = ledger.config
        named = {
            "LEDGER": ledger.url,
            "LOG_VERIFIER_KEY": ledger.verifier_key,
            "LEDGER_OWNER_URL": ledger.database.owner_url,
            "LEDGER_ADMIN_URL": ledger.database.admin_url,
            "LOG_KEY_FILE": str(config.log_key_file),
            "STATE_FOLDER": str(config.state_folder),
            "MIRROR": str(config.mirror_folder or ""),
        }
        self.shell.variables |= settings_of("ledger", config) | named

    async def run(self, block: str, *, typed: str = "") -> str:
        """Run a block of the page and return what it printed; fails where a command does."""
        return await asyncio.to_thread(self.shell.run, block, typed=typed)

    async def follow(self, entry: str) -> Sequence[str]:
        """Run all blocks of an entry and return what each printed."""
        return [await self.run(block) for block in blocks(entry)]

    async def says(self, name: str, *words: str) -> None:
        """Wait until the log of a service (`ledger`, `gateway`, the name of a verifier) has these words."""
        for word in words:
            try:
                await until(functools.partial(self._has, name, word), f"the {name} says {word}")
            except AssertionError as error:
                raise AssertionError(f"{error}; it said: {output_of(self.folder, name)[-3_000:]}") from error

    async def _has(self, name: str, word: str) -> bool | None:
        return word in output_of(self.folder, name) or None

    async def ready(self, process: WatchedProcess) -> None:
        """Wait until a service says that it is ready."""

        async def ask() -> bool | None:
            async with self.stand.session.get(f"{process.url}/readyz") as response:
                return response.status == 200 or None

        await until(ask, f"the {process.service} is ready")


def output_of(folder: Path, name: str) -> str:
    """Return what a service has written to its log."""
    return (folder / f"{name}.log").read_text()
