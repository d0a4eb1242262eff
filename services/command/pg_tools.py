"""Runs pg_dump, pg_restore and psql: named, bundled or from the PATH. No command line has a password."""

import asyncio
import contextlib
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from proto.problem import Problem
from services.command.pg_environment import asks_for_tls, libpq_environment
from services.embedded import BinariesMissingFault, find_binaries
from services.persistence import postgres

postgres_programs_option = click.option(
    "--postgres-programs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of pg_dump, pg_restore and psql, instead of the bundled ones or, for TLS, those on the PATH.",
)
_WORDS_MAX = 2_000
_HEAD_BYTES, _PIECE_BYTES = 65_536, 1_048_576
_UNKNOWN_SETTING = b"SET transaction_timeout = 0;\n"


class ToolProblem(Problem):
    """A program is missing, or failed; nothing was changed that is not named."""

    slug = "postgres-tool"
    title = "The database could not be copied"
    status = 500


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Which programs to run: those of a folder that was named, else the bundled; for TLS, those on the PATH."""

    folder: Path | None
    needs_tls: bool


async def dump(url: str, file: Path, programs: Path | None = None) -> None:
    """Write one consistent copy of a database (tables, functions, grants) in pg_dump's custom format.

    `url` is the owner's: the running role does not see every table. `programs` is a folder with pg_dump of its own.
    """
    environment = libpq_environment(url)
    program = await asyncio.to_thread(_program, "pg_dump", await _choice(url, environment, programs))
    options = ("--format=custom", "--compress=1", "--no-password", f"--file={file}")
    await _ended([("pg_dump", await _started(program, environment, *options))])


async def restore(url: str, file: Path, programs: Path | None = None, *, with_grants: bool = True) -> None:
    """Fill an empty database from such a copy, in one transaction; everything belongs to the role of `url`.

    Without grants, no role of the copied database has to exist.

    By way of SQL: what pg_restore itself sends of its session's settings stops servers older than PostgreSQL 17. It
    connects to nothing, so the bundled one, which reads what the bundled pg_dump wrote, serves in any case.
    """
    environment = libpq_environment(url)
    writer = await asyncio.to_thread(_program, "psql", await _choice(url, environment, programs))
    reader = await asyncio.to_thread(_program, "pg_restore", Choice(folder=programs, needs_tls=False))
    grants = () if with_grants else ("--no-privileges",)
    reading = await _started(reader, environment, "--no-owner", *grants, "--file=-", str(file), stdout=PIPE)
    options = ("--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-")
    writing = await _started(writer, environment, *options, stdin=PIPE)
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


async def _choice(url: str, environment: Mapping[str, str], folder: Path | None) -> Choice:
    """Return which programs reach the database of `url`: those of `folder`, or the bundled where no TLS is needed.

    The bundled ones have no TLS. Where our own connection has it, what they would send goes over the wire in the open.
    """
    needed = asks_for_tls(environment)
    if needed is None and folder is None:
        async with postgres.connected(url, application_name="credentify-backup") as connection:
            needed = await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    return Choice(folder=folder, needs_tls=bool(needed))


def _program(name: str, choice: Choice) -> str:
    """Return where a program is; raises `ToolProblem`, which says how to get it."""
    if choice.folder is not None:
        named = next((each for each in (choice.folder / name, choice.folder / "bin" / name) if each.is_file()), None)
        if named is None:
            raise ToolProblem(
                f"There is no {name} in {choice.folder}: name the folder that holds PostgreSQL's programs"
            )
        return str(named)
    if not choice.needs_tls:
        with contextlib.suppress(BinariesMissingFault):
            bundled = find_binaries().folder / name
            if bundled.is_file():
                return str(bundled)
    found = shutil.which(name)
    if found is None:
        why = ", and the bundled one has no TLS, for which the database or its URL asks" if choice.needs_tls else ""
        raise ToolProblem(
            f"{name} is not on the PATH{why}: install PostgreSQL's client in the server's version or a newer one, or "
            "name the folder of its programs with --postgres-programs"
        )
    return found


async def _started(
    program: str, environment: Mapping[str, str], *options: str, stdin: int = DEVNULL, stdout: int = DEVNULL
) -> Process:
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
