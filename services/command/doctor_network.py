"""What `credentify doctor` asks over HTTP: the service itself, the log that it follows, its name in the world."""

from collections.abc import AsyncIterator
from importlib.metadata import version

import aiohttp
from yarl import URL

from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.number_words import number_of_entries
from proto.problem import Problem
from services.clients.http_session import is_loopback, proxy_for
from services.command.doctor_findings import About, Config, Diagnosis
from services.command.doctor_http import HTTP_OK, HttpAnswer, asked
from services.command.doctor_port import listening
from services.issuer_gateway.config import Config as GatewayConfig
from services.verifier.config import Config as VerifierConfig

_CLOCK_SECONDS_MAX = 5.0


async def network(service: str, config: Config, session: aiohttp.ClientSession, livez: str) -> AsyncIterator[Diagnosis]:
    """Yield what is found over the network; `livez` is where the service itself says that it lives."""
    yield await _itself(service, config, session, livez)
    if isinstance(config, GatewayConfig | VerifierConfig):
        async for finding in _log(service, config, session):
            yield finding
    if isinstance(config, GatewayConfig):
        yield await _public(config, session)


async def _itself(service: str, config: Config, session: aiohttp.ClientSession, livez: str) -> Diagnosis:
    """Ask the service of this environment whether it is there and ready."""
    about, url = About(service, "service"), livez.removesuffix("/livez")
    if (hindrance := await listening(service, config, await asked(session, livez), url)) is not None:
        return hindrance
    found = await asked(session, url + "/readyz")
    if found.fault or found.status != HTTP_OK:
        return about.bad(f"it is not ready: {found.fault or _detail(found)}", "See RUNBOOK.md for what it says")
    return about.good(f"it runs at {url} and is ready")


def _detail(found: HttpAnswer) -> str:
    return found.body.decode("utf-8", "replace")[:300]


async def _log(
    service: str, config: GatewayConfig | VerifierConfig, session: aiohttp.ClientSession
) -> AsyncIterator[Diagnosis]:
    """Ask the log for its checkpoint, and hold signature, clock and version against ours."""
    about = About(service, "log")
    proxy = proxy_for(URL(config.ledger_url))
    through = f" (through the proxy {proxy.host})" if proxy else ""
    found = await asked(session, config.ledger_url.rstrip("/") + "/checkpoint")
    if found.fault or found.status != HTTP_OK:
        said = found.fault or f"status {found.status}"
        todo = (
            "Start the ledger, correct …_LEDGER_URL, or name its host in NO_PROXY"
            if proxy
            else ("Start the ledger, correct …_LEDGER_URL, or let the firewall through")
        )
        yield about.bad(f"{config.ledger_url} does not show a checkpoint{through}: {said}", todo)
        return
    try:
        opened = open_checkpoint(found.body, parse_vkey(config.log_verifier_key))
    except Problem as problem:
        yield about.bad(problem.detail, "Correct …_LOG_VERIFIER_KEY: `ledger init` printed it, and /v1/log shows it")
        return
    yield about.good(f"{opened.checkpoint.origin} shows {number_of_entries(opened.checkpoint.size)}, signed{through}")
    if abs(found.ahead_seconds) > _CLOCK_SECONDS_MAX:
        words = f"the ledger's is {found.ahead_seconds:+.0f} s against this machine's"
        yield About(service, "clocks").bad(words, "Let both machines follow one time (chrony, systemd-timesyncd)")
    yield await _version(service, config.ledger_url, session)
    if not config.registrar:
        yield About(service, "pin").note("no registrar is pinned", "Set …_REGISTRAR to what the registrar publishes")


async def _version(service: str, ledger_url: str, session: aiohttp.ClientSession) -> Diagnosis:
    about, own = About(service, "version"), version("credentify")
    found = await asked(session, ledger_url.rstrip("/") + "/livez")
    other = found.body.decode("utf-8", "replace").partition('"version":"')[2].partition('"')[0]
    if other and other != own:
        return about.note(f"this is {own}, the ledger {other}", "Bring both to one version")
    return about.good(f"{own}, as the ledger" if other else own)


async def _public(config: GatewayConfig, session: aiohttp.ClientSession) -> Diagnosis:
    """Ask the gateway by the name that documents have: status lists and links stand there for years."""
    about, url = About("gateway", "public_url"), URL(config.public_url)
    found = await asked(session, config.public_url.rstrip("/") + "/livez")
    if found.fault or found.status != HTTP_OK:
        said = found.fault or f"status {found.status}"
        return about.note(f"{url} does not lead here: {said}", "Let DNS, proxy and certificate lead to the gateway")
    if is_loopback(url.host or ""):
        return about.note(f"{url} is this machine's own name", "Documents name it for good: set a name of the world")
    if url.scheme != "https":
        return about.note(f"{url} is not encrypted", "Put a proxy with TLS before it, and say https")
    return about.good(f"{url} leads here")
