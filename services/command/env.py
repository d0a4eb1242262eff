"""`credentify env`: the addresses and files of a running `up` as shell variables, for `eval`."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from services.command.home import Addresses, Home, default_folder, read_addresses
from services.command.output import as_json_option, command, print_json, running_data_option
from services.embedded.server import SUPERUSER
from services.issuer_gateway.keys.vault import vault_folder


@click.command()
@running_data_option
@as_json_option
@command
async def env(*, data: Path | None, as_json: bool) -> None:
    """Print addresses, keys, databases and files of a running `up` by the runbook's names: eval "$(credentify env)"."""
    addresses = read_addresses(data or default_folder())
    if as_json:
        print_json(addresses)
        return
    home = Home(Path(addresses.data))
    for name, value in (
        ("LEDGER", addresses.ledger),
        ("GATEWAY", addresses.gateway),
        ("VERIFIER", addresses.verifier),
        ("LOG_VERIFIER_KEY", addresses.log_verifier_key),
        ("REGISTRAR", addresses.registrar),
        ("OPERATOR_TOKEN_FILE", addresses.operator_token_file),
        ("REGISTRAR_KEY_FILE", addresses.registrar_key_file),
        *_databases(addresses),
        ("LOG_KEY_FILE", str(home.path("ledger", "log.key"))),
        ("STATE_FOLDER", str(home.path("ledger"))),
        ("MASTER_KEY_FILE", addresses.master_key_file),
        ("KEY_FOLDER", str(vault_folder(None, Path(addresses.master_key_file)))),
        ("VERIFIER_FILE", addresses.verifier_file),
    ):
        click.echo(f"export {name}={shlex.quote(value)}")


def _databases(addresses: Addresses) -> Iterator[tuple[str, str]]:
    """Yield the URL of each database, as its owner and as a superuser; its socket asks nobody for a password."""
    for name, url in (("LEDGER", addresses.ledger_database), ("GATEWAY", addresses.gateway_database)):
        scheme, _, place = url.partition("://")
        at = place.partition("@")[2]
        yield f"{name}_OWNER_URL", f"{scheme}://{name.lower()}_owner@{at}"
        yield f"{name}_ADMIN_URL", f"{scheme}://{SUPERUSER}@{at}"
