"""A ledger that really runs, for any test: its registrar, its client, its database; may be stopped and started again.

`Registrar` says everything that can be said, with the real clock. `RunningLedger` listens on a free port, and `fsck`
checks it at the end of each test that uses the fixture `ledger`.
"""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
from aiohttp import web
from yarl import URL

from proto import events
from proto.envelope import Envelope, Opened, open_envelope, seal
from proto.ids import CredentialId, Did, Origin
from proto.keys import did_key
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.moment import Moment, from_datetime
from proto.wire.ledger import Appended, AppendLine
from services.clients.log_client import LogClient, LogUnreachableProblem
from services.edge import Log, listening
from services.ledger.app import make_app
from services.ledger.config import Config
from services.ledger.fsck.database_check import check
from services.ledger.fsck.report import Report
from services.ledger.service import LEDGER
from services.ledger.succession.opening import InitialisedLog, apply_migrations, init_log
from services.persistence import postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import Database, MakeDatabase
from tests.support.ports import free_port
from tests.support.statements import Party, Statements, secret_key

ORIGIN = Origin("log.example/credentify-integration")
WAIT_SECONDS = 120.0
"""A time-out, and no measure: a machine that runs all tests at once takes its time."""
UNAVAILABLE = 503
POLL_SECONDS = 20.0
"""How long one request waits for the log to grow, which is below what the ledger lets anybody wait."""

_T = TypeVar("_T")


class Registrar(Statements):
    """Registrar and institutions of a log that runs now: makes events and seals them. Hands nothing to the log."""

    def __init__(
        self,
        origin: Origin = ORIGIN,
        parameters: events.Parameters = events.DEFAULT_PARAMETERS,
        *,
        rules_version: int = 1,
    ) -> None:
        self.origin = origin
        self._rules_version = rules_version
        self.parameters = parameters
        self.parties: dict[Did, Party] = {}
        self.registrar = Party("registrar", did_key(secret_key("registrar", "event", 0).public_key))
        self.parties[self.registrar.did] = self.registrar

    @property
    def rules_version(self) -> int:
        """The version of the rules that the log is opened with."""
        return self._rules_version

    @property
    def now(self) -> Moment:
        """The time of this machine."""
        return from_datetime(datetime.now(UTC))

    def party(self, name: str, did: Did | None = None) -> Party:
        """Return the institution of that name, admitted or not."""
        party = Party(name, did)
        return self.parties.setdefault(party.did, party)

    def seal(self, event: events.Event, *, key: events.KeyRecord | None = None) -> Envelope:
        """Return the event's envelope, signed with `key`, or with the speaker's first event key."""
        party = self.parties[event.issuer]
        key_id = (key or party.event).key_id
        return seal(event, key_id, lambda message: party.sign(key_id, message))

    def opening_file(self) -> bytes:
        """Return what `credentify registrar open-log` writes."""
        return msgspec.json.encode(self.seal(self.opening(rules_version=self.rules_version)))

    def issues(self, party: Party, count: int, prefix: str = "credential") -> list[Envelope]:
        """Return sealed issues of that many credentials."""
        return [self.seal(self.issue(party, f"{prefix} {number}")) for number in range(count)]


def opened(envelope: Envelope) -> Opened:
    """Return an envelope with its event."""
    return open_envelope(envelope)


class RunningLedger:
    """A ledger service on a free port, with its own database; `client` talks to it over a real socket."""

    def __init__(
        self, config: Config, database: Database, registrar: Registrar, session: aiohttp.ClientSession
    ) -> None:
        self.config = config
        self.database = database
        self.registrar = registrar
        self.session = session
        self.url = ""
        self.log = io.BytesIO()
        self.ended_with: list[int] = []
        self.info: InitialisedLog | None = None
        self.opening = registrar.opening_file()
        self.app: web.Application | None = None
        self._stack: contextlib.AsyncExitStack | None = None

    @property
    def client(self) -> LogClient:
        """A client of this ledger."""
        return LogClient(self.session, self.url)

    @property
    def verifier_key(self) -> str:
        """The vkey that followers configure."""
        assert self.info is not None
        return self.info.verifier_key

    async def init(self) -> InitialisedLog:
        """Create the log from the registrar's opening."""
        self.info = await init_log(self.config, self.opening)
        return self.info

    async def start(self) -> None:
        """Start the service; the port stays the same over restarts."""
        if not self.config.port:
            self.config = msgspec.structs.replace(self.config, port=free_port())
        stack = contextlib.AsyncExitStack()
        app = self.app = make_app(self.config, log=Log("ledger", self.log), end_process=self.ended_with.append)
        address = await stack.enter_async_context(listening(app, host=self.config.host, port=self.config.port))
        self._stack, self.url = stack, address.url

    async def stop(self) -> None:
        """Stop the service, if it runs."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    async def say(self, event: events.Event, *, key: events.KeyRecord | None = None) -> Appended:
        """Seal an event and append it; raises `LogProblem` where the log refuses."""
        return await self.client.submit_one(self.registrar.seal(event, key=key))

    async def submit(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Append many at once."""
        return await self.client.submit(envelopes)

    async def append(self, envelopes: Sequence[Envelope]) -> list[AppendLine]:
        """Append many as a sender does, who sends again what was not appended; return the last answer to each."""
        answers: dict[int, AppendLine] = {}

        async def appended() -> list[AppendLine] | None:
            places = [place for place in range(len(envelopes)) if place not in answers]
            with contextlib.suppress(LogUnreachableProblem):
                lines = await self.submit([envelopes[place] for place in places])
                answers.update(
                    (place, line) for place, line in zip(places, lines, strict=True) if line.status != UNAVAILABLE
                )
            return [answers[place] for place in range(len(envelopes))] if len(answers) == len(envelopes) else None

        return await until(appended, "every event has its answer")

    async def admit(self, name: str, did: Did | None = None) -> Party:
        """Admit an institution and return it."""
        party = self.registrar.party(name, did)
        await self.say(self.registrar.admission(party))
        return party

    async def issued(self, party: Party, name: str) -> CredentialId:
        """Issue a credential and return its id."""
        event = self.registrar.issue(party, name)
        await self.say(event)
        return event.credential_id

    async def published(self, size: int) -> bytes:
        """Return the first checkpoint of at least `size` entries."""

        async def ask() -> bytes | None:
            return await self.client.checkpoint_after(size - 1, wait_seconds=POLL_SECONDS)

        return await until(ask, f"{size} entries are published")

    async def mirrored(self, size: int) -> None:
        """Wait until the folder that the ledger mirrors its log to shows at least so many entries."""
        assert self.config.mirror_folder is not None
        checkpoint = self.config.mirror_folder / "checkpoint"

        async def shows() -> bool | None:
            if not checkpoint.exists():
                return None
            shown = open_checkpoint(checkpoint.read_bytes(), parse_vkey(self.verifier_key)).checkpoint
            return shown.size >= size or None

        await until(shows, f"the mirror shows {size} entries")

    async def fsck(self) -> Report:
        """Recompute everything that the database holds."""
        url = self.database.owner_url
        async with postgres.connected(url, application_name="fsck", limits=UNHURRIED) as connection:
            return await check(connection)

    async def post(self, body: bytes, media_type: str = "application/json") -> tuple[int, Any]:
        """Return status and decoded body of a submission of raw bytes; NDJSON as a list."""
        headers = {"Content-Type": media_type}
        async with self.session.post(f"{self.url}/v1/events", data=io.BytesIO(body), headers=headers) as response:
            content = await response.read()
            if response.content_type == "application/x-ndjson":
                return response.status, [msgspec.json.decode(line) for line in content.splitlines()]
            return response.status, msgspec.json.decode(content)

    def cut_connection(self, pid: int) -> None:
        """Drop our end of the connection to the server process `pid`, which goes on with what it does."""
        assert self.app is not None
        pool: Any = self.app[LEDGER].pool
        held = [holder._con for holder in pool._holders if holder._con is not None]
        next(connection for connection in held if connection.get_server_pid() == pid).terminate()

    async def get(self, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Return status, body and headers of a GET, the path sent exactly as given."""
        url = f"{self.url}{path}"
        async with self.session.get(URL(url, encoded=True), headers=headers) as response:
            return response.status, await response.read(), dict(response.headers)


def ledger_config(database: Database, folder: Path) -> Config:
    """Return settings for a test: a free port, quick publication, key and memory in `folder`."""
    return Config(
        port=0,
        database_url=database.running_url,
        migration_database_url=database.owner_url,
        log_key_file=folder / "log.key",
        state_folder=folder,
        publish_interval_ms=20,
        shutdown_timeout_seconds=2.0,
    )


async def with_tables(database: Database) -> None:
    config = Config(database_url=database.running_url, migration_database_url=database.owner_url)
    await apply_migrations(config)


async def new_database(make_database: MakeDatabase) -> Database:
    """Return a database with the ledger's tables and no log."""
    return await make_database("ledger_tables", prepare=with_tables)


@contextlib.asynccontextmanager
async def running_ledger(
    make_database: MakeDatabase, folder: Path, registrar: Registrar | None = None, **settings: Any
) -> AsyncIterator[RunningLedger]:
    """Run a ledger with a fresh log while the block runs; at its end nothing may be damaged."""
    async with ledger_on(await new_database(make_database), folder, registrar, **settings) as running:
        yield running


@contextlib.asynccontextmanager
async def ledger_on(
    database: Database, folder: Path, registrar: Registrar | None = None, **settings: Any
) -> AsyncIterator[RunningLedger]:
    """Run a ledger with a fresh log on a database that has its tables; at its end nothing may be damaged."""
    async with aiohttp.ClientSession() as session:
        # the tables are there: a start that looks for missing migrations makes two connections more, in each test
        config = msgspec.structs.replace(ledger_config(database, folder), migration_database_url=None)
        config = msgspec.structs.replace(config, **settings)
        ledger = RunningLedger(config, database, registrar or Registrar(), session)
        await ledger.init()
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.stop()
        assert ledger.ended_with == []
        report = await ledger.fsck()
        assert report.damages == (), report.damages


async def until(found: Callable[[], Awaitable[_T | None]], what: str, *, seconds: float = WAIT_SECONDS) -> _T:
    """Return what `found` returns once it is not None; fails after so many seconds, naming `what`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = await found()
        if result is not None:
            return result
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} seconds")
