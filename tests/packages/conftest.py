"""What is handed to whoever runs Credentify: built once, and tried as they would."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from proto.log.note_key import SignerKey
from services.edge import EdgeConfig
from services.settings import load_settings
from tests.support.statements import secret_key

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 300


def run(command: Sequence[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; fails with all that it said where that is not 0."""
    done: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]  # what is left is passed on
        [str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_MAX, check=False, **options
    )
    if done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def needs(*programs: str) -> None:
    """Skip the test where one of these programs is not installed, and say how to get it."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: apt-get install {' '.join(missing)}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the project as it lies here."""
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT)
    (found,) = folder.glob("*.whl")
    return found


TOOLS = ROOT / "tests" / "packages" / "tools"


def tool(path: str) -> Path:
    """Return a program or file of the tools that others wrote; skips where they are not installed."""
    found = TOOLS / path
    if not found.exists():
        pytest.skip("the tools of others are not installed: make package-tools")
    return found


def loaded(kind: type[EdgeConfig], prefix: str, environ: Mapping[str, str], folder: Path) -> EdgeConfig:
    """Return the settings of a service as a manifest gives them; what it names under /run/secrets lies in `folder`."""
    given = {name: VERIFIER_KEY if value.endswith(PUT_IN) else value for name, value in environ.items()}
    return load_settings(kind, prefix, {name: value.replace(SECRETS, str(folder)) for name, value in given.items()})


SECRETS = "/run/secrets"
VERIFIER_KEY = SignerKey(name="log.example.org/2026", secret=secret_key("the log of a manifest")).verifier.text
PUT_IN = "+put-in-what-ledger-init-printed"
"""What stands in a manifest until an operator has the key."""
