"""How the registrar's commands sign an event with a key file, and submit it or write it to a file. Says nothing itself.

Nothing is kept here but the file of --out: after a crash the log alone shows whether an event came to it.
"""

from pathlib import Path
from typing import Any

import click
import msgspec

from proto import events
from proto.ids import Did, Origin
from proto.wire.ledger import Appended
from services.clients.http_session import client_session
from services.clients.log_client import LogClient
from services.command.output import as_json_option, console, print_json
from services.command.speaker import Speaker
from services.command.submit import submit

DEFAULT_LEDGER = "http://127.0.0.1:8101"
FILE = click.Path(path_type=Path, dir_okay=False)


async def origin_of(ledger: str) -> Origin:
    """Return the origin that the ledger at this address says it has."""
    async with client_session() as session:
        return (await LogClient(session, ledger).log()).origin


async def rules_version_of(ledger: str) -> int:
    """Return the version of the rules that would judge the next entry."""
    async with client_session() as session:
        return (await LogClient(session, ledger).log()).rules_version


def signing_options(function: Any) -> Any:
    """The options that every signing command has."""
    for option in (
        as_json_option,
        click.option("--did", help="The registrar's DID, where --key is not its first key."),
        click.option("--origin", help="The log's origin; asked from the ledger if left out."),
        click.option("--out", type=FILE, help="Write the signed envelope here instead of submitting it."),
        click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address."),
        click.option("--key", "key_path", type=FILE, required=True, help="The registrar's key file."),
    ):
        function = option(function)
    return function


def confirm_for_good(what: str, *, yes: bool, as_json: bool) -> None:
    """Ask before something is signed that nobody can take back."""
    if not (yes or as_json):
        click.confirm(f"{what} Nothing takes this back. Sign it?", abort=True)


yes_option = click.option("--yes", is_flag=True, help="Do not ask before signing.")


async def sign_and_submit(kind: type[events.EventBase], options: dict[str, Any], **fields: Any) -> None:
    """Sign one event and submit it, or write it to a file."""
    origin = Origin(options["origin"] or await origin_of(options["ledger"]))
    did = Did(options["did"]) if options["did"] else None
    envelope = Speaker.from_file(options["key_path"], origin, did=did).say(kind, **fields)
    if options["out"]:
        options["out"].write_bytes(msgspec.json.encode(envelope) + b"\n")
        console.print(f"signed {kind.__struct_config__.tag}: {options['out']}")
        return
    print_appended(str(kind.__struct_config__.tag), await submit(options["ledger"], envelope), options["as_json"])


def print_appended(what: str, appended: Appended, as_json: bool) -> None:
    """Print where an event stands now."""
    if as_json:
        print_json(appended)
    else:
        console.print(f"{what}: entry {appended.index}, received {appended.received_at}, event {appended.event_id}")
