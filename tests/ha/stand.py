"""The whole of it on loopback: the database of three nodes, two ledgers of which one signs, and all that hangs on them.

Two gateways on one database, two verifiers that compare with each other, and three witnesses of which two have to
cosign. Each of the two halves follows its own ledger. Whatever ends is started again. Brings no fault about.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from proto.keys import SecretKey
from proto.log.note_key import KeyKind, SignerKey
from services.command.child import ServiceProcess
from services.command.home import Home, replace_private
from services.command.key_file import write_secret
from services.command.up import DATABASES, HOST, Stack, choose_settings
from tests.bench.results import say
from tests.bench.stand import READY_SECONDS_MAX, Stand, free_ports
from tests.ha.database import Database
from tests.ha.packages import Programs
from tests.support.ports import free_port

HALVES = ("a", "b")
WITNESSES = ("w1", "w2", "w3")
FRESHNESS_SECONDS = 15
"""Shorter than the default, so that what is stale shows within a run."""
PUBLISHED_AGAIN_MS = 3_000


def half_name(half: str) -> str:
    """Return what a half's services are called by the doors: by the folder in which they run."""
    return f"half-{half}"


class HaStand(Stand):
    """All services over the database of three nodes. Use `open_ha_stand`."""

    database: Database
    services: dict[str, ServiceProcess]
    is_standby_required = True
    """Whether ledgers and gateways look with each transaction whether the database waits for a standby."""

    async def open(self, session: aiohttp.ClientSession) -> None:
        """Start all services, over a database that runs already, and wait until each is ready."""
        self.session, self.running = session, {}
        self.postgres: Any = self.database  # which has the URLs that the services are given
        self.home.make_secrets()
        for name in DATABASES:
            await self.database.ensure_database(name=name, owner_role=f"{name}_owner", running_role=f"{name}_running")
        await self._ensure_log()
        self.addresses = self._addresses(await self._registrar())
        self.home.keep_addresses(self.addresses)
        self._write_policy()
        self.services = self._all_services()
        await asyncio.gather(*(each.start() for each in self.services.values()))
        await asyncio.gather(*(each.ready(session, seconds=READY_SECONDS_MAX) for each in self.services.values()))

    def _write_policy(self) -> None:
        self._witness_urls = {name: f"http://{HOST}:{free_port()}" for name in WITNESSES}
        lines = []
        for name, url in self._witness_urls.items():
            key = SignerKey(name=f"{name}.example", kind=KeyKind.COSIGNATURE, secret=SecretKey.generate())
            write_secret(self.home.path(f"{name}.key"), key.private_text.encode() + b"\n")
            lines.append(f"witness {name} {key.verifier.text} {url}")
        lines += [f"group enough 2 {' '.join(WITNESSES)}", "quorum enough", ""]
        replace_private(self._policy, "\n".join(lines).encode())

    @property
    def _policy(self) -> Path:
        return self.home.path("policy")

    def _all_services(self) -> dict[str, ServiceProcess]:
        makers = {"ledger": Stack._ledger, "gateway": Stack._gateway, "verifier": Stack._verifier}
        first = {service: make(self, self.addresses) for service, make in makers.items()}
        urls = {
            (service, half): first[service].url if half == "a" else f"http://{HOST}:{free_port()}"
            for service in makers
            for half in HALVES
        }
        made = {}
        for (service, half), url in urls.items():
            others = {other: urls[service, other] for other in HALVES if other != half}
            settings = self._halved(service, half, first[service].settings, urls, next(iter(others.values())))
            folder = self.database.folder / half_name(half)
            folder.mkdir(exist_ok=True)
            made[f"{service}-{half}"] = self._process(service, f"{service}-{half}", url, settings, folder)
        for name, url in self._witness_urls.items():
            settings = self._witness(name, made["verifier-b"].settings)
            made[name] = self._process("verifier", name, url, settings)
        return made

    def _halved(
        self, service: str, half: str, settings: dict[str, str], urls: dict[tuple[str, str], str], other: str
    ) -> dict[str, str]:
        """Return the settings of a service in its half: it follows its half's ledger, and the first ledger signs."""
        prefix = f"CREDENTIFY_{service.upper()}_"
        own = {"PORT": urls[service, half].rpartition(":")[2], "POLICY_FILE": str(self._policy)}
        if service != "verifier":
            own["DATABASE_STANDBY_REQUIRED"] = str(self.is_standby_required).lower()
        if service == "ledger":
            own["IDLE_PUBLISH_INTERVAL_MS"] = str(PUBLISHED_AGAIN_MS)
        else:
            own["LEDGER_URL"] = urls["ledger", half]
        if service == "gateway":
            own |= {"EVIDENCE_VERIFIER_URL": urls["verifier", half]}
        if service == "verifier":
            file = str(self.home.path(f"verifier-{half}.sqlite"))
            own |= {"DATABASE_FILE": file, "FRESHNESS_SECONDS_MAX": str(FRESHNESS_SECONDS), "COMPARE_WITH": other}
            own |= {"CATALOGUES": urls["gateway", half], "COMPARE_SECONDS": "5"}
        made = settings | {prefix + name: value for name, value in own.items()}
        if service == "ledger" and half != HALVES[0]:
            made = {name: value for name, value in made.items() if not name.endswith(("LOG_KEY_FILE", "STATE_FOLDER"))}
        return made

    def _witness(self, name: str, verifier: dict[str, str]) -> dict[str, str]:
        own = {
            "PORT": self._witness_urls[name].rpartition(":")[2],
            "DATABASE_FILE": str(self.home.path(f"{name}-projection.sqlite")),
            "WITNESS_KEY_FILE": str(self.home.path(f"{name}.key")),
            "WITNESS_MEMORY_FILE": str(self.home.path(f"{name}.sqlite")),
        }
        left_out = ("POLICY_FILE", "COMPARE_WITH", "COMPARE_SECONDS", "CATALOGUES", "CATALOGUE_SECONDS")
        kept = {key: value for key, value in verifier.items() if not key.endswith(left_out)}
        return kept | {f"CREDENTIFY_VERIFIER_{key}": value for key, value in own.items()}

    def _process(
        self, service: str, name: str, url: str, settings: dict[str, str], folder: Path | None = None
    ) -> ServiceProcess:
        log_file = self.home.path("logs", f"{name}.log")
        return ServiceProcess(service, settings=settings, url=url, log_file=log_file, folder=folder)

    @property
    def signer(self) -> ServiceProcess:
        """The ledger that signs."""
        return self.services[f"ledger-{HALVES[0]}"]

    async def watch(self) -> None:
        """Start again whatever ends, of the database's nodes too; runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            for program in self.database.kept:
                group.create_task(self._keep(program.name, program.wait_dead, program.start))
            for name, service in self.services.items():
                group.create_task(self._keep(name, service.wait_dead, service.start))

    async def close(self) -> None:
        """Stop every service; those that write first."""
        await asyncio.gather(*(each.stop() for each in getattr(self, "services", {}).values()))

    def lines(self) -> list[str]:
        """Return what runs where, for people."""
        found = [f"{name:<12} {each.url}/docs" for name, each in self.services.items()]
        found += [
            f"node {node.name:<7} postgres {node.at('postgres')}   patroni http://{node.at('api')}/cluster   "
            f"etcd http://{node.at('etcd')}"
            for node in self.database.nodes.values()
        ]
        if self.database.proxy:
            found.append("haproxy      leads the services to the node that writes")
        found.append(f"signs        {HALVES[0]} (ledger-{HALVES[0]}); ledger-{HALVES[1]} sequences and serves")
        found.append(f"files        {self.home.folder}: addresses.json, operator-token; logs in logs/ and nodes/")
        return found


@contextlib.asynccontextmanager
async def open_ha_stand(
    programs: Programs,
    *,
    folder: Path | None = None,
    tell: Callable[[str], None] = say,
    is_standby_required: bool = True,
) -> AsyncIterator[HaStand]:
    """Yield the stand with everything running and kept alive; a temporary folder is removed afterwards."""
    place = folder or Path(tempfile.mkdtemp(prefix="credentify-ha-"))
    home = Home(place)
    home.open()
    try:
        async with aiohttp.ClientSession() as session:
            database = Database(home.path("nodes"), programs, session)
            tell("database     starting three nodes of etcd, Patroni and PostgreSQL")
            async with database.running():
                stand = HaStand(home, choose_settings(home, free_ports()), say=tell)
                stand.rules_version, stand.database = 2, database
                stand.is_standby_required = is_standby_required
                try:
                    tell("services     starting two ledgers, two gateways, two verifiers, three witnesses")
                    await stand.open(session)
                    async with _kept(stand):
                        yield stand
                finally:
                    tell("stopping     the services, then the database")
                    await stand.close()
    finally:
        home.close()
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)


@contextlib.asynccontextmanager
async def _kept(stand: HaStand) -> AsyncIterator[None]:
    """Keep everything alive while the block runs."""
    watching = asyncio.create_task(stand.watch(), name="keep-alive")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
