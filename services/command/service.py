"""`credentify ledger|gateway|verifier`: one service alone, configured by its environment, for production."""

import os
import sys

import click

from proto.problem import Problem
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json, print_problem
from services.settings import load_settings


@click.group(invoke_without_command=True)
@click.pass_context
def ledger(context: click.Context) -> None:
    """Run the ledger alone, configured by CREDENTIFY_LEDGER_…; or create its log with `init`."""
    if context.invoked_subcommand is not None:
        return
    from services.ledger import app, config  # noqa: PLC0415 - one service's command does not import the others

    with _problems_end():
        app.run(load_settings(config.Config, config.SETTINGS_PREFIX, os.environ))


@ledger.command("init")
@click.option("--opening", type=click.File("rb"), required=True, help="The envelope of `registrar open-log`.")
@as_json_option
@command
async def init_command(*, opening: click.File, as_json: bool) -> None:
    """Create the log once, from the opening that the registrar signed; makes the log's own key if there is none."""
    from services.ledger import config  # noqa: PLC0415 - the same
    from services.ledger.opening import init_log  # noqa: PLC0415 - the same

    settings = load_settings(config.Config, config.SETTINGS_PREFIX, os.environ)
    created = await init_log(settings, opening.read())  # type: ignore[attr-defined] # click gives the open file
    if as_json:
        print_json(created)
        return
    console.print(f"log opened      {created.origin}")
    console.print(f"verifier key    {created.verifier_key}", soft_wrap=True)


@click.command()
def gateway() -> None:
    """Run the issuer gateway alone, configured by CREDENTIFY_GATEWAY_…."""
    from services.issuer_gateway import app, config  # noqa: PLC0415 - the same

    with _problems_end():
        app.run(load_settings(config.Config, config.PREFIX, os.environ))


@click.command()
def verifier() -> None:
    """Run the verifier alone, configured by CREDENTIFY_VERIFIER_…."""
    from services.verifier import app, config  # noqa: PLC0415 - the same

    with _problems_end():
        app.run(load_settings(config.Config, config.SETTINGS_PREFIX, os.environ))


class _problems_end:  # noqa: N801 - used as a word: with _problems_end()
    """End the process with words and status 1 where a service cannot start."""

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> None:
        if isinstance(problem, Problem):
            print_problem(problem, as_json=False)
            sys.exit(EXIT_PROBLEM)
