"""Secret links of the gateway, as the command is given them: their address and secret. Asks nobody."""

import re

import click

from proto.problem import InvalidProblem

_LINK = re.compile(r"(https?://\S+)/(requests|claims|applications)/(cf[arc]_[A-Za-z0-9_-]{43})")

gateway_option = click.option(
    "--gateway", required=True, envvar="GATEWAY", metavar="URL", help="Base URL of the issuer gateway."
)


def read_link(link: str, kind: str) -> tuple[str, str]:
    """Return the gateway's base URL and the secret of a link to `kind`; raises `InvalidProblem`."""
    found = _LINK.fullmatch(link.strip())
    if found is None or found[2] != kind:
        raise InvalidProblem(f"This is no link to {kind}: https://…/{kind}/… is, copied whole")
    return found[1], found[3]
