"""`credentify demo`: runs the walk of the demo and shows what came of it. Sends nothing itself."""

from pathlib import Path

import click
from rich.table import Table

from proto.problem import NotFoundProblem
from services.clients.http_session import client_session
from services.command.demo_files import LeftToTry
from services.command.demo_walk import EXAMPLES, Demo, Say
from services.command.home import Addresses, default_folder, read_addresses
from services.command.output import as_json_option, command, console, print_json, running_data_option


async def run_demo(addresses: Addresses, *, say: Say, as_json: bool) -> LeftToTry:
    """Run the demo, print its table and `demo: ok`, and return what is left to try.

    Raises a problem where something is not as it should be.
    """
    if not EXAMPLES.is_dir():
        raise NotFoundProblem(f"The example files are not at {EXAMPLES}: run from a clone of the repository")
    async with client_session() as session:
        demo = Demo(addresses, session, say=say)
        rows = await demo.run()
    assert demo.left is not None, "a run leaves something"
    if as_json:
        print_json({"demo": "ok", "rows": rows, "left": demo.left})
        return demo.left
    table = Table("step", "what", "answer", box=None, pad_edge=False)
    for row in rows:
        table.add_row(row.step, row.what, row.answer)
    console.print(table)
    say("demo: ok")
    return demo.left


@click.command()
@running_data_option
@as_json_option
@command
async def demo(*, data: Path | None, as_json: bool) -> None:
    """Run the main job against the services that `credentify up` started on the same data folder."""
    say: Say = (
        (lambda text: click.echo(text, err=True)) if as_json else (lambda text: console.print(text, markup=False))
    )
    left = await run_demo(read_addresses(data or default_folder()), say=say, as_json=as_json)
    if not as_json:
        for line in left.lines():
            say(line)
