"""`credentify ledger`: the ledger alone, configured by its environment; `init`, `freeze` and `recover` of its log."""

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

import click

from proto.number_words import number_of_entries
from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.clients.tile_client import TileClient
from services.command.installation import stopped_ledger
from services.command.output import as_json_option, command, console, print_json
from services.command.service_settings import service_settings
from services.command.speaker import now
from services.command.tile_source import open_source
from services.follow import PredecessorLog
from services.ledger import app, config
from services.ledger.publishing.freezing import freeze
from services.ledger.succession.opening import init_log
from services.ledger.succession.recovery import recover
from services.settings import load_settings


@click.group(invoke_without_command=True)
@click.pass_context
def ledger(context: click.Context) -> None:
    """Run the ledger alone, configured by CREDENTIFY_LEDGER_…; or create its log with `init`."""
    if context.invoked_subcommand is not None:
        return
    app.run(service_settings("ledger", config.Config, config.SETTINGS_PREFIX))


@ledger.command("init")
@click.option("--opening", type=click.File("rb"), required=True, help="The envelope of `registrar open-log`.")
@click.option(
    "--predecessor-log", multiple=True, help="Address of the frozen log that the opening continues; older ones first."
)
@click.option("--predecessor-key", multiple=True, help="The verifier key of that log.")
@as_json_option
@command
async def init_command(
    *, opening: BinaryIO, predecessor_log: tuple[str, ...], predecessor_key: tuple[str, ...], as_json: bool
) -> None:
    """Create the log once, from the opening that the registrar signed; makes the log's own key if there is none.

    A log that continues another begins with that one's final state, replayed and proven from its address.
    """
    if len(predecessor_log) != len(predecessor_key):
        raise InvalidProblem("--predecessor-log and --predecessor-key belong together")
    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    data = opening.read()
    async with client_session() as session:
        before = [
            PredecessorLog(client=TileClient(session, url), verifier_key=key)
            for url, key in zip(predecessor_log, predecessor_key, strict=True)
        ]
        created = await init_log(settings, data, before)
    if as_json:
        print_json(created)
        return
    console.print(f"log opened      {created.origin}")
    console.print(f"verifier key    {created.verifier_key}", soft_wrap=True)


@ledger.command("freeze")
@click.option("--successor", help="Where the log goes on, for those who still send: an address, a sentence.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the last checkpoint here.")
@click.option("--wait-seconds", type=float, default=60.0, show_default=True, help="For the signer, at most.")
@click.option("--yes", is_flag=True, help="Do not ask: there is no way back.")
@command
async def freeze_command(*, successor: str | None, out: Path | None, wait_seconds: float, yes: bool) -> None:
    """Take no more events, for ever, and print the last checkpoint; run again to name the successor."""
    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    if not yes:
        click.confirm("Nothing can be appended to this log ever again. Freeze it?", abort=True)
    last = await freeze(settings, successor=successor, wait_seconds=wait_seconds)
    if out:
        out.write_bytes(last.note)
        console.print(f"frozen at {number_of_entries(last.size)}; the last checkpoint is in {out}")
    else:
        click.echo(last.note.decode(), nl=False)


@ledger.command("recover")
@click.option("--from", "source", required=True, help="A mirror: folder, s3://BUCKET/FOLDER, or an address (http…).")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Data folder of a stopped `up`.")
@as_json_option
@command
async def recover_command(*, source: str, data: Path | None, as_json: bool) -> None:
    """Bring back entries that the log has signed and its database has lost; stop the ledger before.

    The ledger is that of CREDENTIFY_LEDGER_…, or with --data that of `credentify up`, whose database runs meanwhile.
    """
    async with contextlib.AsyncExitStack() as stack:
        settings = (
            await stack.enter_async_context(stopped_ledger(data))
            if data is not None
            else load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
        )
        opened = await stack.enter_async_context(open_source(source))
        done = await recover(settings, opened, now=now())
    if as_json:
        print_json(done)
        return
    start = "credentify up" if data is not None else "the ledger"
    console.print(f"the database had {number_of_entries(done.size_before)} and has {done.size}; start {start} now")
