"""Secret links of the gateway, as the command is given them: their address and secret, and a client with them."""

import contextlib
import re
from collections.abc import AsyncIterator

import click

from proto.problem import InvalidProblem
from services.clients.gateway import GatewayClient
from services.clients.http_session import client_session

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


@contextlib.asynccontextmanager
async def client_of_link(link: str, kind: str) -> AsyncIterator[tuple[GatewayClient, str]]:
    """Hold a client of the gateway that a link leads to, and the link's secret; raises `InvalidProblem`."""
    url, secret = read_link(link, kind)
    async with client_session() as session:
        yield GatewayClient(session, url), secret
