"""The wheel: the command and what it needs, nothing of the tests; installed in an environment of its own, it runs."""

import os
import re
import signal
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.packages.conftest import ROOT, run
from tests.support.ports import free_port


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the `bin` of a fresh environment with the wheel in it; the libraries are those of this one."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "-q", wheel])
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")  # a .pth there is not read again
    return folder / "bin"


def inside(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_a_wheel_holds_the_services_and_nothing_of_tests_or_papers(wheel: Path) -> None:
    names = inside(wheel)
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"proto", "services", f"credentify-{version('credentify')}.dist-info"}
    assert not [name for name in names if "test" in Path(name).name.lower() or "__pycache__" in name]


def test_a_wheel_holds_every_file_that_the_services_read(wheel: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "proto", "services"], cwd=ROOT, capture_output=True, check=True)
    wanted = set(listed.stdout.decode().split()) or pytest.skip("this is no git repository")
    assert wanted <= set(inside(wheel))


def test_what_a_wheel_needs_is_said_by_it(wheel: Path) -> None:
    (name,) = (name for name in inside(wheel) if name.endswith(".dist-info/METADATA"))
    with zipfile.ZipFile(wheel) as archive:
        said = archive.read(name).decode()
    lines = re.findall(r"^Requires-Dist: (.+)$", said, re.MULTILINE)
    for extra, file in (("", "requirements.txt"), ("tracing", "requirements-tracing.txt")):
        needed = {
            re.split(r"[^\w-]", line)[0].lower()
            for line in lines
            if "extra ==" not in line or (extra and f"'{extra}'" in line.replace('"', "'"))
        }
        locked = set(re.findall(r"^([\w-]+)==", (ROOT / file).read_text(), re.MULTILINE))
        assert needed
        assert needed <= locked, "the lock file, with its hashes, is how it is installed"


def test_the_installed_command_runs_by_itself(installed: Path, tmp_path: Path) -> None:
    said = run([installed / "credentify", "--version"], cwd=tmp_path).stdout
    assert version("credentify") in said
    where = run([installed / "python", "-c", "import services, proto; print(services.__path__)"], cwd=tmp_path).stdout
    assert str(installed.parent) in where, "it is the installed one, not the one of the project"
    run([installed / "credentify", "keygen", "--out", tmp_path / "a.key"], cwd=tmp_path)
    assert (tmp_path / "a.key").stat().st_mode & 0o777 == 0o600


def test_everything_starts_from_the_wheel_alone(installed: Path, open_folder: Path) -> None:
    data = open_folder / "data"
    data.mkdir()
    data.chmod(0o711)
    ports = [word for name in ("ledger", "gateway", "verifier") for word in (f"--{name}-port", str(free_port()))]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    said = []
    with subprocess.Popen(
        [installed / "credentify", "up", "--data", data, *ports],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=open_folder,
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("stop  "):
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, "".join(said)
    assert any(line.startswith("stop  ") for line in said), "".join(said)
