"""What a service's own machine has left for it: room on its disks, how old its secrets are, how long certificates hold.

All of it is looked at in threads, from time to time: a disk or an address that hangs makes no request wait. What could
not be looked at has no sample, which an alarm can see; it is never shown as good.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography import x509
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.edge.secret_ages import SecretAges, memory_of

LOOK_SECONDS = 10.0
OLD_SECONDS = 60.0
"""What was not looked at for so long is not shown: the disk hangs."""
CERTIFICATES_SECONDS = 3_600.0
CERTIFICATE_RETRY_SECONDS = 60.0
_ANSWER_SECONDS = 5.0
_WRITTEN = ("database_file", "witness_memory_file")
_SECRETS = ("_key_file", "_token_file", "api_keys_file")
_READ_ONLY = ("font_folder",)


class Room(msgspec.Struct, frozen=True):
    """Bytes of the file system that holds a place: what an ordinary user may still write, and all of it."""

    free: int
    size: int


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, each under the name of its setting: places, files of secrets, addresses under TLS."""

    places: Mapping[str, Path]
    secrets: Mapping[str, Path]
    addresses: Mapping[str, str]


def watched_by_settings(config: msgspec.Struct, **more: Path) -> Watched:
    """Return what the settings of a service name; `more` are places that follow from settings which are not set."""
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    paths = {name: value for name, value in values.items() if isinstance(value, Path)} | more
    return Watched(
        places={
            name: path
            for name, path in paths.items()
            if (name.endswith("_folder") and name not in _READ_ONLY) or name in _WRITTEN
        },
        secrets={name: path for name, path in paths.items() if name.endswith(_SECRETS)},
        addresses={
            name: value
            for name, value in values.items()
            if name.endswith("_url") and isinstance(value, str) and value.startswith("https://")
        },
    )


class Machine(Collector):
    """The Prometheus view of what was looked at last."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._rooms: dict[str, tuple[float, Room]] = {}
        self._ages = SecretAges(memory_of(watched.places))
        self._secrets: dict[str, float] = {}
        self._certificates: dict[str, float] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield the families; a label is the name of a setting in small letters."""
        yield from self._disks()
        secrets = GaugeMetricFamily(
            "credentify_secret_file_timestamp_seconds",
            "Since when a secret is the same: when its file was last written, or when it was first seen here, if that "
            "is earlier. Its age says when the secret is due to be replaced.",
            labels=("secret",),
        )
        for name, at in self._secrets.items():
            secrets.add_metric([name], at)
        yield secrets
        certificates = GaugeMetricFamily(
            "credentify_certificate_expires_timestamp_seconds",
            "Until when the certificate holds that an address of the settings shows. Near now it was not renewed.",
            labels=("address",),
        )
        for name, at in self._certificates.items():
            certificates.add_metric([name], at)
        yield certificates

    def _disks(self) -> Iterator[Metric]:
        free = GaugeMetricFamily(
            "credentify_disk_free_bytes",
            "Bytes that may still be written where a setting's folder or file lies. Where it reaches 0 all halts.",
            labels=("place",),
        )
        size = GaugeMetricFamily(
            "credentify_disk_size_bytes", "Bytes of the file system that holds that place.", labels=("place",)
        )
        for name, (looked_at, room) in self._rooms.items():
            if time.monotonic() - looked_at <= OLD_SECONDS:
                free.add_metric([name], room.free)
                size.add_metric([name], room.size)
        yield from (free, size)

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Look from time to time while the block runs."""
        await asyncio.to_thread(self.look)
        tasks = [asyncio.create_task(self._keep_looking())]
        tasks += [asyncio.create_task(self._keep_asking(*each)) for each in self._watched.addresses.items()]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Look at places and secrets once; blocks while a disk does."""
        for name, path in self._watched.places.items():
            with contextlib.suppress(OSError):
                self._rooms[name] = (time.monotonic(), room_of(path))
        self._secrets = self._ages.since(self._watched.secrets)

    async def _keep_asking(self, name: str, address: str) -> None:
        while True:
            expires_at = await asyncio.to_thread(certificate_expires_at, address)
            if expires_at is None:
                self._certificates.pop(name, None)
            else:
                self._certificates[name] = expires_at
            await asyncio.sleep(CERTIFICATE_RETRY_SECONDS if expires_at is None else CERTIFICATES_SECONDS)


def room_of(path: Path) -> Room:
    """Return the room where a path lies or, if it is not there yet, where it will; raises `OSError`."""
    place = next(each for each in (path, *path.absolute().parents) if each.exists())
    found = os.statvfs(place)
    return Room(free=found.f_bavail * found.f_frsize, size=found.f_blocks * found.f_frsize)


def certificate_expires_at(address: str) -> float | None:
    """Return the POSIX time until which the certificate of an https address holds; None where it shows none.

    Nothing is sent, and whether the certificate is to be trusted is not judged: one that has run out has an end too.
    """
    parts = urlsplit(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=_ANSWER_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=parts.hostname) as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp() if shown else None
    except (OSError, ValueError):
        return None
