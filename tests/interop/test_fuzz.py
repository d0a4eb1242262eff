"""The OpenAPI fuzzer Schemathesis, every check of its own on, finds nothing on a running gateway.

It calls each operation with data that the description allows and data that it forbids, and follows what one answer
gives to the next. `CREDENTIFY_FUZZ_SECONDS=600 make interop ARGS="-k fuzz"` looks longer, with another seed each time.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import MakeDatabase
from tests.support.gateways import OPERATOR_TOKEN, RunningGateway, running_gateway
from tests.support.ledgers import running_ledger

JUDGES = Path(__file__).parent / "judges"
FUZZER = Path(os.environ.get("CREDENTIFY_INTEROP_PYTHON", JUDGES / ".venv" / "bin" / "python")).parent / "st"
SECONDS = int(os.environ.get("CREDENTIFY_FUZZ_SECONDS", "0"))
FAST_SECONDS = 25
OWN_KEYS = "^/v1/keys/"
"""Who calls these would take away the key that everything else is called with."""


@pytest.fixture
async def gateway(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway on a ledger, both undamaged at the end."""
    if not FUZZER.exists():
        pytest.skip(f"Schemathesis is not installed in {FUZZER}; see tests/interop/judges/README.md")
    async with (
        running_ledger(make_database, tmp_path / "ledger") as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as running,
    ):
        yield running


async def fuzz(url: str, token: str, *arguments: str, folder: Path) -> None:
    """Let the fuzzer call what runs at `url`; fails with its report where it finds anything."""
    process = await asyncio.create_subprocess_exec(
        *(str(FUZZER), "--config-file", str(JUDGES / "schemathesis.toml"), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--continue-on-failure", "--header", f"Authorization: Bearer {token}"),
        *("--seed", str(secrets.randbelow(2**32) if SECONDS else 1), "--max-time", str(SECONDS or FAST_SECONDS)),
        *arguments,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "fuzz_checks", "PYTHONPATH": str(JUDGES), "COLUMNS": "200"},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    report = (await process.stdout.read()).decode()
    assert await process.wait() == 0, report[-20_000:]


async def test_an_institution_s_key_finds_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    for number in range(3):
        await office.issue(uri, f"learner-{number}")
    await fuzz(gateway.url, office.created.api_key, "--exclude-path-regex", OWN_KEYS, folder=tmp_path)


async def test_the_operator_s_token_finds_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    await fuzz(gateway.url, OPERATOR_TOKEN, "--include-path-regex", "^/v1/(institutions|esco)", folder=tmp_path)
