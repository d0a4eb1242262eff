"""Clients that others' generators make of our OpenAPI documents issue and verify, against running services.

openapi-python-client's is run; openapi-typescript's is compiled under `strict` and run. Where the generators are not
installed, each test skips and says so (tests/interop/judges/README.md).
"""

import asyncio
import io
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.edge import Address, Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support.databases import MakeDatabase
from tests.support.gateways import Office, RunningGateway, achievement, running_gateway
from tests.support.ledgers import RunningLedger, running_ledger
from tests.support.openapi import SERVICES, described, schemas_in

JUDGES = Path(__file__).parent / "judges"
PYTHON = Path(os.environ.get("CREDENTIFY_INTEROP_PYTHON", JUDGES / ".venv" / "bin" / "python"))
GENERATOR = PYTHON.parent / "openapi-python-client"
TYPESCRIPT = JUDGES / "node_modules" / ".bin" / "openapi-typescript"
TIMEOUT_S = 240
TSCONFIG = {
    "compilerOptions": {
        "strict": True,
        "target": "es2022",
        "module": "nodenext",
        "lib": ["es2022", "dom", "dom.iterable"],
        "types": [],
        "skipLibCheck": True,  # the browser's own declarations, half of the work; what was made of ours is code
        "outDir": "made",
    },
    "files": ["generated_client.ts", "node.d.ts"],
}


async def run(folder: Path, *command: str | Path) -> str:
    """Return what a program printed; fails with all of it where it went wrong."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(TIMEOUT_S):
        said, complained = await process.communicate()
    assert process.returncode == 0, (said + complained).decode()[-8_000:]
    return said.decode()


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RunningLedger]:
    """A ledger, undamaged at the end."""
    async with running_ledger(make_database, tmp_path / "ledger") as running:
        yield running


@pytest.fixture
async def gateway(make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger) -> AsyncIterator[RunningGateway]:
    """A gateway on the ledger, undamaged at the end."""
    async with running_gateway(make_database, tmp_path / "gateway", ledger) as running:
        yield running


@pytest.fixture
async def verifier(tmp_path: Path, ledger: RunningLedger) -> AsyncIterator[Address]:
    """A verifier that follows the ledger."""
    config = Config(
        ledger_url=ledger.url,
        log_verifier_key=ledger.verifier_key,
        database_file=tmp_path / "projection.sqlite",
        rate_per_second=0,
        poll_seconds=1,
    )
    app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address:
        yield address


def write_documents(folder: Path) -> None:
    """Write every service's OpenAPI document into a folder."""
    for service in SERVICES:
        (folder / f"{service}.json").write_text(json.dumps(described(service)))


async def asked(office: Office, verifier: Address, *command: str | Path, folder: Path) -> dict[str, Any]:
    """Run a client against the running services; return what it printed."""
    arguments = (office.gateway.url, verifier.url, office.created.api_key, json.dumps(achievement("generated")))
    found: dict[str, Any] = json.loads(await run(folder, *command, *arguments))
    return found


async def test_a_client_by_openapi_python_client_issues_and_verifies(
    gateway: RunningGateway, verifier: Address, tmp_path: Path
) -> None:
    if not GENERATOR.exists():
        pytest.skip(f"openapi-python-client is not installed in {PYTHON.parent}; see tests/interop/judges/README.md")
    write_documents(tmp_path)
    for service in ("gateway", "verifier"):
        await run(
            tmp_path,
            *(GENERATOR, "generate", "--path", f"{service}.json", "--output-path", f"{service}_client"),
            *("--meta", "none", "--config", JUDGES / "generator.yaml"),
        )
    office = await gateway.institution("waterland")
    found = await asked(office, verifier, PYTHON, JUDGES / "generated_client.py", folder=tmp_path)
    assert found["verdicts"] == ["valid", "valid", ["valid", "valid"]]
    assert found["problem"] == "urn:credentify:problem:unknown-achievement"
    assert found["batch"] == 200
    assert found["imported"] in {201, 202}
    assert found["revoked"] in {201, 202}
    assert found["status"] == "Answer"


async def test_a_client_by_openapi_typescript_compiles_under_strict_issues_and_verifies(
    gateway: RunningGateway, verifier: Address, tmp_path: Path
) -> None:
    node = shutil.which("node")
    if node is None or not TYPESCRIPT.exists():
        pytest.skip("openapi-typescript is not installed; see tests/interop/judges/README.md")
    write_documents(tmp_path)
    apis = {name: {"root": f"{name}.json", "x-openapi-ts": {"output": f"{name}.ts"}} for name in SERVICES}
    (tmp_path / "redocly.yaml").write_text(json.dumps({"apis": apis}))  # YAML holds JSON
    await run(tmp_path, node, TYPESCRIPT.resolve())
    (tmp_path / "node_modules").symlink_to(JUDGES / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node.d.ts").write_text("declare const process: { argv: string[] };\n")
    (tmp_path / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    shutil.copy(JUDGES / "generated_client.ts", tmp_path)
    await run(tmp_path, node, (JUDGES / "node_modules" / ".bin" / "tsc").resolve(), "--project", "tsconfig.json")
    office = await gateway.institution("waterland")
    found = await asked(office, verifier, node, "made/generated_client.js", folder=tmp_path)
    assert found["verdicts"] == [["valid"], ["valid", "valid"]]
    assert found["problem"] == "urn:credentify:problem:unknown-achievement"
    assert found["revoked"] in {201, 202}


async def test_every_pattern_compiles_as_javascript_compiles_it(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; see tests/interop/judges/README.md")
    patterns = sorted(
        {each["pattern"] for s in SERVICES for each in schemas_in(described(s)) if isinstance(each.get("pattern"), str)}
    )
    program = "for (const each of JSON.parse(process.argv[1])) { new RegExp(each); new RegExp(each, 'u'); }"
    await run(tmp_path, node, "--eval", program, json.dumps(patterns))
