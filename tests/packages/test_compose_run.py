"""compose.yaml on a container engine, by the page's own commands: from secrets to a credential that a verifier affirms.

What runs it is podman-compose on podman; Docker's own Compose was not there to be tried. Each profile is started once.
"""

import functools
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.operator.pages import blocks, readme_blocks
from tests.packages.conftest import ROOT
from tests.packages.engine import Engine, engine_in

HEADING = "With compose"
NETWORKS = "10.0.0.0/8"
"""Where podman's own networks lie."""
WAIT_SECONDS = 600.0
OURS = {name: f"http://127.0.0.1:{port}" for name, port in (("LEDGER", 8101), ("GATEWAY", 8102), ("VERIFIER", 8103))}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return an engine with its images, which goes with all that was made in it."""
    made = engine_in(tmp_path_factory.mktemp("engine"))
    with made.watch_health():
        yield made
    made.remove()


@pytest.fixture(scope="module")
def deploy(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which an operator types: the source's `deploy/compose`, with an opening of a registrar."""
    source = tmp_path_factory.mktemp("source")
    for name in ("deploy", "proto", "services"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".dockerignore", "LICENSE", "NOTICE", "README.md", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, source / name)
    folder = source / "deploy" / "compose"
    caddyfile = folder.parent / "proxy" / "Caddyfile"
    caddyfile.write_text(
        caddyfile.read_text().replace("\tadmin off\n", "\tadmin off\n\tlocal_certs\n\tskip_install_trust\n")
    )
    registrar = blocks("In production")[0]
    engine.type(registrar, cwd=folder, environ=COMMAND)
    return folder


RIGHTS = r"grep -E ^Cap\(Eff\|Bnd\)\|NoNewPrivs /proc/self/status; id -u; touch /usr/x || echo read-only"
AFFIRMED = """
for _ in $(seq 120); do
  curl -sS "$VERIFIER/v1/credentials/$(field first.json credential_id)" > last.json
  grep -q '"verdict": *"valid"' last.json && break; sleep 0.5
done
cat last.json"""
COMMAND = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
IMAGES = "\n".join(
    ["BASE=localhost/base", f"TRUSTED_PROXIES={NETWORKS}"]
    + [f"{name.upper()}_IMAGE=localhost/{name}" for name in ("postgres", "caddy", "prometheus")]
)


def until(found: Callable[[], bool], what: str) -> None:
    """Return once something is so; fails after a while, naming it."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not found():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.5)


@pytest.fixture(scope="module")
def up(engine: Engine, deploy: Path) -> Iterator[Path]:
    """Have everything running by the page's own commands, and take it away by them."""
    _, once, begin, *_, away = blocks(HEADING)
    prepared, started, rest = re.split(r"^(docker compose up -d postgres)$", once, flags=re.MULTILINE)
    first, build = prepared.split("docker compose build")
    engine.type(first, cwd=deploy)
    (deploy / ".env").write_text(f"{(deploy / '.env').read_text()}{IMAGES}\n")
    engine.type(f"docker compose build{build}", cwd=deploy)
    engine.type(started, cwd=deploy)
    until(lambda: is_healthy(engine, "postgres"), "PostgreSQL is not healthy")
    engine.type(rest, cwd=deploy)
    assert "LOG_VERIFIER_KEY=log.example.org/2026+" in (deploy / ".env").read_text()
    engine.type(begin, cwd=deploy)
    yield deploy
    engine.type(away, cwd=deploy)
    assert "credentify" not in engine.podman("volume", "ls", "--format", "{{.Name}}")


def is_healthy(engine: Engine, service: str) -> bool:
    """Return whether the container of a service says so itself."""
    said = engine.podman("ps", "--filter", f"label=com.docker.compose.service={service}", "--format", "{{.Status}}")
    return "(healthy)" in said


def test_all_containers_become_healthy_and_have_no_more_rights_than_the_file_gives(engine: Engine, up: Path) -> None:
    for name in ("postgres", "ledger", "gateway", "verifier"):
        until(functools.partial(is_healthy, engine, name), f"{name} is not healthy")
    for name in ("ledger", "gateway", "verifier"):
        said = engine.type(f"docker compose exec -T {name} sh -c '{RIGHTS}'", cwd=up)
        assert re.findall(r"Cap(?:Eff|Bnd):\s*(\w+)", said) == ["0" * 16] * 2, said
        assert re.search(r"NoNewPrivs:\s*1", said), said
        assert "10001" in said
        assert "read-only" in said


def test_a_credential_is_issued_and_affirmed_through_the_published_ports(engine: Engine, up: Path) -> None:
    folder = up / "institution"
    folder.mkdir()
    files = {"OPERATOR_TOKEN_FILE": str(up / "secrets/operator-token"), "REGISTRAR_KEY_FILE": str(up / "registrar.key")}
    said = engine.type("\n".join([*readme_blocks(), AFFIRMED]), cwd=folder, environ=OURS | files | COMMAND)
    assert re.search(r'"verdict": ?"valid"', said), said[-3_000:]


def test_the_doctor_finds_nothing_wrong_in_the_containers(engine: Engine, up: Path) -> None:
    for name in ("ledger", "gateway", "verifier"):
        said = engine.type(f"docker compose exec -T {name} credentify doctor {name}", cwd=up)
        assert "BAD" not in said, said


def test_a_backup_goes_into_a_volume_that_its_user_may_write(engine: Engine, up: Path) -> None:
    (command,) = [each for each in blocks(HEADING) if "run --rm backup" in each]
    said = engine.type(command, cwd=up)
    listed = engine.type(
        "docker run --rm -v credentify_backups:/backups --entrypoint ls localhost/credentify /backups", cwd=up
    )
    assert listed.split(), said


def test_proxy_witness_and_monitoring_start_beside_it(engine: Engine, up: Path) -> None:
    (witness,) = [each for each in blocks(HEADING) if "--witness" in each]
    engine.type(witness, cwd=up)
    until(lambda: is_healthy(engine, "witness"), "the witness is not healthy")
    engine.type("docker compose --profile proxy up -d proxy", cwd=up)
    asked = "curl -sSk --resolve verify.example.org:443:127.0.0.1 https://verify.example.org/livez || true"
    until(lambda: "alive" in engine.type(asked, cwd=up), "the proxy leads nowhere")
    engine.type("docker compose --profile monitoring up -d prometheus", cwd=up)
    query = "curl -sS 'http://127.0.0.1:9090/api/v1/query?query=up' || true"
    until(lambda: engine.type(query, cwd=up).count('"1"]') == 3, "Prometheus does not see three services that are up")


def test_an_upgrade_keeps_what_was_there(engine: Engine, up: Path) -> None:
    (upgrade,) = [each for each in blocks(HEADING) if each.startswith("docker compose build &&")]
    before = engine.type(f"curl -sS {OURS['LEDGER']}/v1/log", cwd=up)
    engine.type(upgrade, cwd=up)
    until(
        lambda: "ready" in engine.type(f"curl -sS {OURS['LEDGER']}/readyz || true", cwd=up), "the ledger is not ready"
    )
    after = engine.type(f"curl -sS {OURS['LEDGER']}/v1/log", cwd=up)
    key = re.compile(r'"verifier_key": ?"([^"]+)"')
    assert key.findall(before) == key.findall(after) != []
