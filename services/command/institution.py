"""What commands share that speak for an institution: its key, and what became of an event. Asks nobody."""

from pathlib import Path

import click

from proto.wire.gateway import EventAnswer
from services.command.output import console, print_json

institution_key_option = click.option(
    "--api-key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the institution's API key.",
)


def print_event(what: str, answer: EventAnswer, *, as_json: bool) -> None:
    """Print that an event was said, and whether it is on the log yet."""
    if as_json:
        print_json(answer)
        return
    place = "on its way to the log" if answer.index is None else f"entry {answer.index} of the log"
    console.print(f"{what}: event {answer.event_id}, {place}", markup=False)
