"""Three nodes of etcd, Patroni and PostgreSQL on loopback, as one database. Knows no service of ours.

It looks to the services like the bundled PostgreSQL does: it has URLs for roles, and databases are made in it.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import urllib.parse
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from services.persistence import database_setup
from services.persistence.postgres import connected
from tests.ha.children import Program
from tests.ha.doors import Door, Sides, name_by_folder, processes_of
from tests.ha.packages import Programs
from tests.ha.patroni_settings import SUPERUSER, settings_of
from tests.support.ports import free_port

NAMES = ("a", "b", "c")
HEALTHY_SECONDS = 180.0
ASK_SECONDS = 3.0
_HOST = "127.0.0.1"


class Node:
    """One of the three: its folder, its programs, and the port of each, hidden behind a door and before it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.hidden = {each: free_port() for each in ("peer", "etcd", "api", "postgres")}
        self.shown = {each: free_port() for each in self.hidden}
        self.etcd: Program
        self.patroni: Program

    def at(self, what: str) -> str:
        """Where others reach a part of this node."""
        return f"{_HOST}:{self.shown[what]}"

    def own(self, what: str) -> str:
        """Where a part of this node listens."""
        return f"{_HOST}:{self.hidden[what]}"

    def postgres_pids(self) -> list[int]:
        """Return the processes of PostgreSQL here, its first one first."""
        file = self.folder / "postgres" / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError, IndexError):
            first = int(file.read_text().split()[0])
            return [first, *(pid for pid in self.pids() if _parent(pid) == first)]
        return []

    def pids(self) -> list[int]:
        """Return every process that runs in the folder of this node."""
        return processes_of(self.folder.parent, self.name)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


class Database:
    """The three nodes, and the one that leads."""

    def __init__(self, folder: Path, programs: Programs, session: aiohttp.ClientSession) -> None:
        self.folder, self.programs, self.session = folder, programs, session
        self.cluster = folder
        """Where the services look whether there is room."""
        self.nodes = {name: Node(name, folder / name) for name in NAMES}
        self.sides = Sides(partial(name_by_folder, folder))
        self.proxy: Program | None = None
        self._proxy_port = free_port()
        self._password = secrets.token_hex(16)

    @property
    def kept(self) -> list[Program]:
        """All programs that are started again where they end."""
        own = [each for node in self.nodes.values() for each in (node.etcd, node.patroni)]
        return [*own, *([self.proxy] if self.proxy else [])]

    def url(self, *, role: str, database: str) -> str:
        """Return the URL for asyncpg: all three nodes and the word that picks the one that writes, or HAProxy's."""
        hosts = f"{_HOST}:{self._proxy_port}" if self.proxy else ",".join(self._postgres_addresses())
        login = f"{urllib.parse.quote(role)}:{self._password}"
        return f"postgresql://{login}@{hosts}/{database}?target_session_attrs=read-write"

    def _postgres_addresses(self) -> list[str]:
        return [node.at("postgres") for node in self.nodes.values()]

    def node_url(self, node: Node) -> str:
        """Return the URL of one node alone, whether it leads or not, for the superuser."""
        return f"postgresql://{SUPERUSER}:{self._password}@{node.at('postgres')}/postgres"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Database"]:
        """Run all nodes while the block runs; whoever holds the block keeps `kept` alive."""
        async with contextlib.AsyncExitStack() as stack:
            for node in self.nodes.values():
                for what, to in node.hidden.items():
                    door = Door(self.sides, port=node.shown[what], to=to, node=node.name)
                    await stack.enter_async_context(door.listening())
            stack.push_async_callback(self.stop)
            for node in self.nodes.values():
                self._make(node)
            await asyncio.gather(*(node.etcd.start() for node in self.nodes.values()))
            await asyncio.gather(*(node.patroni.start() for node in self.nodes.values()))
            if self.programs.haproxy:
                await self._start_proxy(self.programs.haproxy)
            await self.healthy()
            yield self

    def _make(self, node: Node) -> None:
        node.folder.mkdir(parents=True)
        node.etcd = Program(
            f"etcd-{node.name}", self._etcd(node), folder=node.folder, log_file=self.folder / f"etcd-{node.name}.log"
        )
        file = node.folder / "patroni.yml"  # JSON is YAML
        settings = settings_of(
            node.name,
            folder=str(node.folder),
            binaries=str(self.programs.postgres),
            etcd=[each.at("etcd") for each in self.nodes.values()],
            api=(node.own("api"), node.at("api")),
            postgres=(node.own("postgres"), node.at("postgres")),
            password=self._password,
        )
        file.write_bytes(msgspec.json.encode(settings))
        file.chmod(0o600)
        command = [*self.programs.unprivileged, str(self.programs.patroni), "-m", "patroni", str(file)]
        log = self.folder / f"patroni-{node.name}.log"
        node.patroni = Program(f"patroni-{node.name}", command, folder=node.folder, log_file=log)

    def _etcd(self, node: Node) -> list[str]:
        everybody = ",".join(f"{each.name}=http://{each.at('peer')}" for each in self.nodes.values())
        options = {
            "name": node.name,
            "data-dir": str(node.folder / "etcd"),
            "listen-peer-urls": f"http://{node.own('peer')}",
            "initial-advertise-peer-urls": f"http://{node.at('peer')}",
            "listen-client-urls": f"http://{node.own('etcd')}",
            "advertise-client-urls": f"http://{node.at('etcd')}",
            "initial-cluster": everybody,
            "initial-cluster-token": self.folder.parent.name,
            "logger": "zap",
            "log-level": "warn",
        }
        return [str(self.programs.etcd), *(f"--{name}={value}" for name, value in options.items())]

    async def _start_proxy(self, program: Path) -> None:
        """Start HAProxy, which asks each Patroni whether its PostgreSQL is the one that writes."""
        servers = "\n".join(
            f"  server {node.name} {node.at('postgres')} check addr {_HOST} port {node.shown['api']}"
            for node in self.nodes.values()
        )
        file = self.folder / "haproxy.cfg"
        file.write_text(
            "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 2s\n  timeout client 24h\n"
            "  timeout server 24h\n  timeout check 2s\nlisten writes\n"
            f"  bind {_HOST}:{self._proxy_port}\n  option httpchk OPTIONS /primary\n  http-check expect status 200\n"
            "  default-server inter 1s fall 2 rise 1 on-marked-down shutdown-sessions\n"
            f"{servers}\n"
        )
        self.proxy = Program(
            "haproxy",
            [str(program), "-db", "-f", str(file)],
            folder=self.folder,
            log_file=self.folder / "haproxy.log",
            settings={"LD_LIBRARY_PATH": self.programs.libraries},
        )
        await self.proxy.start()

    async def stop(self) -> None:
        """Stop everything, the standbys first; whatever still runs in a node's folder then is killed."""
        self.sides.mend()
        for node in self.nodes.values():
            for pid in node.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        patronis = [each.patroni for each in self.nodes.values() if hasattr(each, "patroni")]
        await asyncio.gather(*(each.stop() for each in patronis))
        if self.proxy:
            await self.proxy.stop()
        await asyncio.gather(*(each.etcd.stop() for each in self.nodes.values() if hasattr(each, "etcd")))
        for node in self.nodes.values():
            for pid in node.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    async def healthy(self) -> Node:
        """Return the leader once two standbys stream from it, at least one of them synchronously."""
        async with asyncio.timeout(HEALTHY_SECONDS):
            while True:
                if (found := await self._healthy_leader()) is not None:
                    return found
                await asyncio.sleep(0.25)

    async def _healthy_leader(self) -> Node | None:
        """Return the leader where each node says of itself what it should, and the leader that both standbys follow.

        What is kept in etcd may be older: the entry of a node that was killed stands until its lease is over.
        """
        nodes = list(self.nodes.values())
        said = await asyncio.gather(*(self._of_itself(node) for node in nodes))
        leading = [node for node, each in zip(nodes, said, strict=True) if each.get("role") in {"primary", "master"}]
        if len(leading) != 1 or any(each.get("state") != "running" for each in said):
            return None
        standbys = said[nodes.index(leading[0])].get("replication") or []
        streaming = [each for each in standbys if each.get("state") == "streaming"]
        is_synchronous = any(each.get("sync_state") in {"quorum", "sync"} for each in streaming)
        may_be_elected = any(each["role"] == "quorum_standby" for each in await self.members(leading[0]))
        if len(streaming) == len(nodes) - 1 and is_synchronous and may_be_elected:
            return leading[0]
        return None

    async def _of_itself(self, node: Node) -> dict[str, Any]:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            found = await self.ask("GET", f"http://{node.own('api')}/patroni")
            return found if isinstance(found, dict) else {}
        return {}

    async def members(self, *nodes: Node) -> list[dict[str, Any]]:
        """Return what the first Patroni that answers (of these, or of all) says of all; nothing where none does."""
        for node in nodes or self.nodes.values():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError):
                found: list[dict[str, Any]] = (await self.ask("GET", f"http://{node.own('api')}/cluster"))["members"]
                return found
        return []

    async def leader(self, *nodes: Node) -> Node | None:
        """Return the node that leads, as far as anybody (of these) knows."""
        for each in await self.members(*nodes):
            if each["role"] == "leader":
                return self.nodes[each["name"]]
        return None

    async def led_by_another(self, than: Node) -> bool:
        """Return whether the other nodes know of another leader, whatever this one holds for true."""
        found = await self.leader(*(node for node in self.nodes.values() if node is not than))
        return found not in {None, than}

    async def etcd_leader(self) -> Node | None:
        """Return the node whose etcd leads."""
        for node in self.nodes.values():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                said = await self.ask("POST", f"http://{node.own('etcd')}/v3/maintenance/status", {})
                if said["leader"] == said["header"]["member_id"]:
                    return node
        return None

    async def switch_over(self, leader: Node) -> None:
        """Ask Patroni for a planned change of the leader; where it ends meanwhile, the nodes show what came of it."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            await self.ask("POST", f"http://{leader.own('api')}/switchover", {"leader": leader.name}, seconds=60.0)

    async def ask(self, method: str, url: str, send: object = None, *, seconds: float = ASK_SECONDS) -> Any:
        """Return the decoded answer of a program's HTTP interface, or its text."""
        body = None if send is None else msgspec.json.encode(send)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with self.session.request(method, url, data=body, timeout=timeout) as response:
            data = await response.read()
            with contextlib.suppress(msgspec.DecodeError):
                return msgspec.json.decode(data)
            return data.decode(errors="replace")

    async def ensure_database(self, *, name: str, owner_role: str, running_role: str) -> None:
        """Create a database and its two roles, which log in with the password of this stand."""
        admin = self.url(role=SUPERUSER, database="postgres")
        await database_setup.ensure_database(admin, name=name, owner_role=owner_role, running_role=running_role)
        async with connected(admin, application_name="stand") as connection:
            for role in (owner_role, running_role):
                await connection.execute(f"ALTER ROLE {database_setup.identifier(role)} PASSWORD '{self._password}'")
