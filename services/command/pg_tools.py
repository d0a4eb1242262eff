"""Runs pg_dump, pg_restore and psql, bundled or from the PATH. Knows no table; passwords are on no command line."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import urllib.parse
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from proto.problem import Problem
from services.embedded import BinariesMissingProblem, find_binaries

_SERVICE = "credentify"
_WORDS_MAX = 2_000
_HEAD_BYTES, _PIECE_BYTES = 65_536, 1_048_576
_UNKNOWN_SETTING = b"SET transaction_timeout = 0;\n"


class ToolProblem(Problem):
    """A program is missing, or failed; nothing was changed that is not named."""

    slug = "postgres-tool"
    title = "The database could not be copied"
    status = 500


async def dump(url: str, file: Path) -> None:
    """Write one consistent copy of a database (tables, functions, grants) in pg_dump's custom format.

    `url` is the owner's: the running role does not see every table.
    """
    await _run("pg_dump", url, "--format=custom", "--compress=1", "--no-password", f"--file={file}")


async def restore(url: str, file: Path) -> None:
    """Fill an empty database from such a copy, in one transaction; everything belongs to the role of `url`.

    By way of SQL: what pg_restore itself sends of its session's settings stops servers older than PostgreSQL 17.
    """
    async with _service(url) as environment:
        reading = await _started("pg_restore", environment, "--no-owner", "--file=-", str(file), stdout=PIPE)
        options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-")
        writing = await _started("psql", environment, *options, f"service={_SERVICE}", stdin=PIPE)
        pumping = asyncio.create_task(_pump(reading, writing))
        await _ended([("psql", writing), ("pg_restore", reading)], pumping)


async def _pump(reading: Process, writing: Process) -> None:
    """Hand SQL on in one transaction, committed only once the reader ended well: half a copy is none.

    Left out is the setting that older servers do not know, which stands at the beginning.
    """
    source, sink = reading.stdout, writing.stdin
    assert source is not None
    assert sink is not None
    head = b""
    while len(head) < _HEAD_BYTES and (piece := await source.read(_HEAD_BYTES)):
        head += piece
    piece = b"BEGIN;\n" + head.replace(_UNKNOWN_SETTING, b"", 1)
    try:
        while piece:
            sink.write(piece)
            await sink.drain()
            piece = await source.read(_PIECE_BYTES)
        if await reading.wait() == 0:
            sink.write(b"COMMIT;\n")
            await sink.drain()
    except ConnectionError:  # psql has ended, and says why; nobody takes the rest
        _kill(reading)
        while await source.read(_PIECE_BYTES):  # a pipe that is not read to its end is waited for
            pass
    finally:
        sink.close()


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()


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
    """Run a program on a database to its end; raises `ToolProblem` where it fails."""
    async with _service(url) as environment:
        await _ended([(name, await _started(name, environment, *options))])


@contextlib.asynccontextmanager
async def _service(url: str) -> AsyncIterator[Mapping[str, str]]:
    """Yield the environment of programs that find the database in a service file that only we can read (libpq)."""
    with tempfile.TemporaryDirectory(prefix="credentify-") as folder:
        service_file = Path(folder) / "service"
        service_file.touch(mode=0o600)
        lines = [f"[{_SERVICE}]", *(f"{key}={value}" for key, value in _parameters(url).items())]
        service_file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield _environment(service_file)


async def _started(
    name: str, environment: Mapping[str, str], *options: str, stdin: int = DEVNULL, stdout: int = DEVNULL
) -> Process:
    program = await asyncio.to_thread(_program, name)
    return await asyncio.create_subprocess_exec(
        program, *options, env=environment, stdin=stdin, stdout=stdout, stderr=PIPE
    )


async def _ended(programs: Sequence[tuple[str, Process]], pumping: asyncio.Task[None] | None = None) -> None:
    """Wait until all have ended; raises `ToolProblem` with the words of the first of them that failed."""
    try:
        said = await asyncio.gather(*(_said(process) for _, process in programs))
        if pumping is not None:
            await pumping
    except BaseException:
        for _, process in programs:
            _kill(process)
            await process.wait()
        if pumping is not None:
            pumping.cancel()
        raise
    for (name, process), words in zip(programs, said, strict=True):
        if process.returncode != 0:
            raise ToolProblem(f"{name} ended with status {process.returncode}: {words}")


async def _said(process: Process) -> str:
    """Return the last of what a program says of its troubles, once it has ended."""
    assert process.stderr is not None
    said = await process.stderr.read()
    await process.wait()
    return said.decode("utf-8", "replace").strip()[-_WORDS_MAX:]


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
