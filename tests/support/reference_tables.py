"""The READMEs' tables of routes and settings, from the code: `python -m tests.support.reference_tables` writes them."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from services.edge import Route
from services.issuer_gateway import config as gateway_config
from services.issuer_gateway.http.routes import make_routes as gateway_routes
from services.ledger import config as ledger_config
from services.ledger.http.routes import make_routes as ledger_routes
from services.settings import describe_settings
from services.verifier import config as verifier_config
from services.verifier.http.routes import make_routes as verifier_routes

ROOT = Path(__file__).resolve().parents[2]
READMES = {
    "ledger": ROOT / "services" / "ledger" / "README.md",
    "gateway": ROOT / "services" / "issuer_gateway" / "README.md",
    "verifier": ROOT / "services" / "verifier" / "README.md",
}
_SETTINGS: dict[str, tuple[type[msgspec.Struct], str]] = {
    "ledger": (ledger_config.Config, ledger_config.SETTINGS_PREFIX),
    "gateway": (gateway_config.Config, gateway_config.PREFIX),
    "verifier": (verifier_config.Config, verifier_config.SETTINGS_PREFIX),
}


def routes_of(service: str) -> Sequence[Route]:
    """Return the route table of a service, made with settings that open nothing."""
    nowhere = Path("nowhere")
    if service == "ledger":
        return ledger_routes(ledger_config.Config(database_url="postgresql://"))
    if service == "verifier":
        return verifier_routes(
            verifier_config.Config(ledger_url="http://localhost", log_verifier_key="", database_file=nowhere)
        )
    return gateway_routes(
        gateway_config.Config(
            public_url="http://localhost",
            database_url="postgresql://",
            ledger_url="http://localhost",
            log_verifier_key="",
            master_key_file=nowhere,
            operator_token_file=nowhere,
        )
    )


def _routes(service: str) -> Iterator[str]:
    yield "| route | what it does |"
    yield "|---|---|"
    for route in routes_of(service):
        yield f"| `{route.method} {route.path}` | {route.summary} |"


def _again(service: str) -> Iterator[str]:
    yield "| route | the same request again |"
    yield "|---|---|"
    for route in writing_routes(service):
        yield f"| `{route.method} {route.path}` | {sent_again(route)} |"


def writing_routes(service: str) -> list[Route]:
    """Return the routes of a service by which somebody may change something."""
    return [route for route in routes_of(service) if route.method != "GET"]


def sent_again(route: Route) -> str:
    """Return what a route does with a request that it was sent before; "" where it does not say."""
    if route.idempotency is None:
        return route.again
    required = ", which is required" if route.idempotency == "required" else ""
    return f"with the same `Idempotency-Key`{required}: the answer of then"


def _settings(service: str) -> Iterator[str]:
    kind, prefix = _SETTINGS[service]
    yield "| setting | default | what it means |"
    yield "|---|---|---|"
    for name, _, default, description in describe_settings(kind, prefix):
        yield f"| `{name}` | {default} | {description} |"


def with_tables(service: str, text: str) -> str:
    """Return a README's text with every table between its markers as the code has it now."""
    tables = {"routes": _routes, "settings": _settings} | ({"again": _again} if service == "gateway" else {})
    for kind, lines in ((kind, made(service)) for kind, made in tables.items()):
        begin, end = f"<!-- {kind}: {service} -->", f"<!-- end of {kind}: {service} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        assert pattern.search(text), f"the README has no place for {begin}"
        before, after = pattern.split(text, maxsplit=1)
        text = before + "\n".join([begin, *lines, end]) + after
    return text


if __name__ == "__main__":
    for name, path in READMES.items():
        path.write_text(with_tables(name, path.read_text(encoding="utf-8")), encoding="utf-8")
