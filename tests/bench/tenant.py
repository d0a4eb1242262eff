"""An institution of the gateway with one achievement, ready to issue; made over HTTP as a real one is."""

import asyncio
import secrets
from pathlib import Path

import msgspec

from proto.keys import SecretKey
from services.clients.gateway import GatewayClient
from services.command.demo_walk import EXAMPLES
from services.command.submit import submit
from services.settings import read_secret
from tests.bench.load import request
from tests.bench.stand import Stand
from tests.support.statements import ACCREDITATION, SCOPE

ADMITTED_TIMEOUT_S = 60.0
POLL_S = 0.05
CSV_HEADER = "learner_ref,given_name,family_name,achievement,valid_from"


class Tenant:
    """What a client of the gateway needs to issue; its requests are made before anything is measured."""

    def __init__(self, *, api_key: str, achievement: str) -> None:
        self.api_key = api_key
        self.achievement = achievement

    def issue_requests(self, count: int) -> list[bytes]:
        """Return so many requests, each to issue one credential to another learner."""
        return [request("POST", "/v1/credentials", self.award(), headers=self.headers()) for _ in range(count)]

    def batch_requests(self, count: int, rows: int) -> list[bytes]:
        """Return so many requests, each to issue a CSV of so many rows."""
        return [request("POST", "/v1/batches", self.csv(rows), headers=self.headers("text/csv")) for _ in range(count)]

    def headers(self, content_type: str = "application/json") -> dict[str, str]:
        """Return the headers of one request, with an idempotency key of its own."""
        return {
            "Content-Type": content_type,
            "Authorization": f"Bearer {self.api_key}",
            "Idempotency-Key": secrets.token_hex(16),
        }

    def award(self) -> bytes:
        """Return the body of one issue, to a learner who has none yet."""
        learner = {"ref": secrets.token_hex(8), "given_name": "Zoë", "family_name": "Løvstad"}
        return msgspec.json.encode(
            {"learner": learner, "achievement": self.achievement, "valid_from": "2026-01-01T00:00:00Z"}
        )

    def csv(self, count: int) -> bytes:
        """Return a file of so many awards, each to another learner who has none yet."""
        rows = (f"{secrets.token_hex(8)},Zoë,Løvstad,{self.achievement},2026-01-01" for _ in range(count))
        return "\n".join([CSV_HEADER, *rows, ""]).encode()


async def make_tenant(stand: Stand, slug: str) -> Tenant:
    """Make an institution at the gateway, have it admitted, and describe an achievement."""
    operator = read_secret(Path(stand.addresses.operator_token_file)).decode()
    client = GatewayClient(stand.session, stand.addresses.gateway, token=operator)
    created = await client.create_institution(
        {
            "slug": slug,
            "legal_name": slug,
            "country": "NL",
            "recovery_public_key": SecretKey.generate().public_key,
            "scope": SCOPE,
            "accreditation": ACCREDITATION,
        }
    )
    fields = msgspec.structs.asdict(created.admission_request)
    await submit(stand.addresses.ledger, stand.registrar.say(stand.admission, **fields))
    async with asyncio.timeout(ADMITTED_TIMEOUT_S):
        while not await _is_admitted(client, slug):  # noqa: ASYNC110 - the state is another process's
            await asyncio.sleep(POLL_S)
    achievement = msgspec.json.decode((EXAMPLES / "achievements" / "data-literacy.json").read_bytes())
    del achievement["uri"]
    described = await GatewayClient(stand.session, stand.addresses.gateway, token=created.api_key).describe(
        achievement, key=secrets.token_hex(16)
    )
    return Tenant(api_key=created.api_key, achievement=described.achievement.uri)


async def _is_admitted(client: GatewayClient, slug: str) -> bool:
    page = await client.institutions()
    return any(item.slug == slug and item.state == "admitted" for item in page.institutions)
