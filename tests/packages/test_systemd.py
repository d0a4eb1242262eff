"""The units: systemd's own tools find no fault in them, and each setting in them is one of its service."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.command import kept_backups
from services.command.migrate import MigrationSettings
from services.edge import EdgeConfig
from services.issuer_gateway.config import Config as GatewayConfig
from services.ledger.config import Config as LedgerConfig
from services.settings import load_settings
from services.verifier.config import Config as VerifierConfig
from tests.packages.conftest import ROOT, VERIFIER_KEY, needs, run

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 20
"""In tenths, of 100: `systemd-analyze security` calls what is below 2.0 safe."""
COMMAND = "/opt/credentify/bin/credentify"
GIVEN: dict[str, tuple[type[EdgeConfig], str, dict[str, str]]] = {
    "credentify-ledger": (LedgerConfig, "CREDENTIFY_LEDGER_", {}),
    "credentify-gateway": (
        GatewayConfig,
        "CREDENTIFY_GATEWAY_",
        {"PUBLIC_URL": "https://x", "LEDGER_URL": "https://x", "LOG_VERIFIER_KEY": VERIFIER_KEY},
    ),
    "credentify-verifier": (
        VerifierConfig,
        "CREDENTIFY_VERIFIER_",
        {"LEDGER_URL": "https://x", "LOG_VERIFIER_KEY": VERIFIER_KEY},
    ),
}
each_unit = pytest.mark.parametrize("unit", UNITS, ids=[unit.stem for unit in UNITS])


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    needs("systemd-analyze")
    tried = [tmp_path / unit.name for unit in UNITS]
    for unit, copy in zip(UNITS, tried, strict=True):
        copy.write_text(unit.read_text().replace(COMMAND, str(Path(sys.executable).with_name("credentify"))))
    said = run(["systemd-analyze", "verify", "--man=no", *tried]).stderr
    assert not [unit.name for unit in UNITS if unit.name in said], said


def test_units_take_away_what_their_services_do_not_need() -> None:
    needs("systemd-analyze")
    run(["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", *UNITS])


@each_unit
def test_a_unit_runs_a_command_that_there_is_and_hands_over_files_that_it_names(unit: Path) -> None:
    text = unit.read_text()
    words = re.findall(rf"^ExecStart={COMMAND} (\w+)\b.*$", text, re.MULTILINE)
    assert len(words) == 1
    assert subprocess.run([sys.executable, "-m", "services", *words, "--help"], check=False, cwd=ROOT).returncode == 0
    handed = set(re.findall(r"^LoadCredential=([\w-]+):", text, re.MULTILINE))
    assert handed == set(re.findall(r"=%d/([\w-]+)$", text, re.MULTILINE))


def test_what_is_loaded_needs_no_memory_that_is_written_and_run() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=False, cwd=ROOT)
    if "not supported" in done.stdout:
        pytest.skip("this kernel cannot forbid it (Linux 6.3 can)")
    assert done.returncode == 0, done.stderr


_LOADED = """
import asyncio, ctypes

PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    print("not supported")
    raise SystemExit

import nacl.signing, pyoxigraph, typst, uvloop
import services.issuer_gateway.app, services.ledger.app, services.verifier.app

key = nacl.signing.SigningKey.generate()
key.verify_key.verify(key.sign(b"said"))
pyoxigraph.Dataset([pyoxigraph.Quad(pyoxigraph.BlankNode(), pyoxigraph.NamedNode("urn:x"), pyoxigraph.Literal("y"))])
assert typst.compile(b"said", format="pdf")
uvloop.run(asyncio.sleep(0))
"""


@pytest.mark.parametrize("name", GIVEN)
def test_the_settings_of_a_unit_are_those_of_its_service(name: str, tmp_path: Path) -> None:
    kind, prefix, given = GIVEN[name]
    environ = _environ(ROOT / "deploy" / "systemd" / f"{name}.service", tmp_path)
    load_settings(kind, prefix, environ | {prefix + setting: value for setting, value in given.items()})


def test_the_job_that_makes_tables_knows_both_owners(tmp_path: Path) -> None:
    environ = _environ(ROOT / "deploy" / "systemd" / "credentify-migrate.service", tmp_path)
    for prefix in ("CREDENTIFY_LEDGER_", "CREDENTIFY_GATEWAY_"):
        load_settings(MigrationSettings, prefix, environ)


def test_the_backup_of_each_night_finds_the_ledgers_key_memory_and_databases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ROOT / "deploy" / "systemd"
    for name, value in _environ(folder / "credentify-backup.service", tmp_path).items():
        monkeypatch.setenv(name, value)
    assert kept_backups.is_in_environment()
    signer, ledger = kept_backups.signer_settings(), _environ(folder / "credentify-ledger.service", tmp_path)
    assert str(signer.state_folder) == ledger["CREDENTIFY_LEDGER_STATE_FOLDER"]
    assert str(signer.log_key_file) == ledger["CREDENTIFY_LEDGER_LOG_KEY_FILE"]
    assert [kept_backups.owners_url(name) for name in ("ledger", "gateway")] == ["postgresql://x@y/z"] * 2
    users = [
        re.findall("^User=(.*)$", (folder / f"credentify-{each}.service").read_text(), re.MULTILINE)
        for each in ("backup", "ledger")
    ]
    assert users[0] == users[1], "the memory is that user's"


def test_the_timer_starts_the_backup_and_names_a_time_that_there_is(tmp_path: Path) -> None:
    needs("systemd-analyze")
    timer = ROOT / "deploy" / "systemd" / "credentify-backup.timer"
    assert timer.with_suffix(".service").exists()
    (tmp_path / "credentify-backup.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    (tmp_path / timer.name).write_text(timer.read_text())
    run(["systemd-analyze", "verify", "--man=no", tmp_path / timer.name])
    (when,) = re.findall("^OnCalendar=(.*)$", timer.read_text(), re.MULTILINE)
    run(["systemd-analyze", "calendar", when])


def _environ(unit: Path, folder: Path) -> dict[str, str]:
    """Return what systemd would set, with credentials in a folder of the test."""
    text = unit.read_text()
    for name in re.findall(r"^LoadCredential=([\w-]+):", text, re.MULTILINE):
        (folder / name).write_text("postgresql://x@y/z")
        (folder / name).chmod(0o400)
    found = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
    return {name: value.replace("%d", str(folder)).replace("%S", str(folder)) for name, value in found.items()}
