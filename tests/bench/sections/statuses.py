"""Section `statuses`: what a place on a status list and a list's publication cost as the credentials grow in number.

The rows below the lists are made by SQL, as issuing would have left them, each list full before the next; what is
measured is the gateway's own code, over its database, on the list that was begun last.
"""

import io
import time
from collections.abc import Awaitable, Callable

from services.edge import Log, listening
from services.issuer_gateway.app import PARTS, make_app
from services.issuer_gateway.config import PREFIX, Config
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.institutions.institution_commands import tenant_of
from services.issuer_gateway.store import status_lists, tenants
from services.issuer_gateway.wiring.parts import Parts
from services.persistence.postgres import Connection, connected
from services.settings import load_settings
from tests.bench.figures import Goal, Row, Series
from tests.bench.load import Burst, fire
from tests.bench.run import Run
from tests.bench.size import QUICK
from tests.bench.stand import HOST, port_of
from tests.bench.tenant import make_tenant

SECTION = "statuses"
SLUG = "bench-statuses"
SIZES, SIZES_QUICK = (10_000, 100_000, 1_000_000), (1_000, 10_000)
GROW_ROWS = 100_000
ROUNDS = 7
PLACES_PER_ROUND = 1_024
GROWTH_MAX = 1.15


async def measure(run: Run) -> list[Row]:
    """Return the rows of this section."""
    await run.stand.only("ledger", "gateway")
    tenant = await make_tenant(run.stand, SLUG)
    port = port_of(run.stand.addresses.gateway)
    requests = tenant.issue_requests(1)
    (await run.crew.run(fire, Burst(host=HOST, port=port, requests=requests, connections=1, seconds=10))).check(
        status=201
    )
    settings = run.stand.running["gateway"].settings
    await run.stand.only("ledger")
    config = load_settings(Config, PREFIX, settings)
    app = make_app(config, log=Log("gateway", io.BytesIO()))
    owner = run.stand.postgres.url(role="gateway_owner", database="gateway")
    admin = run.stand.postgres.admin_url
    async with (
        listening(app, host=HOST, port=0),
        connected(owner, application_name="bench") as connection,
        connected(admin, application_name="bench") as superuser,
    ):
        gateway = app[PARTS]
        growing = Growing(gateway, connection, superuser, await tenant_of(gateway.pool, SLUG))
        sizes = SIZES_QUICK if run.size.seconds == QUICK.seconds else SIZES
        found = {size: await growing.at(size) for size in sizes}
    return [row for size in sizes for row in _rows(size, found[size], found[sizes[0]], sizes[0])]


Figures = dict[str, tuple[float, ...]]


def _rows(size: int, ours: Figures, first: Figures, first_size: int) -> list[Row]:
    return [
        Row(
            section=SECTION,
            what=f"{name}, {size:,} credentials",
            ours=Series(name=name, unit="ms", samples=samples),
            limit=Series(name=f"itself at {first_size:,}", unit="ms", samples=first[name]),
            goals=(Goal(on="ratio", at_most=GROWTH_MAX),),
        )
        for name, samples in ours.items()
    ]


class Growing:
    """An institution with more and more credentials, and what its status lists cost."""

    def __init__(self, gateway: Parts, connection: Connection, superuser: Connection, tenant: Tenant) -> None:
        self._gateway = gateway
        self._superuser = superuser
        self._connection = connection
        self._tenant = tenant

    async def at(self, size: int) -> Figures:
        """Return the samples of each figure, once there are so many credentials."""
        await self._grow(size)
        stored = await status_lists.newest_number(self._connection, self._tenant.institution_id)
        await self._gateway.status_lists.published(self._tenant, stored)
        return {
            "a place on a status list": await _timed(self._places, per=PLACES_PER_ROUND),
            "a status list published after a revocation": await self._publications(),
        }

    async def _places(self) -> None:
        await self._gateway.status_lists.reserve(self._tenant, PLACES_PER_ROUND)
        for _ in range(PLACES_PER_ROUND):
            await self._gateway.status_lists.place(self._tenant)

    async def _publications(self) -> tuple[float, ...]:
        """Return milliseconds that it took to publish the newest list after each of some bits was set."""
        samples: list[float] = []
        for _ in range(ROUNDS):
            number = await self._connection.fetchval(_SET_ONE, self._tenant.institution_id)
            started = time.perf_counter()
            await self._gateway.status_lists.published(self._tenant, number)
            samples.append((time.perf_counter() - started) * 1_000)
        return tuple(samples)

    async def _grow(self, size: int) -> None:
        while (count := await self._connection.fetchval(_COUNT, self._tenant.institution_id)) < size:
            stored = await tenants.by_id(self._connection, self._tenant.institution_id)
            await self._gateway.status_lists.reserve(self._tenant, 1)
            free: int = await self._connection.fetchval(_FREE, stored.institution_id)
            if free == 0:  # full: the gateway begins another
                await self._spend()
                continue
            await self._connection.execute(_GROW, stored.institution_id, min(size - count, GROW_ROWS, free))
        for table in ("outbox", "credential", "status_place", "status_list"):  # what would be done meanwhile, before
            await self._connection.execute(f"VACUUM (ANALYZE) {table}")
        await self._superuser.execute("CHECKPOINT")

    async def _spend(self) -> None:
        """Use up the places that the gateway has at hand, so that it takes its next ones."""
        before = await status_lists.newest_number(self._connection, self._tenant.institution_id)
        while await status_lists.newest_number(self._connection, self._tenant.institution_id) == before:
            await self._gateway.status_lists.place(self._tenant)


async def _timed(work: Callable[[], Awaitable[None]], *, per: int = 1) -> tuple[float, ...]:
    """Return milliseconds of each round; the first one does not count."""
    samples = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        await work()
        samples.append((time.perf_counter() - started) * 1_000 / per)
    return tuple(samples[1:])


_COUNT = "SELECT count(*) FROM status_place WHERE institution_id = $1"
"""Of our own: other sections of the same run have issued before."""
_FREE = """SELECT entry_count - allocated_count FROM status_list WHERE institution_id = $1 AND is_open"""
_SET_ONE = """
    WITH one AS (SELECT credential_id, list_number FROM status_place
            WHERE institution_id = $1 AND NOT is_set ORDER BY list_number DESC, list_index DESC LIMIT 1),
        set_bit AS (UPDATE status_place SET is_set = true FROM one WHERE status_place.credential_id = one.credential_id)
    UPDATE status_list SET version = version + 1
    FROM one
    WHERE status_list.institution_id = $1 AND status_list.number = one.list_number RETURNING status_list.number"""
_GROW = """
    WITH list AS (UPDATE status_list SET allocated_count = allocated_count + $2::integer
            WHERE institution_id = $1 AND is_open RETURNING number, allocated_count - $2::integer AS first),
        sample AS (SELECT * FROM credential WHERE institution_id = $1 ORDER BY created_at LIMIT 1),
        fresh AS (SELECT place, sha256(convert_to(list.number || '-' || (first + place), 'UTF8')) AS id, first
            FROM list, generate_series(0, $2::integer - 1) AS place),
        said AS (INSERT INTO outbox (event_id, institution_id, stream, event_type, envelope, state, leaf_index)
            SELECT id, $1, id, 'credential-issued.v1', '\\x00', 'published', place FROM fresh RETURNING event_id),
        made AS (INSERT INTO credential (credential_id, institution_id, learner_id, achievement_id, revision, event_id,
                ects_hundredths, components, sealed_document)
            SELECT said.event_id, $1, learner_id, achievement_id, revision, said.event_id, 0, '{}', '\\x00'
            FROM said, sample RETURNING credential_id)
    INSERT INTO status_place (credential_id, institution_id, list_number, list_index, is_set)
    SELECT id, $1, number, list.first + place, place % 100 = 0 FROM fresh, list
    ON CONFLICT DO NOTHING"""
