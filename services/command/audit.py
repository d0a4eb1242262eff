"""`credentify audit URL`: follows a log as a monitor that knows its public key alone, and says what it found.

Exit status: 0 all was proven (`--once`), 1 the log is faulty (the evidence is in a file), 2 it follows rules that
this version does not know, 3 it could not be audited (no log there, no quorum, files that cannot be used).
"""

import asyncio
import contextlib
import fcntl
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO

import aiohttp
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from proto.lifecycle import UnknownRulesProblem
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.log.policy import QuorumProblem
from proto.moment import Moment, from_datetime
from proto.number_words import number_of, number_of_entries
from proto.problem import Problem
from services.auditor import Auditor, AuditProgress, AuditState, AuditStateProblem, LyingLogProblem, Seen
from services.auditor.finding import Accuser
from services.auditor.succession import accuse_heir
from services.clients.http_session import client_session
from services.clients.log_client import LogAnswerProblem, LogProblem, LogUnreachableProblem
from services.clients.tile_client import TileClient
from services.command.output import EXIT_PROBLEM, REFUSALS, as_json_option, command, console, print_json, print_problem
from services.command.shown_elsewhere import compared
from services.command.terminal import clean
from services.follow import (
    Beginning,
    ClockBehindProblem,
    FaultyLogProblem,
    LogEvidence,
    OtherEndProblem,
)
from services.persistence.durable_file import write_durably
from services.policy_file import read_pins, read_policy_about
from services.verifier.projection.store import Store

EXIT_UNKNOWN_RULES, EXIT_COULD_NOT_AUDIT = 2, 3
EVIDENCE_DEFAULT = Path("audit-evidence.json")
LOCK_FILE = "audit.lock"
LONG_COUNT = 1000
"""Entries still to be read from which on a progress bar is shown."""
_NOT_NOW = (LogUnreachableProblem, LogProblem, LogAnswerProblem, QuorumProblem, ClockBehindProblem)


class _Bars(AuditProgress):
    """Progress bars on the terminal while a long look lasts; nothing for short ones, or where there is no terminal."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._terminal = Console(stderr=True)
        self._is_wanted = is_wanted and self._terminal.is_terminal
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def entries(self, done: int, total: int) -> None:
        """Show how many entries are proven."""
        self._show("entries", done, total)

    def tiles(self, done: int, total: int) -> None:
        """Show how many tiles are compared."""
        self._show("tiles", done, total)

    def _show(self, name: str, done: int, total: int) -> None:
        if self._progress is None:
            if not self._is_wanted or total - done < LONG_COUNT:
                return
            columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=self._terminal, transient=True)
            self._progress.start()
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done, total=total)

    def clear(self) -> None:
        """Take the bars away."""
        if self._progress is not None:
            self._progress.stop()
        self._progress = None
        self._tasks.clear()


def _held(folder: Path) -> IO[str]:
    """Return the folder's lock, held until it is closed; raises `AuditStateProblem` where another audit runs in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("w")
    except OSError as error:
        raise AuditStateProblem(f"{folder} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise AuditStateProblem(f"Another audit runs in {folder}: stop it, or name another folder") from error
    return lock


def _now() -> Moment:
    return from_datetime(datetime.now(UTC))


def _print_seen(seen: Seen, others: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        found = msgspec.to_builtins(seen) | {"root_hash": seen.root_hash.hex(), "compared_with": others}
        print_json({"result": "proven", **found, "at": _now()})
        return
    words = (
        f"{number_of_entries(seen.size)} proven ({seen.entry_count} new), {number_of(seen.tile_count, 'tile')} compared"
    )
    pinned = "pinned" if seen.is_pinned else "NOT pinned (--registrar)"
    line = f"{_now()[:19]}Z  {seen.origin}: {words}; registrar {seen.registrar}, {pinned}"
    console.print(line + (f"; the same as shown to {', '.join(others)}" if others else ""), markup=False)


def _print_lie(problem: LyingLogProblem, evidence: Path, *, as_json: bool) -> None:
    finding = problem.finding
    try:
        write_durably(evidence, msgspec.json.format(msgspec.json.encode(finding), indent=2) + b"\n")
    except OSError as error:  # evidence is too dear to be lost for want of a folder
        click.echo(f"error: {evidence} cannot be written: {error.strerror}", err=True)
        as_json = True
    if as_json:
        print_json({"result": "faulty", "evidence_file": str(evidence), "finding": finding})
        return
    strength = "conclusive: anybody can check it" if finding.is_conclusive else "as served to this auditor, repeatedly"
    click.echo(f"{clean(f'FAULTY ({finding.kind}): {finding.detail}')}\n  evidence ({strength}): {evidence}", err=True)


async def _follow(
    look: Callable[[], Awaitable[Seen]],
    others: tuple[str, ...],
    *,
    once: bool,
    interval_seconds: float,
    as_json: bool,
) -> None:
    """Look once, or again and again; what is merely not there now is said and tried again."""
    size = -1
    while True:
        try:
            seen = await look()
        except _NOT_NOW as problem:
            if once:
                raise
            print_problem(problem, as_json=as_json)
        else:
            if once or seen.size != size:
                _print_seen(seen, others, as_json=as_json)
            size = seen.size
        if once:
            return
        await asyncio.sleep(interval_seconds)


async def _inherit(
    session: aiohttp.ClientSession, url: str, key: str, predecessors: tuple[str, ...], store: Store
) -> None:
    """Prove the logs that this one continues to their ends, unless that was done before; their states are its first.

    Raises `FaultyLogProblem` where one of them lies, `LogAnswerProblem` where the next does not begin at its end.
    """
    beginning = Beginning(
        [text.replace("=", " ", 1) for text in predecessors],
        lambda address: TileClient(session, address),
        ledger_url=url,
        log_verifier_key=key,
        clock=_now,
    )
    await beginning.reach(store)


async def _show_heir(url: str, key: str, found: OtherEndProblem, evidence: Path, *, as_json: bool) -> bool:
    """Print and keep the evidence against a log that begins elsewhere; False, and words, where it cannot be had."""
    accuser = Accuser(key, _now)
    async with client_session() as session:
        try:
            lie = await accuse_heir(TileClient(session, url), accuser, found)
        except LyingLogProblem as problem:
            lie = problem
        except REFUSALS:
            print_problem(found, as_json=as_json)
            return False
    if not lie.finding.is_conclusive:
        print_problem(found, as_json=as_json)
        return False
    _print_lie(lie, evidence, as_json=as_json)
    return True


def _key_of(evidence: LogEvidence, keys: Sequence[str]) -> str:
    """Return the key of the continued log that evidence is about: the one that signed it, else the last."""
    for key in keys:
        with contextlib.suppress(Problem):
            if evidence.checkpoints and open_checkpoint(evidence.checkpoints[0], parse_vkey(key)):
                return key
    return keys[-1]


async def _look(auditor: Auditor, bars: _Bars, session: aiohttp.ClientSession, others: tuple[str, ...]) -> Seen:
    try:
        return await compared(auditor, session, await auditor.step(), others)
    finally:
        bars.clear()


@click.command()
@click.argument("url")
@click.option("--key", required=True, metavar="VKEY", help="The log's public key, as its operator publishes it.")
@click.option(
    "--predecessor",
    "predecessors",
    metavar="URL=VKEY",
    multiple=True,
    help="A log that this one continues, oldest first: read to its end and proven before.",
)
@click.option("--policy", metavar="FILE", help="Witnesses whose cosignatures you want to see (C2SP tlog-policy).")
@click.option(
    "--registrar",
    "pins",
    metavar="PIN",
    multiple=True,
    help="The registrar's did:key, or the event id of entry 0: the log has to begin so. Of several, one.",
)
@click.option(
    "--compare",
    "others",
    metavar="URL|FILE",
    multiple=True,
    help="What the log showed to another: a verifier's address, one that ends in /checkpoint, or a file.",
)
@click.option("--state", metavar="FOLDER", help="Where to remember what was proven; without it, nothing is.")
@click.option("--again", is_flag=True, help="Read every entry and tile anew, whatever FOLDER remembers of them.")
@click.option("--evidence", metavar="FILE", help="Where to write evidence; default: in FOLDER, or the working folder.")
@click.option("--once", is_flag=True, help="Audit all that the log shows now, and end.")
@click.option("--interval", default=10.0, show_default=True, metavar="SECONDS", help="How often to look.")
@as_json_option
@command
async def audit(
    *,
    url: str,
    key: str,
    predecessors: tuple[str, ...],
    policy: str | None,
    pins: tuple[str, ...],
    others: tuple[str, ...],
    state: str | None,
    evidence: str | None,
    again: bool,
    once: bool,
    interval: float,
    as_json: bool,
) -> None:
    """Audit the log at URL: growth, every entry, signature, rule and tile, trusting its public key alone."""
    with contextlib.ExitStack() as stack:
        folder = Path(state or stack.enter_context(tempfile.TemporaryDirectory(prefix="credentify-audit-")))
        try:
            stack.enter_context(_held(folder))
            kept = AuditState(folder, parse_vkey(key))
            if again:
                kept.forget_projection()
            file = Path(evidence) if evidence else kept.evidence_path if state else EVIDENCE_DEFAULT
            store = Store(kept.projection_path)
            stack.callback(store.close)
            bars = _Bars(is_wanted=not as_json)
            obeyed = read_policy_about(Path(policy) if policy else None, parse_vkey(key))
            async with client_session() as session:
                await _inherit(session, url, key, predecessors, store)
                auditor = Auditor(
                    session,
                    url,
                    verifier_key=key,
                    policy=obeyed,
                    pins=read_pins(pins),
                    state=kept,
                    store=store,
                    clock=_now,
                    progress=bars,
                )
                look = partial(_look, auditor, bars, session, others)
                await _follow(look, others, once=once, interval_seconds=interval, as_json=as_json)
        except LyingLogProblem as problem:
            _print_lie(problem, file, as_json=as_json)
            sys.exit(EXIT_PROBLEM)
        except OtherEndProblem as problem:
            if not await _show_heir(url, key, problem, file, as_json=as_json):
                sys.exit(EXIT_COULD_NOT_AUDIT)
            sys.exit(EXIT_PROBLEM)
        except FaultyLogProblem as problem:
            accused = _key_of(problem.evidence, [text.partition("=")[2] for text in predecessors])
            _print_lie(Accuser(accused, _now).accuse_by(problem.evidence, b""), file, as_json=as_json)
            sys.exit(EXIT_PROBLEM)
        except REFUSALS as problem:
            print_problem(problem, as_json=as_json)
            sys.exit(EXIT_UNKNOWN_RULES if isinstance(problem, UnknownRulesProblem) else EXIT_COULD_NOT_AUDIT)
