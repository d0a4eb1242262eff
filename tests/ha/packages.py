"""What the stand needs of others: etcd and HAProxy of Debian, Patroni of PyPI; fetched without root, and only here.

Debian's packages are downloaded and unpacked into a folder; nothing is installed. PyPI's etcd is older and may lose
consistency (etcd 3.5.0 to 3.5.2), so it is not used.
"""

import os
import shutil
import subprocess
from pathlib import Path

import msgspec

from services.embedded import find_binaries

HERE = Path(__file__).parent
DEBIAN = HERE / ".debian"
PATRONI = HERE / ".venv" / "bin" / "python"
ETCD_PACKAGES = ("etcd-server",)
HAPROXY_PACKAGES = ("haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1")
POSTGRES_PROGRAMS = ("postgres", "initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_isready")
FETCH_SECONDS = 300
UNPRIVILEGED = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
"""Debian's `nobody`: within, root is an ordinary user without a privilege, whose files are root's own."""


class MissingError(Exception):
    """Something that the stand needs cannot be had here; the text says what, and how to get it."""


class Programs(msgspec.Struct, frozen=True, kw_only=True):
    """What to run: each is a path, but `unprivileged`, which is put before what refuses to run as root."""

    etcd: Path
    patroni: Path
    postgres: Path
    haproxy: Path | None
    unprivileged: tuple[str, ...]

    @property
    def libraries(self) -> str:
        """Where HAProxy finds what Debian's packages of it need."""
        return ":".join(str(each) for each in sorted((DEBIAN / "usr" / "lib").glob("*-linux-gnu")))


def find_programs(*, with_haproxy: bool) -> Programs:
    """Return what the stand runs, fetched where it was not here yet; raises `MissingError` in words."""
    if not PATRONI.exists():
        raise MissingError("Patroni is not installed: run `make ha-programs`")
    postgres = find_binaries().folder
    if missing := [name for name in POSTGRES_PROGRAMS if not (postgres / name).is_file()]:
        raise MissingError(f"the bundled PostgreSQL has no {', '.join(missing)}")
    return Programs(
        etcd=_debian(ETCD_PACKAGES, "usr/bin/etcd"),
        patroni=PATRONI,
        postgres=postgres,
        haproxy=_debian(HAPROXY_PACKAGES, "usr/sbin/haproxy") if with_haproxy else None,
        unprivileged=_unprivileged(),
    )


def _debian(packages: tuple[str, ...], program: str) -> Path:
    """Return a program of Debian's packages, which are fetched and unpacked into a folder of ours."""
    if not (DEBIAN / program).exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise MissingError(f"{packages[0]} comes from Debian, and here is no apt-get: put {program} under {DEBIAN}")
        fetched = DEBIAN / "fetched"
        fetched.mkdir(parents=True, exist_ok=True)
        for package in packages:
            _run(["apt-get", "download", package], fetched, f"{package} cannot be downloaded from Debian")
        for file in fetched.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(file), str(DEBIAN)], fetched, f"{file.name} cannot be unpacked")
            file.unlink()
    return DEBIAN / program


def _run(command: list[str], folder: Path, what: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=FETCH_SECONDS, text=True)
    except subprocess.CalledProcessError as error:
        raise MissingError(f"{what}: {error.stderr.strip()[-300:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(f"{what}: {error}") from error


def _unprivileged() -> tuple[str, ...]:
    """Return how PostgreSQL is run by root, who may not: in a user namespace, where Patroni can read root's Python."""
    if os.geteuid() != 0:
        return ()
    program = shutil.which(UNPRIVILEGED[0])
    if program is not None:
        command = (program, *UNPRIVILEGED[1:])
        if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
            return command
    raise MissingError("PostgreSQL does not run as root, and user namespaces are not allowed: run it as another user")
