"""`credentify doctor` finds what is wrong with settings, files, databases and the log, and says what to do."""

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import Checkpoint, sign_checkpoint
from proto.log.merkle import Hash
from proto.log.note_key import SignerKey
from services.command.doctor_findings import Diagnosis
from services.command.main import main
from services.issuer_gateway.keys.keystore import create_master_key
from services.persistence.database_setup import migrate
from services.persistence.postgres import connected
from tests.support.databases import Database, MakeDatabase
from tests.support.ports import free_port
from tests.support.statements import secret_key

ORIGIN = Origin("log.example/doctor")
KEY = SignerKey(name=ORIGIN, secret=secret_key("doctor"))


class Examined:
    """What the doctor said."""

    def __init__(self, done: Result) -> None:
        self.status = done.exit_code
        self.findings = msgspec.json.decode(done.stdout, type=list[Diagnosis]) if done.stdout.startswith("[") else []

    def __getitem__(self, name: str) -> Diagnosis:
        service, about = name.split()
        worst = ("bad", "unknown", "note", "good")
        found = [each for each in self.findings if (each.service, each.about) == (service, about)]
        return min(found, key=lambda each: worst.index(each.state))


async def examined(environ: Mapping[str, str], *words: str) -> Examined:
    invoke = functools.partial(CliRunner().invoke, main, ["doctor", "--json", *words], env=environ)
    return Examined(await asyncio.to_thread(invoke))


@pytest.fixture
async def database(make_database: MakeDatabase) -> Database:
    """Return a gateway's database with its tables."""
    made = await make_database()
    await migrate(made.owner_url, "services.issuer_gateway.migrations", running_role=made.running_role)
    return made


@pytest.fixture
async def ledger_url() -> AsyncIterator[str]:
    """Return where a log of another version shows a checkpoint that it signed."""
    note = sign_checkpoint(Checkpoint(origin=ORIGIN, size=TreeSize(1), root_hash=Hash(bytes(32))), KEY)

    async def checkpoint(_: web.Request) -> web.Response:
        return web.Response(body=note.encode())

    async def livez(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"status": "alive", "version": "0.0.1"}))

    app = web.Application()
    app.router.add_get("/checkpoint", checkpoint)
    app.router.add_get("/livez", livez)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
def environ(database: Database, ledger_url: str, tmp_path: Path) -> dict[str, str]:
    """Return the settings of a gateway that could start."""
    create_master_key(tmp_path / "master.key")
    (tmp_path / "token").write_text("a long secret word")
    (tmp_path / "token").chmod(0o600)
    return {
        "CREDENTIFY_GATEWAY_DATABASE_URL": database.running_url,
        "CREDENTIFY_GATEWAY_PUBLIC_URL": "http://127.0.0.1:1",
        "CREDENTIFY_GATEWAY_LEDGER_URL": ledger_url,
        "CREDENTIFY_GATEWAY_LOG_VERIFIER_KEY": KEY.verifier.text,
        "CREDENTIFY_GATEWAY_MASTER_KEY_FILE": str(tmp_path / "master.key"),
        "CREDENTIFY_GATEWAY_OPERATOR_TOKEN_FILE": str(tmp_path / "token"),
        "CREDENTIFY_GATEWAY_PORT": str(free_port()),
    }


async def test_what_could_start_has_nothing_wrong_and_says_what_to_look_at(environ: dict[str, str]) -> None:
    found = await examined(environ)
    assert found.status == 0, found.findings
    assert "bad" not in {finding.state for finding in found.findings}
    assert all(finding.todo for finding in found.findings if finding.state != "good")
    assert found["gateway tables"].state == "good"
    assert found["gateway log"].found.startswith(f"{ORIGIN} shows 1 entry")
    assert found["gateway version"].state == "note", "the ledger is of another version"
    assert found["gateway pin"].state == "note"
    assert found["gateway service"].found == f"nothing answers at http://127.0.0.1:{environ['CREDENTIFY_GATEWAY_PORT']}"
    assert found["gateway public_url"].state == "note"


async def test_files_that_others_read_or_that_are_another_are_found(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "master.key").write_bytes(b"short")
    (tmp_path / "token").chmod(0o644)
    (tmp_path / "learner-keys").mkdir(mode=0o755)
    found = await examined(environ, "gateway")
    assert found.status == 1
    assert found["gateway master_key_file"].found.endswith("has 5 bytes")
    assert found["gateway operator_token_file"].todo == f"Say: chmod 600 {tmp_path / 'token'}"
    assert found["gateway key_folder"].todo == f"Say: chmod 700 {tmp_path / 'learner-keys'}"


async def test_a_database_without_tables_or_of_a_newer_version_or_away_is_found(
    environ: dict[str, str], database: Database, make_database: MakeDatabase
) -> None:
    empty = await make_database()
    name = "CREDENTIFY_GATEWAY_DATABASE_URL"
    found = await examined(environ | {name: empty.running_url})
    assert found["gateway tables"].todo == "Say: credentify migrate"
    async with connected(database.owner_url, application_name="test") as connection:
        await connection.execute("INSERT INTO migration VALUES (9999, '9999_later.sql', sha256('x'))")
        await connection.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = 'off'")
    found = await examined(environ)
    assert "9999_later.sql" in found["gateway tables"].found
    assert "synchronous_commit is off" in found["gateway durability"].found
    assert (await examined(environ | {name: database.owner_url}))["gateway database"].state == "note", "it owns it"
    found = await examined(environ | {name: "postgresql://x:Verborgen@127.0.0.1:1/none"})
    assert found.status == 1
    assert "Verborgen" not in str(found.findings)
    assert found["gateway database"].state == "bad"
    assert found["gateway log"].state == "good", "the rest is looked at all the same"


async def test_a_log_that_is_away_or_another_and_open_trust_are_found(environ: dict[str, str]) -> None:
    other = SignerKey(name=ORIGIN, secret=secret_key("another")).verifier.text
    found = await examined(environ | {"CREDENTIFY_GATEWAY_LOG_VERIFIER_KEY": other})
    assert "LOG_VERIFIER_KEY" in found["gateway log"].todo
    changed = {
        "CREDENTIFY_GATEWAY_LEDGER_URL": "http://127.0.0.1:1",
        "CREDENTIFY_GATEWAY_TRUSTED_PROXIES": "0.0.0.0/0",
        "CREDENTIFY_GATEWAY_HOST": "0.0.0.0",
    }
    found = await examined(environ | changed)
    assert found["gateway log"].state == "bad"
    assert found["gateway trusted_proxies"].state == "bad"
    assert (await examined(environ | {"CREDENTIFY_GATEWAY_HOST": "0.0.0.0"}))["gateway trusted_proxies"].state == "note"


async def test_a_port_that_somebody_else_has_and_a_place_where_nobody_can_listen_are_found(
    environ: dict[str, str], ledger_url: str
) -> None:
    name = "CREDENTIFY_GATEWAY_PORT"
    found = await examined(environ | {name: ledger_url.rpartition(":")[2]})
    assert (found.status, found["gateway service"].state) == (1, "bad")
    assert found["gateway service"].found.startswith("another program answers at")
    mute = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with mute:
        port = mute.sockets[0].getsockname()[1]
        found = await examined(environ | {name: str(port)})
        assert found["gateway service"].found.startswith(f"something listens at http://127.0.0.1:{port}, and answers")
        assert f"sport = :{port}" in found["gateway service"].todo
    found = await examined(environ | {"CREDENTIFY_GATEWAY_HOST": "192.0.2.1"})
    assert "no such address" in found["gateway service"].found
    assert "CREDENTIFY" not in found["gateway service"].todo
    assert "…_HOST" in found["gateway service"].todo


async def test_learners_whose_keys_are_on_a_disk_that_is_not_mounted_are_found(
    environ: dict[str, str], database: Database
) -> None:
    async with connected(database.admin_url, application_name="test") as connection:
        await connection.execute("SET session_replication_role = replica")  # of an institution that is not there
        await connection.execute(
            "INSERT INTO learner (learner_id, institution_id, ref) VALUES (gen_random_uuid(), gen_random_uuid(), 'x')"
        )
    found = await examined(environ)
    assert "RUNBOOK.md, key-folder" in found["gateway key_folder"].todo


async def test_places_that_are_not_there_or_that_the_service_cannot_write_to_are_found(tmp_path: Path) -> None:
    verifier = {
        "CREDENTIFY_VERIFIER_LEDGER_URL": "http://127.0.0.1:1",
        "CREDENTIFY_VERIFIER_LOG_VERIFIER_KEY": KEY.verifier.text,
        "CREDENTIFY_VERIFIER_PORT": str(free_port()),
    }
    name = "CREDENTIFY_VERIFIER_DATABASE_FILE"
    assert (await examined(verifier | {name: str(tmp_path / "x")}))["verifier database_file"].state == "good"
    found = (await examined(verifier | {name: str(tmp_path)}))["verifier database_file"]
    assert (found.state, found.found) == ("bad", f"{tmp_path} is a folder")
    found = (await examined(verifier | {name: "/proc/none/x"}))["verifier database_file"]
    assert found.state == ("note" if os.access("/proc", os.W_OK) else "bad"), "root may write where nothing can be made"
    assert (await examined(verifier | {name: str(tmp_path / "none/x")}))["verifier database_file"].state == "note"
    ledger = {
        "CREDENTIFY_LEDGER_DATABASE_URL": "postgresql://x@127.0.0.1:1/x",
        "CREDENTIFY_LEDGER_PORT": str(free_port()),
    }
    found = (await examined(ledger | {"CREDENTIFY_LEDGER_FREE_SPACE_FOLDER": str(tmp_path / "none")}))["ledger disk"]
    assert found.state == "bad"
    assert "…_FREE_SPACE_FOLDER" in found.todo


async def test_settings_that_are_wrong_are_all_that_is_said_of_a_service(environ: dict[str, str]) -> None:
    found = await examined(environ | {"CREDENTIFY_GATEWAY_PROT": "8102"})
    assert [finding.about for finding in found.findings] == ["settings"]
    assert "did you mean CREDENTIFY_GATEWAY_PORT?" in found.findings[0].found


async def test_an_environment_without_services_and_a_folder_without_any_are_told(tmp_path: Path) -> None:
    refused = await examined({"CREDENTIFY_DATA": str(tmp_path)})
    assert refused.status == 1
    assert not refused.findings
    environ = {"XDG_DATA_HOME": str(tmp_path), "CREDENTIFY_DATA": ""}
    bare = await asyncio.to_thread(functools.partial(CliRunner().invoke, main, ["doctor", "ledger"], env=environ))
    assert bare.exit_code == 1
    assert "as-service.sh" in bare.output, "who typed it in a shell without settings is told how they get there"
