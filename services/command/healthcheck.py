"""`credentify healthcheck`: asks the services that this environment configures whether they live, for containers.

Exit status 0 if all answer, 1 if one does not, 64 if the environment configures none. It reads no secret.
"""

import ipaddress
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping

import click

from services.command.output import EXIT_PROBLEM, EXIT_USAGE
from services.settings import FILE_ENDING, service_links

_PORTS = {"ledger": 8101, "gateway": 8102, "verifier": 8103}
_NEEDED = {"ledger": "DATABASE_URL", "gateway": "DATABASE_URL", "verifier": "LEDGER_URL"}
"""A setting that each service must have: where it is not there, the service is none of this environment's."""
_SECONDS = 3.0


def addresses(environ: Mapping[str, str]) -> dict[str, str]:
    """Return by service where it listens on this machine, as its settings say."""
    links = service_links(environ)
    found = {}
    for service, port in _PORTS.items():
        given = {
            name.removeprefix(f"CREDENTIFY_{service.upper()}_"): value
            for name, value in environ.items()
            if name.startswith(f"CREDENTIFY_{service.upper()}_") and name not in links
        }
        if any(given.get(_NEEDED[service] + ending) for ending in ("", FILE_ENDING)):
            host = given.get("HOST", "").split(",")[0].strip()
            host = "127.0.0.1" if _is_everywhere(host) else f"[{host}]" if ":" in host else host
            found[service] = f"http://{host}:{given.get('PORT') or port}/livez"
    return found


def _is_everywhere(host: str) -> bool:
    """Tell whether who listens at this host listens at every address, and so at the loopback one."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:  # a name, or nothing, which means everywhere
        return not host


def _trouble(url: str) -> str | None:
    """Return what is wrong with a service at an address, None where it lives; asks no proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS):
            return None
    except (OSError, urllib.error.URLError) as error:
        return str(getattr(error, "reason", error))


@click.command("healthcheck")
def healthcheck() -> None:
    """Ask the services that this environment configures whether they live."""
    asked = addresses(os.environ)
    if not asked:
        click.echo("error: This environment configures no service\n  Run it where CREDENTIFY_… is set", err=True)
        sys.exit(EXIT_USAGE)
    troubles = {service: trouble for service, url in asked.items() if (trouble := _trouble(url)) is not None}
    for service in asked:
        click.echo(f"{service:<10}{troubles.get(service, 'lives')}")
    sys.exit(EXIT_PROBLEM if troubles else 0)
