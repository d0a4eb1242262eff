"""How our clients open connections: through the proxy that the environment names, to this machine itself directly."""

import ipaddress
from typing import Any
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from aiohttp.typedefs import LooseHeaders
from yarl import URL

HTTP_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
"""All that a request raises where the other side, or the way to it, fails: what became of the request is not known."""


class ProxiedRequest(aiohttp.ClientRequest):
    """A request that goes through the proxy of `HTTP_PROXY` or `HTTPS_PROXY`, but for `NO_PROXY` and this machine.

    aiohttp's own way (`trust_env`) would also send what `~/.netrc` holds, and the services of `credentify up` through
    the proxy.
    """

    def update_proxy(
        self, proxy: URL | None, proxy_auth: aiohttp.BasicAuth | None, proxy_headers: LooseHeaders | None
    ) -> None:
        """Choose the proxy, unless the caller has."""
        if proxy is None:
            proxy = proxy_for(self.url)
        super().update_proxy(proxy, proxy_auth, proxy_headers)


def client_session(**settings: Any) -> aiohttp.ClientSession:
    """Return a session that honours `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; `settings` are `ClientSession`'s."""
    if getproxies_environment().keys() & {"http", "https"}:
        settings["request_class"] = ProxiedRequest
    return aiohttp.ClientSession(**settings)


def proxy_for(url: URL) -> URL | None:
    """Return the proxy for an address, with the name and password that it asks for, or None."""
    named = getproxies_environment().get(url.scheme)
    if not named or is_loopback(url.host or "") or proxy_bypass(f"{url.host}:{url.port}"):
        return None
    return URL(named if "://" in named else f"http://{named}")


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
