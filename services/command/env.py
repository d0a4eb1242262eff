"""`credentify env`: the addresses and files of a running `up` as shell variables, for `eval`."""

import shlex
from pathlib import Path

import click

from services.command.home import default_folder, read_addresses
from services.command.output import as_json_option, command, print_json, running_data_option


@click.command()
@running_data_option
@as_json_option
@command
async def env(*, data: Path | None, as_json: bool) -> None:
    """Print addresses, the log's key, the registrar and the files of a running `up`: eval "$(credentify env)"."""
    addresses = read_addresses(data or default_folder())
    if as_json:
        print_json(addresses)
        return
    for name, value in (
        ("LEDGER", addresses.ledger),
        ("GATEWAY", addresses.gateway),
        ("VERIFIER", addresses.verifier),
        ("LOG_VERIFIER_KEY", addresses.log_verifier_key),
        ("REGISTRAR", addresses.registrar),
        ("OPERATOR_TOKEN_FILE", addresses.operator_token_file),
        ("REGISTRAR_KEY_FILE", addresses.registrar_key_file),
    ):
        click.echo(f"export {name}={shlex.quote(value)}")
