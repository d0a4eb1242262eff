"""Sockets to listen on: every address that a host name means, of both families, on one port. Accepts nothing."""

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Iterator

from services.edge.problems import ListenFault

_WORDS = {
    errno.EADDRINUSE: "another program already listens there; stop it, or choose another port",
    errno.EACCES: "this user may not listen there; choose a port above 1023",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no addresses of this kind",
}
_EVERY_V4 = str(ipaddress.IPv4Address(0))
_Place = tuple[socket.AddressFamily, str]


@contextlib.contextmanager
def bound_sockets(host: str, port: int, *, reuse_port: bool = False) -> Iterator[list[socket.socket]]:
    """Bind every address of `host`, which may be several divided by commas, and close them when the block ends.

    `::` takes IPv4 too, where the system has both. Port 0 is a free one, the same for all. Raises `ListenFault`.
    """
    with contextlib.ExitStack() as opened:
        found: list[socket.socket] = []
        for family, address in _places(host):
            try:
                made = opened.enter_context(_bound(family, address, port, reuse_port=reuse_port))
            except OSError as error:
                words = _WORDS.get(error.errno or 0, error.strerror or "the system refused")
                raise ListenFault(f"Cannot listen on {address}, port {port}: {words}") from error
            found.append(made)
            port = made.getsockname()[1]
        yield found


def _places(host: str) -> list[_Place]:
    """Return family and address of everything that `host` means, each once, in the order of the names."""
    found: dict[_Place, None] = {}
    for name in host.split(","):
        try:
            infos = socket.getaddrinfo(name.strip() or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            raise ListenFault(f"Cannot listen on {name.strip()}: this name has no address") from error
        found.update({(info[0], str(info[4][0])): None for info in infos})
    both = (socket.AF_INET6, "::")
    return [place for place in found if both not in found or place != (socket.AF_INET, _EVERY_V4)]


def _bound(family: socket.AddressFamily, address: str, port: int, *, reuse_port: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier process may linger
        if reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != "::")
        made.bind((address, port))
    except BaseException:
        made.close()
        raise
    return made
