"""The release before, from the history with an environment of its own lock, and this one as it lies here."""

import subprocess
import sys
import tarfile
import time
from io import BytesIO
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A release that can be run: its name, its Python, and the folder with its code."""

    name: str
    python: Path
    code: Path

    def command(self, *words: str) -> list[str]:
        """Return the command line of its `credentify`."""
        return [str(self.python), "-m", "services", *words]


def this_release() -> Release:
    """Return what lies here."""
    return Release(name="this release", python=Path(sys.executable), code=ROOT)


def previous_code(folder: Path) -> tuple[str, Path]:
    """Put the source of the release of deploy/UPGRADED_RELEASE into `folder`; return its version, and where it lies."""
    version, commit = (ROOT / "deploy" / "UPGRADED_RELEASE").read_text().split()
    archived = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=False)
    if archived.returncode != 0:
        sys.exit(f"release {version} ({commit[:12]}) is not in this clone: fetch the whole history")
    code = folder / "previous"
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as tar:
        tar.extractall(code, filter="data")
    return version, code


def previous_release(folder: Path) -> Release:
    """Install the release of deploy/UPGRADED_RELEASE into `folder`, by its own lock; exits where it is not there."""
    began = time.monotonic()
    version, code = previous_code(folder)
    venv = folder / "venv"
    pip = [venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "-qq", "install"]
    for command in (
        [sys.executable, "-m", "venv", venv],
        [*pip, "--require-hashes", "-r", code / "requirements.txt"],
        [*pip, "--no-deps", "--no-build-isolation", code],
    ):
        subprocess.run([str(word) for word in command], check=True)
    print(f"{time.monotonic() - began:7.1f} s  {version} installed by its own lock")  # noqa: T201 - what it is for
    return Release(name=version, python=venv / "bin" / "python", code=code)
