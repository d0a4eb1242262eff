"""`credentify ledger|gateway|verifier`: one service alone, configured by its environment, for production."""

import os
import sys
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.clients.tile_client import TileClient
from services.command.output import as_json_option, command, console, print_json
from services.command.speaker import now
from services.edge.log import Log
from services.settings import load_settings, service_links

_Config = TypeVar("_Config", bound=msgspec.Struct)


@click.group(invoke_without_command=True)
@click.pass_context
def ledger(context: click.Context) -> None:
    """Run the ledger alone, configured by CREDENTIFY_LEDGER_…; or create its log with `init`."""
    if context.invoked_subcommand is not None:
        return
    from services.ledger import app, config  # noqa: PLC0415 - one service's command does not import the others

    app.run(_settings("ledger", config.Config, config.SETTINGS_PREFIX))


@ledger.command("init")
@click.option("--opening", type=click.File("rb"), required=True, help="The envelope of `registrar open-log`.")
@click.option(
    "--predecessor-log", multiple=True, help="Address of the frozen log that the opening continues; older ones first."
)
@click.option("--predecessor-key", multiple=True, help="The verifier key of that log.")
@as_json_option
@command
async def init_command(
    *, opening: click.File, predecessor_log: tuple[str, ...], predecessor_key: tuple[str, ...], as_json: bool
) -> None:
    """Create the log once, from the opening that the registrar signed; makes the log's own key if there is none.

    A log that continues another begins with that one's final state, replayed and proven from its address.
    """
    from services.follow import PredecessorLog  # noqa: PLC0415 - the same
    from services.ledger import config  # noqa: PLC0415 - the same
    from services.ledger.succession.opening import init_log  # noqa: PLC0415 - the same

    if len(predecessor_log) != len(predecessor_key):
        raise InvalidProblem("--predecessor-log and --predecessor-key belong together")
    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    data = opening.read()  # type: ignore[attr-defined] # click gives the open file
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
    from services.ledger import config  # noqa: PLC0415 - the same
    from services.ledger.publishing.freezing import freeze  # noqa: PLC0415 - the same

    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    if not yes:
        click.confirm("Nothing can be appended to this log ever again. Freeze it?", abort=True)
    last = await freeze(settings, successor=successor, wait_seconds=wait_seconds)
    if out:
        out.write_bytes(last.note)
        console.print(f"frozen at {last.size} entries; the last checkpoint is in {out}")
    else:
        click.echo(last.note.decode(), nl=False)


@ledger.command("recover")
@click.option("--from", "source", required=True, help="A mirror: folder, s3://BUCKET/FOLDER, or an address (http…).")
@as_json_option
@command
async def recover_command(*, source: str, as_json: bool) -> None:
    """Bring back entries that the log has signed and its database has lost; stop the ledger before."""
    from services.command.tile_source import open_source  # noqa: PLC0415 - the same
    from services.ledger import config  # noqa: PLC0415 - the same
    from services.ledger.succession.recovery import recover  # noqa: PLC0415 - the same

    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    async with open_source(source) as opened:
        done = await recover(settings, opened, now=now())
    if as_json:
        print_json(done)
    else:
        console.print(f"the database had {done.size_before} entries and has {done.size}; start the ledger now")


@click.command()
def gateway() -> None:
    """Run the issuer gateway alone, configured by CREDENTIFY_GATEWAY_…."""
    from services.issuer_gateway import app, config  # noqa: PLC0415 - the same

    app.run(_settings("gateway", config.Config, config.PREFIX))


@click.command()
def verifier() -> None:
    """Run the verifier alone, configured by CREDENTIFY_VERIFIER_…."""
    from services.verifier import app, config  # noqa: PLC0415 - one service's command does not import the others
    from services.verifier.processes import supervisor  # noqa: PLC0415 - the same

    settings = _settings("verifier", config.Config, config.SETTINGS_PREFIX)
    (supervisor if settings.workers > 1 else app).run(settings)


def _settings(service: str, kind: type[_Config], prefix: str) -> _Config:
    """Return a service's settings, saying once which variables were left aside as Kubernetes' own."""
    settings = load_settings(kind, prefix, os.environ)
    if links := sorted(name for name in service_links(os.environ) if name.startswith(prefix)):
        words = "Kubernetes set these for a service of that name; `enableServiceLinks: false` leaves them out"
        Log(service, sys.stdout.buffer).warning("service_links_ignored", variables=links, words=words)
    return settings
