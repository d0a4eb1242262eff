"""Whether a database's URL can be read, said without a word of what it holds. Connects to nothing."""

import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from services.operator_fault import OperatorFault

_TLS_FILES = {
    "sslrootcert": ("PGSSLROOTCERT", "root.crt"),
    "sslcert": ("PGSSLCERT", "postgresql.crt"),
    "sslkey": ("PGSSLKEY", "postgresql.key"),
    "sslcrl": ("PGSSLCRL", "root.crl"),
}
"""What a URL calls a file of TLS, libpq's variable for it, and its name in the folder `.postgresql` under HOME."""
SCHEMES = frozenset({"postgresql", "postgres"})


class DatabaseUrlFault(OperatorFault):
    """The database's URL cannot be read; no part of it is repeated, for it may be the password."""

    title = "The database's URL is wrong"


def checked_url(url: str) -> str:
    """Return a URL that the driver can read; raises `DatabaseUrlFault`, which repeats nothing of it."""
    try:
        parts = urllib.parse.urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
        is_readable = all(_is_host(each) for each in hosts.split(","))
        urllib.parse.parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True) if parts.query else None
    except ValueError:
        is_readable = False
    if not is_readable or parts.fragment or _is_cut_short(parts):
        raise DatabaseUrlFault(
            "The URL cannot be taken apart. In a user's name or a password, write the signs / ? # @ : [ ] % as "
            "%2F %3F %23 %40 %3A %5B %5D %25; the form is postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    if parts.scheme not in SCHEMES:
        raise DatabaseUrlFault("The URL must begin with postgresql://")
    return url


def _is_cut_short(parts: urllib.parse.SplitResult) -> bool:
    """Return whether the sign that ends the account comes after the part that it belongs to."""
    return "@" in parts.path or (bool(parts.netloc) and "@" not in parts.netloc and "@" in parts.query)


def _is_host(text: str) -> bool:
    """Return whether this is `host`, `host:port`, `[::1]:port` or nothing."""
    _, _, port = text.rpartition("]") if text.startswith("[") else text.partition(":")
    port = port.removeprefix(":")
    return not port or (port.isascii() and port.isdecimal())


def unreadable_tls_files(url: str, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return in words which files of TLS, that are named or lie in HOME, the driver cannot read."""
    named = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    home = Path(environ.get("HOME", "~")).expanduser()
    found = []
    for name, (variable, default) in _TLS_FILES.items():
        told = named.get(name) or environ.get(variable)
        path = Path(told) if told else home / ".postgresql" / default
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            if told or not isinstance(error, FileNotFoundError):
                found.append(f"The {name} {path.absolute()} cannot be read: {error.strerror} (HOME is {home})")
    return found
