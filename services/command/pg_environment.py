"""From a database's URL to the environment that libpq's programs read. Starts none, and writes nothing to a disk.

The environment of a process is seen by its own user alone; its command line is seen by everybody.
"""

import os
import urllib.parse
from collections.abc import Mapping

from proto.problem import Problem
from services.persistence.postgres_url import checked_url

VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "database": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "krbsrvname": "PGKRBSRVNAME",
    "gsslib": "PGGSSLIB",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "options": "PGOPTIONS",
}
"""What a URL may say, and libpq's variable for it (PostgreSQL manual, 34.15). Others are settings of the server."""
_TLS_ONLY = frozenset({"PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL"})
_TLS_MODES = frozenset({"require", "verify-ca", "verify-full"})
_PORT = "5432"
CONNECT_SECONDS = "30"


class EnvironmentProblem(Problem):
    """The URL says something that libpq's programs can be told on their command line only."""

    slug = "postgres-environment"
    title = "The database's URL cannot be handed on"
    status = 500


def libpq_environment(url: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return `environ` with the variables of libpq that lead to the database of a URL, as our own driver reads it.

    What the URL leaves out, such as the password, is taken from the variables that are set (PGPASSWORD, PGPASSFILE, …).
    Raises `DatabaseUrlFault`, and `EnvironmentProblem` for what has no variable.
    """
    said = _said(url)
    if "sslpassword" in said:
        raise EnvironmentProblem("A TLS key with a passphrase cannot be used here: name one without, of mode 0600")
    known = set(VARIABLES.values())
    kept = {name: value for name, value in environ.items() if not name.startswith("PG") or name in known}
    kept.pop("PGOPTIONS", None)
    found = {VARIABLES[name]: value for name, value in said.items() if name in VARIABLES}
    settings = [f"-c {name}={_escaped(value)}" for name, value in said.items() if name not in VARIABLES]
    if settings:
        found["PGOPTIONS"] = " ".join([*filter(None, [found.get("PGOPTIONS")]), *settings])
    return {"PGCONNECT_TIMEOUT": CONNECT_SECONDS} | kept | found | {"LC_ALL": "C"}


def asks_for_tls(environment: Mapping[str, str]) -> bool | None:
    """Return whether this environment insists on TLS, has none, or (None) leaves it to the server.

    A socket of this machine, a path as host, is never under TLS.
    """
    if all(host.startswith("/") for host in environment.get("PGHOST", "/").split(",")):
        return False
    mode = environment.get("PGSSLMODE", "")
    if mode in _TLS_MODES or (not mode and _TLS_ONLY & environment.keys()):
        return True
    return False if mode == "disable" else None


def _said(url: str) -> dict[str, str]:
    """Return all that a URL says, by libpq's names; several hosts and ports are lists with commas, as there."""
    parts = urllib.parse.urlsplit(checked_url(url))
    query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
    account, _, hosts = parts.netloc.rpartition("@")
    user, _, password = account.partition(":")
    named = {"user": user, "password": password, "dbname": parts.path.removeprefix("/")}
    if hosts:
        pairs = [_host_and_port(each) for each in hosts.split(",")]
        named["host"] = ",".join(host for host, _ in pairs)
        if any(port for _, port in pairs):
            named["port"] = ",".join(port or _PORT for _, port in pairs)
    return query | {name: urllib.parse.unquote(value) for name, value in named.items() if value}


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":")
    host, _, port = text.partition(":")
    return host, port


def _escaped(value: str) -> str:
    """Return a value as PGOPTIONS takes it: blanks separate there (PostgreSQL manual, 34.1.2)."""
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
