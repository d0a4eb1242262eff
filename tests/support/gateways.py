"""An issuer gateway that really runs, against a real ledger, for any test; may be stopped and started again.

`RunningGateway.institution(slug)` makes a tenant and has the test's registrar admit it. `fsck` closes every test that
uses the fixture.
"""

import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec

from proto import events
from proto.keys import SecretKey
from proto.wire.gateway import AchievementAnswer, CredentialAnswer, EventAnswer
from proto.wire.institutions import InstitutionCreated
from services.edge import Log, listening
from services.issuer_gateway.app import PARTS, apply_migrations, make_app
from services.issuer_gateway.config import Config
from services.issuer_gateway.fsck.database_check import Report, check
from services.issuer_gateway.http.caller import GATEWAY
from services.issuer_gateway.keys.keystore import Keystore, create_master_key
from services.issuer_gateway.keys.vault import Vault, vault_folder
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.wiring.parts import Parts
from services.persistence import postgres
from services.persistence.postgres_session import UNHURRIED
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import RunningLedger, until
from tests.support.ports import free_port
from tests.support.statements import ACCREDITATION, SCOPE

OPERATOR_TOKEN = "operator-of-the-tests"
PUBLIC_URL = "http://localhost:8102"
NO_WAIT: Mapping[str, Any] = {"sequencing_wait_ms": 100}
"""Settings of a gateway where what requests wait for never comes: the ledger is away, or nobody is admitted."""
OK, CREATED, ACCEPTED = 200, 201, 202
OWN_PREFIX = "https://{slug}.example/"

_T = TypeVar("_T")


class Answered(msgspec.Struct, frozen=True):
    """An HTTP answer: its status, its decoded body and its headers."""

    status: int
    body: Any
    headers: Mapping[str, str]

    def as_(self, kind: type[_T]) -> _T:
        """Return the body as a record."""
        return msgspec.convert(self.body, kind)

    @property
    def slug(self) -> str:
        """The last part of the problem's type."""
        return str(self.body["type"]).rpartition(":")[2]


class Client:
    """Talks to a gateway with one token over a real socket.

    With `follows`, what is on its way to the log (202) is asked for until it is there, as whoever meets a slow ledger
    does: so a test that says 201 is right on any machine.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None, *, follows: bool = True) -> None:
        self._session = session
        self._url = url
        self._token = token
        self._follows = follows

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        media_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """Send a request; bytes are sent as they are, everything else as JSON."""
        answered = await self._once(method, path, body, key=key, media_type=media_type, headers=headers or {})
        return await self._on_log(answered) if self._follows and answered.status == ACCEPTED else answered

    async def _once(
        self, method: str, path: str, body: Any, *, key: str | None, media_type: str, headers: dict[str, str]
    ) -> Answered:
        sent = {"Content-Type": media_type} if body is not None else {}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        if key is not None:
            sent["Idempotency-Key"] = key
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else msgspec.json.encode(body))
        async with self._session.request(method, self._url + path, data=data, headers=sent | headers) as response:
            content = await response.read()
            decoded = msgspec.json.decode(content) if content else None
            return Answered(response.status, decoded, response.headers)

    async def _on_log(self, answered: Answered) -> Answered:
        """Return the answer of now to what was on its way to the log; a list that is worked on has its own progress."""
        place = answered.headers.get("Location", "")
        if not place.startswith(("/v1/events/", "/v1/credentials/")):
            return answered

        async def ask() -> Answered | None:
            found = await self.get(place)
            said = found.body.get("issue", found.body)
            if found.status != OK or said["state"] == "refused":
                return answered
            return None if said["state"] == "pending" else Answered(CREATED, found.body, answered.headers)

        return await until(ask, f"{place} is on the log")

    async def get(self, path: str, **headers: str) -> Answered:
        """Return the answer to a GET."""
        return await self.send("GET", path, headers=headers)

    async def post(self, path: str, body: Any, *, key: str | None = None) -> Answered:
        """Return the answer to a POST of JSON."""
        return await self.send("POST", path, body, key=key)


def achievement(name: str = "hydrology", **fields: Any) -> dict[str, Any]:
    """Return what describes an achievement of 3.5 ECTS at EQF level 6."""
    return {
        "id": name,
        "title": {"en": name.title(), "nl": f"Leerdoel {name}"},
        "description": {"en": f"All about {name}"},
        "criteria": {"en": "An exam is passed"},
        "language": "en",
        "ects_hundredths": 350,
        "eqf_level": 6,
        "learning_outcomes": [{"title": {"en": "Explains it"}}],
        "assessment_types": ["written-exam"],
    } | fields


class Office:
    """An institution of the gateway: its client with all scopes, its DID, its admission request."""

    def __init__(self, gateway: "RunningGateway", created: InstitutionCreated) -> None:
        self.gateway = gateway
        self.created = created
        self.client = gateway.client(created.api_key)
        self.did = created.did
        self.slug = created.slug

    async def describe(self, name: str = "hydrology", **fields: Any) -> AchievementAnswer:
        """Describe an achievement."""
        answered = await self.client.post("/v1/achievements", achievement(name, **fields))
        assert answered.status == 201, answered
        return answered.as_(AchievementAnswer)

    def award(self, uri: str, ref: str = "learner-1", **fields: Any) -> dict[str, Any]:
        """Return what awards an achievement to a learner."""
        return {
            "learner": {"ref": ref, "given_name": "Zoë", "family_name": f"Łukasiewicz {ref}"},
            "achievement": uri,
            "valid_from": "2026-01-01T00:00:00Z",
        } | fields

    async def issue(
        self, uri: str, ref: str = "learner-1", *, key: str | None = None, **fields: Any
    ) -> CredentialAnswer:
        """Issue a credential."""
        answered = await self.client.post("/v1/credentials", self.award(uri, ref, **fields), key=key)
        assert answered.status in {201, 202}, answered
        return answered.as_(CredentialAnswer)

    async def published(self, credential_id: str) -> CredentialAnswer:
        """Return a credential once its issue is published."""

        async def ask() -> CredentialAnswer | None:
            answered = await self.client.get(f"/v1/credentials/{credential_id}")
            found = answered.as_(CredentialAnswer)
            assert found.issue.state != "refused", found
            return found if found.issue.state == "published" else None

        return await until(ask, "the credential is published")

    async def event_published(self, event_id: str) -> EventAnswer:
        """Return an event once it is published."""

        async def ask() -> EventAnswer | None:
            found = (await self.client.get(f"/v1/events/{event_id}")).as_(EventAnswer)
            assert found.state != "refused", found
            return found if found.state == "published" else None

        return await until(ask, "the event is published")


class RunningGateway:
    """A gateway service on a free port with its own database."""

    def __init__(self, config: Config, database: Database, ledger: RunningLedger) -> None:
        self.config = config
        self.database = database
        self.ledger = ledger
        self.url = ""
        self.log = io.BytesIO()
        self.ended_with: list[int] = []
        self.inside: Parts | None = None
        self.commands: Gateway | None = None
        self._stack: contextlib.AsyncExitStack | None = None

    async def start(self) -> None:
        """Start the service; the port stays the same over restarts."""
        if not self.config.port:
            self.config = msgspec.structs.replace(self.config, port=free_port())
        stack = contextlib.AsyncExitStack()
        app = make_app(self.config, log=Log("gateway", self.log), end_process=self.ended_with.append)
        address = await stack.enter_async_context(listening(app, host=self.config.host, port=self.config.port))
        self._stack, self.url, self.inside = stack, address.url, app[PARTS]
        self.commands = app[GATEWAY]

    async def stop(self) -> None:
        """Stop the service, if it runs."""
        stack, self._stack = self._stack, None
        if stack is not None:
            await stack.aclose()

    def client(self, token: str | None = None) -> Client:
        """Return a client with this token, or without one."""
        follows = self.config.sequencing_wait_ms != NO_WAIT["sequencing_wait_ms"]
        return Client(self.ledger.session, self.url, token, follows=follows)

    @property
    def operator(self) -> Client:
        """The operator's client."""
        return self.client(OPERATOR_TOKEN)

    def request(self, slug: str, **fields: Any) -> dict[str, Any]:
        """Return what makes a tenant."""
        return {
            "slug": slug,
            "legal_name": f"Hogeschool {slug.title()}",
            "country": "NL",
            "recovery_public_key": SecretKey.generate().public_key,
            "scope": SCOPE,
            "accreditation": ACCREDITATION,
            "uri_prefixes": [OWN_PREFIX.format(slug=slug)],
        } | fields

    async def tenant(self, slug: str, **fields: Any) -> Office:
        """Make a tenant; it is not admitted."""
        answered = await self.operator.post("/v1/institutions", self.request(slug, **fields))
        assert answered.status == 201, answered
        return Office(self, answered.as_(InstitutionCreated))

    async def ready(self) -> None:
        """Wait until the gateway has followed the log: until then it does not know by which rules it prepares."""

        async def ask() -> bool | None:
            return True if (await self.client().get("/readyz")).status == 200 else None

        await until(ask, "the gateway is ready")

    async def admit(self, office: Office) -> None:
        """Have the registrar admit the institution, and wait until the gateway has followed it."""
        request = msgspec.structs.asdict(office.created.admission_request)
        registrar = self.ledger.registrar
        kind = events.IssuerAdmitted if registrar.rules_version == 1 else events.IssuerAdmittedV2
        await self.ledger.say(registrar.make(kind, registrar.registrar, **request))

        async def ask() -> bool | None:
            found = await self.client().get(f"/v1/institutions/{office.slug}")
            return True if found.body["state"] == "admitted" else None

        await until(ask, f"{office.slug} is admitted")

    async def institution(self, slug: str, **fields: Any) -> Office:
        """Make a tenant and have it admitted."""
        office = await self.tenant(slug, **fields)
        await self.admit(office)
        return office

    async def database_count(self, table: str) -> int:
        """Return how many rows a table has."""
        async with postgres.connected(self.database.owner_url, application_name="count") as connection:
            count: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
            return count

    async def fsck(self) -> Report:
        """Check everything that the database holds."""
        keystore = Keystore.from_file(self.config.master_key_file)
        with contextlib.closing(Vault(vault_folder(self.config.key_folder, self.config.master_key_file))) as vault:
            url = self.database.owner_url
            async with postgres.connected(url, application_name="fsck", limits=UNHURRIED) as connection:
                return await check(connection, keystore, vault)


def gateway_config(database: Database, folder: Path, ledger: RunningLedger, **fields: Any) -> Config:
    """Return settings for a test: a free port, short pauses, secrets in `folder`."""
    folder.mkdir(exist_ok=True)
    master, token = folder / "master.key", folder / "operator-token"
    if not master.exists():
        create_master_key(master)
        token.write_text(OPERATOR_TOKEN + "\n")
        token.chmod(0o600)
    values: dict[str, Any] = {
        "port": 0,
        "public_url": PUBLIC_URL,
        "database_url": database.running_url,
        "migration_database_url": database.owner_url,
        "ledger_url": ledger.url,
        "log_verifier_key": ledger.verifier_key,
        "master_key_file": master,
        "operator_token_file": token,
        "relay_backoff_ms_min": 10,
        "relay_backoff_ms_max": 100,
        "relay_poll_ms": 100,
        "shutdown_timeout_seconds": 2.0,
    }
    return Config(**(values | fields))


async def gateway_database(make_database: MakeDatabase, folder: Path, ledger: RunningLedger) -> Database:
    """Return a database with the gateway's tables."""

    async def with_tables(database: Database) -> None:
        await apply_migrations(gateway_config(database, folder, ledger))

    return await make_database("gateway_tables", prepare=with_tables)


@contextlib.asynccontextmanager
async def running_gateway(
    make_database: MakeDatabase, folder: Path, ledger: RunningLedger, **fields: Any
) -> AsyncIterator[RunningGateway]:
    """Run a gateway while the block runs; at its end nothing may be damaged."""
    database = await gateway_database(make_database, folder, ledger)
    fields = {"migration_database_url": None, **fields}  # the tables are there
    gateway = RunningGateway(gateway_config(database, folder, ledger, **fields), database, ledger)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()
    assert gateway.ended_with == []
    report = await gateway.fsck()
    assert report.damages == (), report.damages
