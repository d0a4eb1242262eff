"""API keys of a verifier, made by the command."""

import asyncio
import json
from pathlib import Path

from click.testing import CliRunner

from services.command.verifier_key import verifier_key


async def make_key(file: Path, name: str, *options: str) -> str:
    """Make a key with the command, as an operator does; return it."""
    arguments = [name, "--file", str(file), "--json", *options]
    found = await asyncio.to_thread(CliRunner().invoke, verifier_key, arguments)
    assert found.exit_code == 0, found.output
    return str(json.loads(found.output)["api_key"])
