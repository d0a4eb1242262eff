"""`credentify up`: the bundled PostgreSQL and all three services in one foreground command, continued on each start."""

import asyncio
import os
import secrets
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import click
import msgspec

from proto.events import DEFAULT_PARAMETERS
from proto.ids import Origin
from proto.lifecycle import RULES_VERSION_OF_NEW_LOGS
from proto.log.note_key import parse_signer_key
from proto.problem import ConflictProblem
from services.clients.http_session import client_session
from services.command.child import STOP_TIMEOUT_S, ServiceProcess
from services.command.demo import run_demo
from services.command.demo_files import LeftToTry
from services.command.home import DEFAULT_PORTS, Addresses, Home, Settings, open_home, replace_private
from services.command.installation import ledger_config
from services.command.key_file import read_key
from services.command.output import REFUSALS, as_json_option, command, console, own_name, print_json
from services.command.registrar_log import open_log
from services.embedded import EmbeddedPostgres
from services.ledger.config import Config as LedgerConfig
from services.ledger.succession.opening import init_log, is_initialised, registrar_of

HOST = "127.0.0.1"
PORT_STEP = 10
PORT_TRIES = 50
RESTART_DELAY_S = 0.5
RESTART_DELAY_MAX_S = 10.0
DATABASES = ("ledger", "gateway")
Say = Callable[[str], None]


class PortInUseProblem(ConflictProblem):
    """A port that was asked for is taken."""

    slug = "port-in-use"
    title = "A port is in use"


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; None means: ours to choose."""

    ledger: int | None
    gateway: int | None
    verifier: int | None


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def choose_settings(home: Home, ports: Ports) -> Settings:
    """Return the settings of this start: those of the first one, or new ones on free ports.

    Raises `PortInUseProblem` where a port that was asked for, or that documents name, is taken.
    """
    known = home.settings()
    asked = (ports.ledger, ports.gateway, ports.verifier)
    if known is not None:
        kept = (known.ledger_port, known.gateway_port, known.verifier_port)
        chosen = tuple(new or old for new, old in zip(asked, kept, strict=True))
    else:
        chosen = _first_ports(asked)
    for option, port in zip(("ledger", "gateway", "verifier"), chosen, strict=True):
        if not _is_free(port):
            raise PortInUseProblem(
                f"Port {port} is taken by another program. Choose one with --{option}-port "
                f"(make up {option.upper()}_PORT=…)."
            )
    ledger_port, gateway_port, verifier_port = chosen
    settings = Settings(
        origin=known.origin if known else Origin(f"localhost/credentify-{secrets.token_hex(4)}"),
        ledger_port=ledger_port,
        gateway_port=gateway_port,
        verifier_port=verifier_port,
        public_url=known.public_url if known else f"http://localhost:{gateway_port}",
    )
    if known is None:
        home.keep_settings(settings)
    return settings


def _first_ports(asked: tuple[int | None, ...]) -> tuple[int, ...]:
    """The default ports, or the next three free ones where other copies run."""
    for step in range(PORT_TRIES):
        chosen = tuple(given or default + step * PORT_STEP for given, default in zip(asked, DEFAULT_PORTS, strict=True))
        if all(given or _is_free(port) for given, port in zip(asked, chosen, strict=True)):
            return chosen
    raise PortInUseProblem("No three free ports were found; choose them with --ledger-port and its two siblings")


class Stack:
    """The bundled PostgreSQL and the three services on one data folder, in the order in which they need each other."""

    rules_version: int = RULES_VERSION_OF_NEW_LOGS
    """By which a new log is opened."""

    def __init__(self, home: Home, settings: Settings, *, say: Say, binaries: Path | None = None) -> None:
        self.home = home
        self.settings = settings
        self.postgres = EmbeddedPostgres(home.path("postgres"), binaries=binaries)
        self._say = say
        self._services: list[ServiceProcess] = []

    async def start(self) -> Addresses:
        """Start everything, creating what is missing, and return where it is."""
        self.home.make_secrets()
        self._say("database    starting the bundled PostgreSQL")
        await self.postgres.start()
        for name in DATABASES:
            await self.postgres.ensure_database(name=name, owner_role=f"{name}_owner", running_role=f"{name}_running")
        await self._ensure_log()
        addresses = self._addresses(await self._registrar())
        self._services = [self._ledger(addresses), self._gateway(addresses), self._verifier(addresses)]
        async with client_session() as session:
            for service in self._services:
                self._say(f"{service.name:<11} starting at {service.url}")
                await service.start()
                await service.ready(session)
        self.home.keep_addresses(addresses)
        return addresses

    async def stop(self) -> None:
        """Stop everything, in the reverse order, and say what did not stop in its time and was killed."""
        for service in reversed(self._services):
            if await service.stop():
                self._say(f"{service.name:<11} did not stop within {STOP_TIMEOUT_S:g} s and was killed")
        if await self.postgres.stop():
            self._say("database    did not stop in its time and was killed; it recovers at the next start")

    async def watch(self) -> None:
        """Start again whatever dies; runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep("PostgreSQL", self.postgres.wait_dead, self.postgres.restart))
            for service in self._services:
                group.create_task(self._keep(service.name, service.wait_dead, service.start))

    async def _keep(
        self, name: str, wait_dead: Callable[[], Awaitable[int]], start: Callable[[], Awaitable[None]]
    ) -> None:
        delay_s = RESTART_DELAY_S
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            status = await wait_dead()
            delay_s = (
                RESTART_DELAY_S if loop.time() - began > RESTART_DELAY_MAX_S else min(delay_s * 2, RESTART_DELAY_MAX_S)
            )
            self._say(f"{name} ended with status {status}; starting it again in {delay_s:g} s")
            await asyncio.sleep(delay_s)
            try:
                await start()
            except REFUSALS as problem:
                self._say(f"{name} did not start: {problem.detail}")

    async def _ensure_log(self) -> None:
        """Create the log once: the registrar's key signs its opening, and the ledger makes its own key."""
        config = self._ledger_config()
        if await is_initialised(config):
            return
        self._say("log         opening a new log, signed by a new registrar")
        opening = self.home.path("registrar", "opening.json")
        if not opening.exists():
            envelope = open_log(
                origin=self.settings.origin,
                key=self.home.path("registrar", "registrar.key"),
                recovery=read_key(self.home.path("registrar", "recovery.key")).public_key,
                more=(),
                parameters=DEFAULT_PARAMETERS,
                rules_version=self.rules_version,
            )
            replace_private(opening, msgspec.json.encode(envelope))
        await init_log(config, opening.read_bytes())

    def _ledger_config(self) -> LedgerConfig:
        return ledger_config(self.home, self.settings, self.postgres)

    async def _registrar(self) -> str:
        """Return the registrar's name as it was at the first start: a log that another opened is not taken for ours."""
        kept = self.home.path("registrar.pin")
        if not kept.exists():
            replace_private(kept, (await registrar_of(self._ledger_config())).encode() + b"\n")
        return kept.read_text().strip()

    def _addresses(self, registrar: str) -> Addresses:
        signer = parse_signer_key(self.home.path("ledger", "log.key").read_text().strip())
        return Addresses(
            data=str(self.home.folder),
            ledger=f"http://{HOST}:{self.settings.ledger_port}",
            gateway=f"http://{HOST}:{self.settings.gateway_port}",
            verifier=f"http://{HOST}:{self.settings.verifier_port}",
            log_verifier_key=signer.verifier.text,
            registrar=registrar,
            operator_token_file=str(self.home.path("operator-token")),
            registrar_key_file=str(self.home.path("registrar", "registrar.key")),
            master_key_file=str(self.home.path("master.key")),
            ledger_database=self.postgres.url(role="ledger_running", database="ledger"),
            gateway_database=self.postgres.url(role="gateway_running", database="gateway"),
            verifier_file=str(self.home.path("verifier.sqlite")),
            pid=os.getpid(),
        )

    def _service(self, name: str, url: str, prefix: str, settings: dict[str, str]) -> ServiceProcess:
        named = {f"CREDENTIFY_{prefix}_{key}": value for key, value in settings.items()}
        return ServiceProcess(name, settings=named, url=url, log_file=self.home.path("logs", f"{name}.log"))

    def _ledger(self, addresses: Addresses) -> ServiceProcess:
        config = self._ledger_config()
        settings = {
            "HOST": HOST,
            "PORT": str(config.port),
            "DATABASE_URL": config.database_url,
            "MIGRATION_DATABASE_URL": config.migration_database_url or "",
            "LOG_KEY_FILE": str(config.log_key_file),
            "STATE_FOLDER": str(config.state_folder),
            "FREE_SPACE_FOLDER": str(self.postgres.cluster),
        }
        return self._service("ledger", addresses.ledger, "LEDGER", settings)

    def _gateway(self, addresses: Addresses) -> ServiceProcess:
        settings = {
            "HOST": HOST,
            "PORT": str(self.settings.gateway_port),
            "DATABASE_URL": addresses.gateway_database,
            "MIGRATION_DATABASE_URL": self.postgres.url(role="gateway_owner", database="gateway"),
            "REQUESTS_BURST": "1000",  # everybody who asks is on this machine
            "LEDGER_URL": addresses.ledger,
            "LOG_VERIFIER_KEY": addresses.log_verifier_key,
            "REGISTRAR": addresses.registrar,
            "PUBLIC_URL": self.settings.public_url,
            "VERIFIER_URL": addresses.verifier,
            "EVIDENCE_VERIFIER_URL": addresses.verifier,
            "MASTER_KEY_FILE": addresses.master_key_file,
            "OPERATOR_TOKEN_FILE": addresses.operator_token_file,
        }
        return self._service("gateway", addresses.gateway, "GATEWAY", settings)

    def _verifier(self, addresses: Addresses) -> ServiceProcess:
        settings = {
            "HOST": HOST,
            "PORT": str(self.settings.verifier_port),
            "RATE_PER_SECOND": "0",  # everybody who asks is on this machine
            "LEDGER_URL": addresses.ledger,
            "LOG_PUBLIC_URL": addresses.ledger,
            "CATALOGUES": addresses.gateway,
            "CATALOGUE_SECONDS": "10",
            "LOG_VERIFIER_KEY": addresses.log_verifier_key,
            "REGISTRAR": addresses.registrar,
            "DATABASE_FILE": addresses.verifier_file,
        }
        return self._service("verifier", addresses.verifier, "VERIFIER", settings)


async def _until_signal() -> str:
    """Return the name of the signal that asks us to stop."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[str] = loop.create_future()

    def ask(name: str) -> None:
        if not asked.done():
            asked.set_result(name)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask, number.name)
    return await asked


async def _run(stack: Stack, *, with_demo: bool, as_json: bool, say: Say) -> None:
    """Start, run the demo if asked, and stay until a signal; what dies meanwhile is started again."""
    stop_asked = asyncio.create_task(_until_signal())
    work = asyncio.create_task(_start_and_watch(stack, with_demo=with_demo, as_json=as_json, say=say))
    try:
        await asyncio.wait({stop_asked, work}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await work
    finally:
        for task in (stop_asked, work):
            task.cancel()
        await asyncio.gather(stop_asked, work, return_exceptions=True)
        say("stopping")
        await stack.stop()
        say("stopped")


async def _start_and_watch(stack: Stack, *, with_demo: bool, as_json: bool, say: Say) -> None:
    addresses = await stack.start()
    async with asyncio.TaskGroup() as group:
        group.create_task(stack.watch())
        left = None
        if with_demo:
            say("demo        running the main job")
            left = await run_demo(addresses, say=say, as_json=as_json)
        if as_json:
            print_json(addresses)
            _say_where_the_database_is(stack, say)
        else:
            _print_addresses(addresses, stack, say, left)


def _say_where_the_database_is(stack: Stack, say: Say) -> None:
    """Say where it lies and how it goes, if that is not in the data folder: removing the folder would leave it."""
    cluster, folder = stack.postgres.cluster, stack.home.folder
    if cluster.is_relative_to(folder):
        return
    say(f"database    {cluster.parent}: its server, which root starts as another user, cannot come to {folder}")
    say(f"remove      {own_name()} remove --data {shlex.quote(str(folder))}   (takes both away; keep them together)")


def _print_addresses(addresses: Addresses, stack: Stack, say: Say, left: LeftToTry | None) -> None:
    """Say where everything is, how to stop it, and what there is to try."""
    say("")
    say(f"ledger      {addresses.ledger}/docs")
    say(f"gateway     {addresses.gateway}/docs   (documents name {stack.settings.public_url})")
    say(f"verifier    {addresses.verifier}/docs")
    say(f"registrar   {addresses.registrar}   (pinned here; who follows this log pins it too)")
    say(f"files       {addresses.data}/addresses.json and operator-token (mode 0600); logs in {addresses.data}/logs")
    _say_where_the_database_is(stack, say)
    say("")
    say(f"open        {addresses.verifier}/")
    say("stop        Ctrl-C")
    if left is not None:
        say("")
        for line in left.lines():
            say(line)


@click.command()
@click.option(
    "--data",
    envvar="CREDENTIFY_DATA",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder; the user's by default.",
)
@click.option("--ledger-port", type=int, help="8101 by default.")
@click.option("--gateway-port", type=int, help="8102 by default.")
@click.option("--verifier-port", type=int, help="8103 by default.")
@click.option("--postgres-binaries", type=click.Path(path_type=Path), help="Folder of other PostgreSQL programs.")
@click.option("--demo", "with_demo", is_flag=True, help="Run the demo once the services are up.")
@as_json_option
@command
async def up(
    *,
    data: Path | None,
    ledger_port: int | None,
    gateway_port: int | None,
    verifier_port: int | None,
    postgres_binaries: Path | None,
    with_demo: bool,
    as_json: bool,
) -> None:
    """Start everything on this machine: database, ledger, gateway and verifier. Ctrl-C stops."""
    say: Say = (
        (lambda text: click.echo(text, err=True)) if as_json else (lambda text: console.print(text, markup=False))
    )
    home = open_home(data)
    try:
        settings = choose_settings(home, Ports(ledger=ledger_port, gateway=gateway_port, verifier=verifier_port))
        say(f"data        {home.folder}")
        await _run(
            Stack(home, settings, say=say, binaries=postgres_binaries), with_demo=with_demo, as_json=as_json, say=say
        )
    finally:
        home.close()
