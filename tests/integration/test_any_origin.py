"""Pages of other origins may read what is public (CORS): answers, refusals, and what a browser asks before."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.edge.any_origin import ANY_ORIGIN
from tests.support.gateways import RunningGateway
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

ORIGIN = {"Origin": "https://portal.example"}


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        await found.catches_up()
        yield found


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/verifications", 400),
        ("GET", f"/v1/credentials/{'0' * 64}", 404),
        ("GET", f"/v1/stacks/{'0' * 64}", 404),
        ("GET", "/v1/issuers/did:web:nobody.example", 404),
        ("GET", "/v1/checkpoint", 200),
        ("GET", "/v1/statistics", 200),
    ],
)
async def test_the_verifiers_answers_may_be_read_and_asked_for(
    verifier: Verifier, method: str, path: str, status: int
) -> None:
    url, asked = verifier.url + path, {**ORIGIN, "Access-Control-Request-Method": method}
    async with verifier.session.options(
        url, headers={**asked, "Access-Control-Request-Headers": "content-type"}
    ) as may:
        assert (may.status, may.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert method in may.headers["Access-Control-Allow-Methods"].split(", ")
        assert "Content-Type" in may.headers["Access-Control-Allow-Headers"]
    body = b'{"credentialSubject": 1' if method == "POST" else None
    headers = ORIGIN | ({"Content-Type": "application/json"} if body else {})
    async with verifier.session.request(method, url, data=body, headers=headers) as answered:
        assert answered.headers["Access-Control-Allow-Origin"] == "*"
        assert answered.status == status, await answered.text()


async def test_lines_may_be_read_too(verifier: Verifier) -> None:
    headers = ORIGIN | {"Content-Type": "application/x-ndjson"}
    async with verifier.session.post(f"{verifier.url}/v1/verifications", data=b"{}\n", headers=headers) as answered:
        assert (answered.status, answered.headers["Access-Control-Allow-Origin"]) == (200, "*")


async def test_the_verifiers_pages_are_its_own(verifier: Verifier) -> None:
    async with verifier.session.get(verifier.url + "/", headers=ORIGIN) as page:
        assert "Access-Control-Allow-Origin" not in page.headers


async def test_what_a_gateway_publishes_may_be_read_and_nothing_else(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    achievement = (await office.describe()).achievement.uri
    public = gateway.client()
    for path in (
        "/issuers/waterland/did.json",
        "/issuers/nobody/did.json",
        "/issuers/waterland/status/9",
        f"/issuers/waterland/achievements/{achievement.rpartition('/')[2]}",
        "/v1/catalogue",
    ):
        answered = await public.get(path, **ORIGIN)
        assert dict(answered.headers).items() >= ANY_ORIGIN.items(), path
        may = await public.send("OPTIONS", path, headers=ORIGIN | {"Access-Control-Request-Method": "GET"})
        assert (may.status, may.headers["Access-Control-Allow-Methods"]) == (204, "GET, HEAD"), path
    for path in ("/v1/credentials", "/v1/settings", "/v1/institutions"):
        answered = await public.get(path, **ORIGIN)
        assert "Access-Control-Allow-Origin" not in answered.headers, path
        assert (await public.send("OPTIONS", path, headers=ORIGIN)).status == 405
