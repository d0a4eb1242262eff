"""What commands share that speak for an institution: its key, a client with it, and what became of an event."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import click

from proto.problem import InvalidProblem
from proto.wire.gateway import EventAnswer
from services.clients.gateway import GatewayClient
from services.clients.http_session import client_session
from services.command.output import console, print_json

_TOKEN = re.compile(rb"[\x21-\x7e]{1,512}")

institution_key_option = click.option(
    "--api-key-file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the institution's API key.",
)


@contextlib.asynccontextmanager
async def gateway_client(gateway: str, key_file: Path) -> AsyncIterator[GatewayClient]:
    """Hold a client of the gateway with the API key, or the operator's token, in a file; raises `InvalidProblem`."""
    found = _TOKEN.fullmatch(key_file.read_bytes().strip())
    if found is None:
        raise InvalidProblem(f"{key_file} holds no key: name a file that holds the key alone, on one line")
    async with client_session() as session:
        yield GatewayClient(session, gateway, token=found[0].decode())


def print_event(what: str, answer: EventAnswer, *, as_json: bool) -> None:
    """Print that an event was said, and whether it is on the log yet."""
    if as_json:
        print_json(answer)
        return
    place = "on its way to the log" if answer.index is None else f"entry {answer.index} of the log"
    console.print(f"{what}: event {answer.event_id}, {place}", markup=False)
