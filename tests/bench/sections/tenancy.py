"""Section `tenancy`: forty institutions in one gateway, each kind of question, beside one institution alone.

Both gateways run at the same time, each on a database of its own, and are asked in turn: the same question about as
many credentials of its own. Whatever comes back is looked through for anything of another institution.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import msgspec

from proto.ids import CredentialId
from services.clients.gateway import GatewayClient
from services.issuer_gateway.keys.vault import vault_folder
from services.persistence.postgres import connected
from services.persistence.postgres_session import PoolLimits
from tests.bench.figures import Goal, Row, Series, percentile
from tests.bench.many_tenants import ManyTenants, credential_id, learner_ref, one_of, slugs
from tests.bench.results import say
from tests.bench.run import Run
from tests.bench.size import QUICK
from tests.bench.stand import Stand, open_stand
from tests.bench.tenant import ADMITTED_TIMEOUT_S, POLL_S, Tenant, make_tenant

SECTION = "tenancy"
TENANTS, TENANTS_QUICK = 40, 4
ASKED_PER_ROUND, ASKED_QUICK = 100, 20
"""Times that each gateway is asked each question in a round: one, then the other."""
RATIO_MAX = 1.2
_OWN_NAME = re.compile(r"\b(t\d\d)-")
_IDS = re.compile(r'"credential_id":"([0-9a-f]{64})"')


class OneTenant(msgspec.Struct, kw_only=True):
    """A tenant to be asked about: what it holds, and what opens it."""

    slug: str
    url: str
    tenant: Tenant
    count: int
    issued: list[CredentialId] = msgspec.field(default_factory=list)
    """What it issued through the API."""
    link: str = ""
    applications: list[str] = msgspec.field(default_factory=list)
    cookie: str = ""

    def is_own(self, name: CredentialId, known: set[CredentialId]) -> bool:
        """Tell whether a credential is this tenant's."""
        return name in known or name in self.issued


Question = tuple[str, str]
"""A name, and a path in which stand the places that a tenant fills."""
QUESTIONS: tuple[Question, ...] = (
    ("credentials, a page", "/v1/credentials"),
    ("credentials of a learner", "/v1/credentials?learner={learner}"),
    ("a credential", "/v1/credentials/{credential}"),
    ("a document", "/v1/credentials/{issued}/document"),
    ("an issue", "POST /v1/credentials"),
    ("achievements", "/v1/achievements"),
    ("what a learner can stack", "/v1/learners/{learner}/stacks"),
    ("applications, a page", "/v1/recognition-applications?state=open"),
    ("an application", "/v1/recognition-applications/{application}"),
    ("the report on recognition", "/v1/recognition-report"),
    ("the office's page", "/office/applications"),
    ("links of a learner", "/v1/holder-links?learner={learner}"),
    ("a learner's page", "/credentials/{link}"),
    ("the audit trail, 100 entries", "/v1/audit-trail?after=5&limit=100"),
    ("API keys", "/v1/keys"),
    ("batches", "/v1/batches"),
    ("requests", "/v1/requests"),
)


async def measure(run: Run) -> list[Row]:
    """Return two rows for each question: the middle, and the slow end of each round."""
    is_quick = run.size.seconds == QUICK.seconds
    names = list(slugs(TENANTS_QUICK if is_quick else TENANTS))
    each = run.size.tenancy_credentials // len(names)
    async with AsyncExitStack() as stack:
        many = await stack.enter_async_context(_filled(names, each))
        alone = await stack.enter_async_context(_filled(names[:1], each))
        session = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        asked = ASKED_QUICK if is_quick else ASKED_PER_ROUND
        knows = _known(names, each)
        asking = Asking(session, random.Random(7), knows=knows, rounds=run.size.rounds, asked=asked)
        found = []
        for name, path in QUESTIONS:
            rows = await asking.rows(name, path, many, alone)
            for row in rows:
                say("         " + " | ".join(cell for cell in row.cells() if cell != "-"))
            found += rows
        say(f"         {asking.answered:,} answers, none held anything of another institution")
        return found


def _known(names: Sequence[str], each: int) -> dict[str, set[CredentialId]]:
    return {slug: {credential_id(slug, number) for number in range(each)} for slug in names}


@asynccontextmanager
async def _filled(names: Sequence[str], each: int) -> AsyncIterator[list[OneTenant]]:
    """Yield the tenants of a gateway that runs, each with so many credentials."""
    async with open_stand(rules_version=2) as stand:
        started = time.monotonic()
        await stand.only("ledger", "gateway")
        tenants = [await _begun(stand, slug, each) for slug in names]
        await stand.only("ledger")
        await _fill(stand, tenants)
        await stand.only("ledger", "gateway")
        for each_tenant in tenants:
            await _ready(stand, each_tenant)
        seconds = time.monotonic() - started
        say(f"         {len(names)} institutions of {each:,} credentials stand after {seconds:.0f} s")
        yield tenants


async def _begun(stand: Stand, slug: str, each: int) -> OneTenant:
    """Return a tenant that has issued one credential through the API, which is on the log."""
    tenant = await make_tenant(stand, slug)
    found = OneTenant(slug=slug, url=stand.addresses.gateway, tenant=tenant, count=each)
    client = GatewayClient(stand.session, stand.addresses.gateway, token=tenant.api_key)
    issued = await client.issue(_award(found, "first"), key=f"{slug}-first")
    found.issued.append(issued.credential_id)
    async with asyncio.timeout(ADMITTED_TIMEOUT_S):
        while True:
            answer = await client.credential(issued.credential_id)
            if answer.status is not None:
                return found
            await asyncio.sleep(POLL_S)


def _award(of: OneTenant, who: str) -> dict[str, object]:
    learner = {"ref": f"{of.slug}-{who}", "given_name": f"{of.slug}-given", "family_name": f"{of.slug}-family"}
    return {"learner": learner, "achievement": of.tenant.achievement, "valid_from": "2026-01-01T00:00:00Z"}


async def _fill(stand: Stand, tenants: Sequence[OneTenant]) -> None:
    key_file = Path(stand.addresses.master_key_file)
    owner = stand.postgres.url(role="gateway_owner", database="gateway")
    limits = PoolLimits(statement_timeout_ms=600_000, command_timeout_ms=660_000)
    async with connected(owner, application_name="bench", limits=limits) as connection:
        many = ManyTenants(connection, key_file, vault_folder(None, key_file))
        try:
            for number, each in enumerate(tenants, start=1):
                like = await one_of(connection, each.slug, each.tenant.achievement)
                await many.fill(each.slug, like, each.count)
                say(f"         {number} of {len(tenants)}: {each.slug} has {each.count:,} credentials")
            await many.settle()
        finally:
            many.close()


async def _ready(stand: Stand, each: OneTenant) -> None:
    """Make what opens a tenant's pages: a learner's link, ids of applications, a session of the office."""
    client = GatewayClient(stand.session, stand.addresses.gateway, token=each.tenant.api_key)
    made = await client.make_holder_link({"learner": f"{each.slug}-first"})
    assert made.link is not None, "it is shown this once"
    each.link = made.link.rpartition("/")[2]
    async for application in client.all_applications(state="open"):
        each.applications.append(application.application_id)
        if len(each.applications) == ASKED_PER_ROUND:
            break
    form = {"key": each.tenant.api_key, "then": "/office/applications"}
    async with stand.session.post(f"{each.url}/office/session", data=form, allow_redirects=False) as response:
        each.cookie = response.headers["Set-Cookie"].partition(";")[0]


class Asking:
    """Asks two gateways in turn, and looks at all that they answer."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        chosen: random.Random,
        *,
        knows: dict[str, set[CredentialId]],
        rounds: int,
        asked: int,
    ) -> None:
        self._rounds, self._asked = rounds, asked
        self._session = session
        self._chosen = chosen
        self._knows = knows
        self.answered = 0
        self._issues = 0

    async def rows(self, name: str, path: str, many: Sequence[OneTenant], alone: Sequence[OneTenant]) -> list[Row]:
        """Return how long a question takes to answer, in the middle and at the slow end, beside the one tenant's.

        One is asked right after the other, so that both have the same minutes of the machine; a first round is lost.
        """
        ours: list[list[float]] = []
        others: list[list[float]] = []
        for _ in range(self._rounds + 1):
            ours.append([])
            others.append([])
            for number in range(self._asked):
                both = [(ours[-1], many), (others[-1], alone)]
                for samples, tenants in both if number % 2 else reversed(both):
                    samples.append(await self._timed(path, self._chosen.choice(tenants)))
        goal = (Goal(on="ratio", at_most=RATIO_MAX),)
        return [
            Row(
                section=SECTION,
                what=f"{name}, p{percent}",
                ours=Series(name=name, unit="ms", samples=tuple(percentile(each, percent) for each in ours[1:])),
                limit=Series(name="alone", unit="ms", samples=tuple(percentile(each, percent) for each in others[1:])),
                goals=goal,
            )
            for percent in (50, 99)
        ]

    async def _timed(self, path: str, of: OneTenant) -> float:
        """Return the milliseconds of an answer, which holds nothing of anybody else."""
        method, _, asked = path.rpartition(" ")
        number = self._chosen.randrange(of.count)
        places = {
            "learner": learner_ref(of.slug, number // 4),
            "credential": credential_id(of.slug, number),
            "issued": of.issued[0],
            "application": self._chosen.choice(of.applications),
            "link": of.link,
        }
        headers = {"Cookie": of.cookie} if asked.startswith("/office") else {}
        headers |= {"Authorization": f"Bearer {of.tenant.api_key}"} if asked.startswith("/v1") else {}
        self._issues += 1
        body = _award(of, f"issue-{self._issues}") if method else None
        started = time.perf_counter()
        async with self._session.request(
            method or "GET", of.url + asked.format(**places), headers=headers, json=body
        ) as response:
            text = await response.text()
        taken = (time.perf_counter() - started) * 1_000
        assert response.status in {200, 201, 202}, f"{path} of {of.slug}: {response.status} {text[:300]}"
        self._look_through(text, of, is_issue=bool(method))
        return taken

    def _look_through(self, text: str, of: OneTenant, *, is_issue: bool) -> None:
        self.answered += 1
        names = {CredentialId(each) for each in _IDS.findall(text)}
        if is_issue:
            of.issued.extend(names)
        assert set(_OWN_NAME.findall(text)) <= {of.slug}, f"{of.slug} was answered with a name of another's"
        assert all(of.is_own(each, self._knows[of.slug]) for each in names), f"{of.slug} got another's credential"
