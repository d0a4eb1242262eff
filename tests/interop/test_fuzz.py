"""The OpenAPI fuzzer Schemathesis, every check of its own on, finds nothing on a running gateway, verifier or ledger.

It calls each operation with data that the description allows and data that it forbids, and follows what one answer
gives to the next. `CREDENTIFY_FUZZ_SECONDS=600 make interop ARGS="-k fuzz"` looks longer, with another seed each time.
"""

import asyncio
import io
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support.databases import MakeDatabase
from tests.support.gateways import OPERATOR_TOKEN, RunningGateway, running_gateway
from tests.support.ledgers import running_ledger
from tests.support.served_logs import served
from tests.support.worlds import FirstWorld, lately

JUDGES = Path(__file__).parent / "judges"
FUZZER = Path(os.environ.get("CREDENTIFY_INTEROP_PYTHON", JUDGES / ".venv" / "bin" / "python")).parent / "st"
SECONDS = int(os.environ.get("CREDENTIFY_FUZZ_SECONDS", "0"))
FAST_SECONDS = 25
"""For an institution's key, with which almost all may be called: its 147 operations have more cases than time."""
EXAMPLES = 12
"""For each operation of a verifier or the operator, besides all cases that their descriptions lead to."""
LEDGER_EXAMPLES = 60
"""It has fourteen operations, and answers fast."""
HUNG_SECONDS = 120
OWN_KEYS = "^/v1/keys/"
"""Who calls these would take away the key that everything else is called with."""


def _need_fuzzer() -> None:
    if not FUZZER.exists():
        pytest.skip(f"Schemathesis is not installed in {FUZZER}; see tests/interop/judges/README.md")


@pytest.fixture
async def gateway(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningGateway]:
    """A gateway on a ledger, both undamaged at the end."""
    _need_fuzzer()
    async with (
        running_ledger(make_database, tmp_path / "ledger") as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as running,
    ):
        yield running


async def fuzz(url: str, token: str, *arguments: str, folder: Path, seconds: int = 0, examples: int = EXAMPLES) -> None:
    """Let the fuzzer call what runs at `url`, for `seconds` or with so many examples; fails with what it found."""
    until = SECONDS or seconds
    bound = ("--max-time", str(until)) if until else ("--max-examples", str(examples))
    process = await asyncio.create_subprocess_exec(
        *(str(FUZZER), "--config-file", str(JUDGES / "schemathesis.toml"), "run", f"{url}/openapi.json"),
        *("--checks", "all", "--continue-on-failure", "--header", f"Authorization: Bearer {token}"),
        *("--seed", str(secrets.randbelow(2**32) if SECONDS else 1), "--request-timeout", str(HUNG_SECONDS), *bound),
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
    await fuzz(
        gateway.url, office.created.api_key, "--exclude-path-regex", OWN_KEYS, folder=tmp_path, seconds=FAST_SECONDS
    )


async def test_the_operator_s_token_finds_nothing(gateway: RunningGateway, tmp_path: Path) -> None:
    await fuzz(gateway.url, OPERATOR_TOKEN, "--include-path-regex", "^/v1/(institutions|esco)", folder=tmp_path)


async def test_strangers_find_nothing_on_a_verifier(tmp_path: Path) -> None:
    _need_fuzzer()
    async with served(FirstWorld(start=lately())) as log:
        log.world.issued(log.world.admit("school"))
        config = Config(
            ledger_url=log.url,
            log_verifier_key=log.world.log_key.verifier.text,
            database_file=tmp_path / "projection.sqlite",
            rate_per_second=0,
            poll_seconds=1,
        )
        app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
        async with listening(app, host="127.0.0.1", port=0) as address:
            # Pages say what is wrong to a person, in HTML, whatever the description says of problems.
            await fuzz(address.url, "nobody", "--exclude-path-regex", "^/(c/.*)?$", folder=tmp_path)


async def test_strangers_find_nothing_on_a_ledger(make_database: MakeDatabase, tmp_path: Path) -> None:
    _need_fuzzer()
    async with running_ledger(make_database, tmp_path / "ledger") as ledger:
        # Who asks for the next checkpoint waits for it, longer than the fuzzer does.
        await fuzz(
            *(ledger.url, "nobody", "--exclude-path-regex", "^/v1/checkpoint/after/"),
            folder=tmp_path,
            examples=LEDGER_EXAMPLES,
        )
