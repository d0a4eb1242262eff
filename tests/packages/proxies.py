"""nginx and Caddy with the project's own examples, on ports of the test, with a certificate of the test."""

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from tests.packages.conftest import ROOT, run
from tests.support.ports import free_port

EXAMPLES = ROOT / "deploy" / "proxy"
NAMES = ("log.example.org", "issuer.example.org", "verify.example.org", "example.org")
SECONDS_MAX = 120.0
_MAIN = """daemon off; {user} pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; include {folder}/credentify.conf; }}
"""


class Certificate(msgspec.Struct, frozen=True):
    """A certificate that signs itself, for all names of the examples."""

    chain: Path
    key: Path

    @classmethod
    def made(cls, folder: Path) -> "Certificate":
        """Make one in a folder."""
        chain, key = folder / "fullchain.pem", folder / "privkey.pem"
        names = ",".join(f"DNS:{name}" for name in NAMES)
        options = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        said = ("-subj", "/CN=example.org", "-addext", f"subjectAltName={names}")
        run(["openssl", "req", *options, "-keyout", key, "-out", chain, *said])
        return cls(chain, key)

    def trusted(self) -> ssl.SSLContext:
        """Return what a client trusts: this one alone."""
        return ssl.create_default_context(cafile=str(self.chain))


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return this machine's address."""
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


class Proxied(msgspec.Struct, frozen=True):
    """A proxy that runs: its port of TLS and of plain HTTP, and a client that trusts it."""

    https_port: int
    http_port: int
    client: aiohttp.ClientSession
    certificate: Certificate

    def url(self, name: str, path: str) -> URL:
        """Return an address behind the proxy, exactly as it is written."""
        return URL(f"https://{name}:{self.https_port}{path}", encoded=True)

    def protocol(self) -> str | None:
        """Return which protocol the proxy chooses of HTTP/2 and HTTP/1.1."""
        context = self.certificate.trusted()
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", self.https_port)) as plain,
            context.wrap_socket(plain, server_hostname=NAMES[0]) as opened,
        ):
            return opened.selected_alpn_protocol()


@contextlib.asynccontextmanager
async def proxied(kind: str, folder: Path, services: Mapping[int, int]) -> AsyncIterator[Proxied]:
    """Run the example of a kind in front of services, whose usual ports lie where `services` says."""
    https_port, http_port = free_port(), free_port()
    certificate = Certificate.made(folder)
    text = (EXAMPLES / {"nginx": "nginx.conf", "caddy": "Caddyfile"}[kind]).read_text()
    for usual, port in services.items():
        text = text.replace(f"127.0.0.1:{usual}", f"127.0.0.1:{port}")
    write = _write_nginx if kind == "nginx" else _write_caddy
    command = write(folder, text, certificate, https_port, http_port)
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "said").open("wb") as said:
        process = await asyncio.create_subprocess_exec(*command, stdout=said, stderr=said, env=environment)
    connector = aiohttp.TCPConnector(ssl=certificate.trusted(), resolver=Here())
    timeout = aiohttp.ClientTimeout(total=SECONDS_MAX)
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as client:
            await _listens(process, https_port, folder)
            yield Proxied(https_port, http_port, client, certificate)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _write_nginx(folder: Path, text: str, made: Certificate, https_port: int, http_port: int) -> list[str]:
    text = text.replace("listen 443 ssl", f"listen 127.0.0.1:{https_port} ssl")
    text = text.replace("listen 80 default_server", f"listen 127.0.0.1:{http_port} default_server")
    text = text.replace("/etc/credentify/tls", str(made.chain.parent))
    (folder / "credentify.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "main.conf").write_text(_MAIN.format(user=user, folder=folder))
    return ["nginx", "-c", str(folder / "main.conf"), "-p", str(folder), "-e", str(folder / "error.log")]


def _write_caddy(folder: Path, text: str, made: Certificate, https_port: int, http_port: int) -> list[str]:
    text = re.sub(
        r"^([\w.]+example\.org|example\.org) \{",
        rf"\1:{https_port} {{\n\ttls {made.chain} {made.key}",
        text,
        flags=re.MULTILINE,
    )
    text = text.replace(
        "\tadmin off\n", f"\tadmin off\n\thttp_port {http_port}\n\thttps_port {https_port}\n\tskip_install_trust\n", 1
    )
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


async def _listens(process: asyncio.subprocess.Process, port: int, folder: Path) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            if process.returncode is not None:
                raise AssertionError((folder / "said").read_text())
            await asyncio.sleep(0.05)
