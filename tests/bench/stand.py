"""The real services on a database of their own, started and stopped as a section needs them; measures nothing."""

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec

from proto import events
from proto.ids import Origin
from proto.wire.ledger import LogInfo
from services.clients.log_client import LogClient
from services.command.child import ServiceProcess
from services.command.home import Addresses, Home
from services.command.speaker import Speaker
from services.command.submit import submit
from services.command.up import DATABASES, HOST, Ports, Stack, choose_settings
from services.ledger.config import Config as LedgerConfig
from services.persistence.postgres import connected
from tests.bench.signing import DOCUMENTS_PREFIX, INSTITUTIONS, institution
from tests.support.ports import free_port
from tests.support.statements import ACCREDITATION, SCOPE

LIMITS_DATABASE, PEER_DATABASE = "limits", "peer"
READY_SECONDS_MAX = 900.0
"""A busy machine is slow, and that ends no run: what is not ready by then never will be."""
KIB_PER_MB = 1_000_000 / 1_024


class Stand(Stack):
    """What `credentify up` starts, with the same settings, but service by service. Use `open_stand`."""

    addresses: Addresses
    session: aiohttp.ClientSession
    running: dict[str, ServiceProcess]
    rules_version: int = 1
    """By which the log is opened."""
    verifier_workers: int = 1
    """Processes that answer, of the verifier that is launched next."""

    async def open(self, session: aiohttp.ClientSession) -> None:
        """Start PostgreSQL and create the databases; there is no log yet, and no service runs."""
        self.session = session
        self.running = {}
        self._has_log = self._has_institutions = False
        self.home.make_secrets()
        await self.postgres.start()
        for name in (*DATABASES, LIMITS_DATABASE, PEER_DATABASE):
            await self.postgres.ensure_database(name=name, owner_role=f"{name}_owner", running_role=f"{name}_running")

    async def only(self, *names: str) -> None:
        """Have exactly these services running, each ready; what measures one is not disturbed by the others."""
        for name in [name for name in self.running if name not in names]:
            await self.running.pop(name).stop()
        for name in names:
            await self.launch(name)
            await self.running[name].ready(self.session, seconds=READY_SECONDS_MAX)

    async def launch(self, name: str) -> None:
        """Start a service unless it runs, and do not wait until it is ready."""
        if not self._has_log:
            await self._ensure_log()
            self.addresses, self._has_log = self._addresses(await self._registrar()), True
        if name not in self.running:
            makers = {"ledger": self._ledger, "gateway": self._gateway, "verifier": self._verifier}
            self.running[name] = makers[name](self.addresses)
            await self.running[name].start()

    def _ledger_config(self) -> LedgerConfig:
        return msgspec.structs.replace(super()._ledger_config(), development_rules=True)

    def _service(self, name: str, url: str, prefix: str, settings: dict[str, str]) -> ServiceProcess:
        more = {
            "verifier": {"WORKERS": str(self.verifier_workers)},
            "ledger": {"DEVELOPMENT_RULES": "true"},
            "gateway": {"REQUESTS_BURST": "1000"},  # who measures signs in for many institutions from one address
        }
        return super()._service(name, url, prefix, settings | more.get(name, {}))

    async def forget_verifier(self) -> None:
        """Stop the verifier if it runs and remove its file, so that the next one replays the whole log."""
        if "verifier" in self.running:
            await self.running.pop("verifier").stop()
        for file in self.home.folder.glob("verifier.sqlite*"):
            file.unlink()

    async def close(self) -> None:
        """Stop every service and PostgreSQL."""
        await self.only()
        await self.postgres.stop()

    @property
    def admission(self) -> type[events.EventBase]:
        """How the registrar admits an institution by the rules of this log."""
        return events.IssuerAdmitted if self.rules_version == 1 else events.IssuerAdmittedV2

    @property
    def origin(self) -> Origin:
        """The log's name."""
        return self.settings.origin

    @property
    def limits_url(self) -> str:
        """The database of the limits, on the same server, as its owner."""
        return self.postgres.url(role=f"{LIMITS_DATABASE}_owner", database=LIMITS_DATABASE)

    @property
    def peer_url(self) -> str:
        """The database of a peer, on the same server, as its owner."""
        return self.postgres.url(role=f"{PEER_DATABASE}_owner", database=PEER_DATABASE)

    @property
    def registrar(self) -> Speaker:
        """Whoever admits institutions to this log."""
        return Speaker.from_file(Path(self.addresses.registrar_key_file), self.origin)

    async def log(self) -> LogInfo:
        """Return what the ledger says of its log; it must be running."""
        return await LogClient(self.session, self.addresses.ledger).log()

    @contextlib.asynccontextmanager
    async def counted(self) -> AsyncIterator[Callable[[], Awaitable[int]]]:
        """Yield what returns how many credentials are on the log, however many events they came in."""
        owner = self.postgres.url(role="ledger_owner", database="ledger")
        async with connected(owner, application_name="bench") as connection:

            async def count() -> int:
                found: int = await connection.fetchval("SELECT count(*) FROM credential_state")
                return found

            yield count

    async def admit(self) -> None:
        """Admit the institutions of the benchmark, once per log."""
        if self._has_institutions or (await self.log()).tree_size > 1:
            return
        self._has_institutions = True
        for number in range(INSTITUTIONS):
            party = institution(number)
            is_shared = self.rules_version == 1 or number == 0  # from version 2 on a prefix is one institution's
            admission = self.registrar.say(
                self.admission,
                subject=party.did,
                legal_name=party.name,
                country="NL",
                uri_prefixes=[party.url, DOCUMENTS_PREFIX] if is_shared else [party.url],
                keys=[party.event, party.assertion, party.recovery],
                scope=SCOPE,
                accreditation=ACCREDITATION,
            )
            await submit(self.addresses.ledger, admission)


@contextlib.asynccontextmanager
async def open_stand(*, rules_version: int = 1) -> AsyncIterator[Stand]:
    """Yield a stand in a new temporary folder, which is removed afterwards."""
    folder = _temporary_folder()
    try:
        async with stand_in(folder, rules_version=rules_version) as stand:
            yield stand
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def stand_in(folder: Path, *, rules_version: int) -> AsyncIterator[Stand]:
    """Yield a stand in a folder, which stays with all that is in it; the log that is there is gone on with."""
    home = Home(folder)
    home.open()
    stand = Stand(home, choose_settings(home, free_ports()), say=lambda _text: None)
    stand.rules_version = rules_version
    try:
        async with aiohttp.ClientSession() as session:
            try:
                await stand.open(session)
                yield stand
            finally:
                await stand.close()
    finally:
        home.close()


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="credentify-bench-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user, who must pass through
    return folder


def free_ports() -> Ports:
    """Return three ports that nobody uses now."""
    return Ports(ledger=free_port(), gateway=free_port(), verifier=free_port())


def resident_mb(process: ServiceProcess) -> float | None:
    """Return the resident memory of the process; None where the system does not say (only Linux does, here)."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        return None
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / KIB_PER_MB


def port_of(url: str) -> int:
    """Return the port in a service's address."""
    return int(url.rpartition(":")[2])


__all__ = [
    "HOST",
    "INSTITUTIONS",
    "READY_SECONDS_MAX",
    "Stand",
    "free_ports",
    "open_stand",
    "port_of",
    "resident_mb",
    "stand_in",
]
