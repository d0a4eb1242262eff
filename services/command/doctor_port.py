"""What `credentify doctor` finds where a service listens: the service, another program, nobody, or no place for it."""

import asyncio
import errno
import socket
from collections.abc import Iterator

import msgspec

from proto.canonical import DECODE_ERRORS
from services.command.doctor_findings import About, Config, Diagnosis
from services.command.doctor_http import HttpAnswer

_SECONDS = 2.0
_REASONS = {
    errno.EADDRNOTAVAIL: (
        "this machine has no such address",
        "Correct …_HOST: 127.0.0.1 behind a proxy, 0.0.0.0 or :: else",
    ),
    errno.EACCES: ("its user may not listen there", "Choose a …_PORT from 1024 on, and let the proxy have the others"),
}


class _Livez(msgspec.Struct, frozen=True):
    """What a service of ours says at `/livez`."""

    status: str
    service: str
    version: str = ""


async def listening(service: str, config: Config, livez: HttpAnswer, url: str) -> Diagnosis | None:
    """Return what keeps a service from being where its settings say, None where it answers itself.

    `livez` is what the address answered to `/livez`.
    """
    about = About(service, "service")
    if not livez.fault:
        return _as_ours(about, service, livez, url)
    if await _somebody_listens(url):
        found = f"something listens at {url}, and answers nothing that a service would: {livez.fault}"
        return about.bad(found, _away(config))
    for host, reason, todo in _cannot_listen(config):
        return about.bad(f"it cannot listen at {host}, port {config.port}: {reason}", todo)
    return about.note(f"nothing answers at {url}", "Start it, if it should run; its journal says why it does not")


def _as_ours(about: About, service: str, livez: HttpAnswer, url: str) -> Diagnosis | None:
    """Compare who answers with who should."""
    try:
        said = msgspec.json.decode(livez.body, type=_Livez)
    except DECODE_ERRORS:
        return about.bad(f"another program answers at {url}", "End it, or set another …_PORT for the service")
    if said.service != service:
        return about.bad(f"the {said.service} answers at {url}", "Give each service a …_PORT of its own")
    return None


def _away(config: Config) -> str:
    return f"See who has the port (ss -ltnp 'sport = :{config.port}'); end that, or set another …_PORT"


async def _somebody_listens(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _cannot_listen(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield the addresses at which nobody could listen now, each with the reason and what to do; lets go at once."""
    for host in (each.strip() for each in config.host.split(",")):
        try:
            family, kind, protocol, _, place = socket.getaddrinfo(host or None, config.port, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                tried.bind(place)
        except OSError as error:
            reason, todo = _REASONS.get(error.errno or 0, (error.strerror or str(error), _away(config)))
            yield host, reason, todo
