"""Standing decisions, invited endorsers, endorsements and recognition by version 2, through a running gateway."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.clients.gateway import AnsweredProblem, GatewayClient
from services.command.key_file import write_key
from tests.support.commands import credentify
from tests.support.databases import MakeDatabase
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.statements import secret_key

NOWHERE = "f" * 64


class Offices:
    """A university with a credential, and an institution abroad, on a log of version 2; both have a client."""

    def __init__(self, gateway: RunningGateway, ledger: RunningLedger, home: Office, abroad: Office) -> None:
        self.gateway, self.ledger, self.home, self.abroad = gateway, ledger, home, abroad
        self.achievement = ""
        self.credential = ""

    async def published(self, office: Office, answered: Answered) -> str:
        """Return the event's id once the gateway has followed it."""
        assert answered.status == 201, answered
        event_id = str(answered.body["event_id"])
        await office.event_published(event_id)
        return event_id

    def decision(self, **fields: Any) -> dict[str, Any]:
        """Return a request for a standing decision of the institution abroad."""
        return {
            "achievement_issuer": self.home.did,
            "achievement": self.achievement,
            "decision": "full",
            "ects_hundredths": 350,
            "programme": "https://nadmorska.example/programmes/1",
            "valid_until": "2029-06-30",
        } | fields

    def recognition(self, **fields: Any) -> dict[str, Any]:
        """Return a request for a recognition."""
        return {
            "credential_id": self.credential,
            "decision": "full",
            "ects_hundredths": 350,
            "programme": "https://nadmorska.example/programmes/1",
        } | fields


@pytest.fixture
def registrar() -> Registrar:
    """Who opens its log with rules version 2, as every new log is opened."""
    return Registrar(rules_version=2)


@pytest.fixture
async def offices(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[Offices]:
    async with (
        running_ledger(make_database, tmp_path / "ledger", registrar) as ledger,
        running_gateway(make_database, tmp_path / "gateway", ledger) as gateway,
    ):
        home, abroad = await gateway.institution("waterland"), await gateway.institution("nadmorska")
        found = Offices(gateway, ledger, home, abroad)
        found.achievement = (await home.describe()).achievement.uri
        issued = await home.issue(found.achievement)
        found.credential = issued.credential_id
        await home.published(issued.credential_id)
        yield found


async def test_decisions_are_made_followed_and_withdrawn(offices: Offices) -> None:
    abroad = offices.abroad.client
    made = await abroad.post("/v1/standing-decisions", offices.decision(ects_hundredths_min=300), key="decide")
    assert "credential_id" not in made.body
    decision = await offices.published(offices.abroad, made)
    again = await abroad.post("/v1/standing-decisions", offices.decision(ects_hundredths_min=300), key="decide")
    assert (again.status, again.body["event_id"]) == (201, decision)
    twice = await abroad.post("/v1/standing-decisions", offices.decision())
    assert (twice.status, twice.slug) == (409, "already-exists")
    (listed,) = (await abroad.get("/v1/standing-decisions")).body["standing_decisions"]
    assert (listed["event_id"], listed["state"], listed["is_in_force"]) == (decision, "live", True)
    assert listed["valid_until"] == "2029-07-01T00:00:00.000Z", "the last day is included"
    recognised = await offices.published(
        offices.abroad, await abroad.post("/v1/recognitions", offices.recognition(under=decision))
    )
    elsewhere = offices.recognition(programme="https://nadmorska.example/programmes/2", replaces=recognised)
    second = await offices.published(offices.abroad, await abroad.post("/v1/recognitions", elsewhere))
    gone = await abroad.send("DELETE", f"/v1/recognitions/{recognised}")
    assert (gone.status, gone.slug) == (409, "credential-state")
    assert (await offices.home.client.send("DELETE", f"/v1/recognitions/{second}")).status == 404
    assert (await abroad.send("DELETE", f"/v1/recognitions/{second}")).status == 201
    assert (await offices.home.client.send("DELETE", f"/v1/standing-decisions/{decision}")).status == 404
    assert (await abroad.send("DELETE", f"/v1/endorsers/{decision}")).status == 404
    withdrawn = await abroad.send("DELETE", f"/v1/standing-decisions/{decision}")
    await offices.published(offices.abroad, withdrawn)
    (listed,) = (await abroad.get("/v1/standing-decisions")).body["standing_decisions"]
    assert (listed["state"], listed["is_in_force"]) == ("withdrawn", False)


async def test_what_a_decision_may_not_say_is_told_where_it_stands(offices: Offices) -> None:
    abroad, home = offices.abroad.client, offices.home.client
    wrong = [
        (abroad, offices.decision(valid_until="2040-01-01"), "/valid_until"),
        (abroad, offices.decision(valid_until="2029-02-30"), "/valid_until"),
        (abroad, offices.decision(programme="https://elsewhere.example/1"), "/programme"),
        (abroad, offices.decision(achievement="https://nadmorska.example/a/1"), "/achievement"),
        (home, offices.decision(programme=f"{offices.achievement}/p"), "/issuer"),
        (abroad, offices.decision(achievement_issuer="did:web:unknown.example"), "/achievement_issuer"),
    ]
    for client, request, pointer in wrong:
        refused = await client.post("/v1/standing-decisions", request)
        assert (refused.status >= 400, refused.body["pointer"]) == (True, pointer), refused


async def test_the_invited_endorse_and_both_sides_see_it(offices: Offices) -> None:
    home, abroad = offices.home.client, offices.abroad.client
    path = f"/v1/credentials/{offices.credential}/endorsements"
    refused = await abroad.post(path, {"role": "quality"})
    assert (refused.status, refused.slug) == (403, "not-invited")
    request = {"achievement": offices.achievement, "endorser": offices.abroad.did, "role": "quality"}
    invitation = await offices.published(offices.home, await home.post("/v1/endorsers", request))
    (got,) = (await abroad.get("/v1/endorsers?received=true")).body["invitations"]
    assert (got["event_id"], got["inviter"], got["state"]) == (invitation, offices.home.did, "live")
    assert (await abroad.get("/v1/endorsers")).body["invitations"] == []
    endorsement = await offices.published(offices.abroad, await abroad.post(path, {"role": "quality"}))
    for client in (home, abroad):
        (shown,) = (await client.get(path)).body["endorsements"]
        assert (shown["event_id"], shown["holds"], shown["endorser"]) == (endorsement, True, offices.abroad.did)
    assert (await home.send("DELETE", f"{path}/{endorsement}")).status == 404
    assert (await home.send("DELETE", f"/v1/endorsers/{invitation}")).status == 201

    async def fallen() -> bool | None:
        (shown,) = (await home.get(path)).body["endorsements"]
        return True if (shown["state"], shown["holds"]) == ("live", False) else None

    await until(fallen, "the invitation is withdrawn")
    assert (await abroad.send("DELETE", f"{path}/{endorsement}")).status == 201
    assert (await home.get(f"/v1/credentials/{NOWHERE}/endorsements")).body["endorsements"] == []


async def test_the_typed_client_says_and_lists_all_of_it_page_by_page(offices: Offices) -> None:
    session = offices.ledger.session
    client = GatewayClient(session, offices.gateway.url, token=offices.abroad.created.api_key)
    made = []
    for number in range(3):
        programme = f"https://nadmorska.example/programmes/{number}"
        made.append((await client.make_standing_decision(offices.decision(programme=programme))).event_id)
    await offices.abroad.event_published(made[-1])
    first = await client.standing_decisions(limit=2)
    rest = await client.standing_decisions(cursor=first.next_cursor, limit=2)
    assert [each.event_id for page in (first, rest) for each in page.standing_decisions] == made[::-1]
    assert rest.next_cursor is None
    with pytest.raises(AnsweredProblem):
        await client.endorsers(cursor=first.next_cursor)
    await client.withdraw_standing_decision(made[0])
    assert (await client.endorsers(received=True)).invitations == ()
    assert (await client.endorsements(offices.credential)).endorsements == ()  # type: ignore[arg-type] # an id


async def printed(*arguments: str | Path) -> str:
    """Run the command as a user does, and return what it printed."""
    ran = await credentify(*arguments)
    assert ran.status == 0, ran.err
    return ran.out


async def test_staff_and_the_registrar_say_all_of_it_by_command(offices: Offices, tmp_path: Path) -> None:
    def speaking(office: Office) -> tuple[str, str, str, Path]:
        file = tmp_path / f"{office.slug}.key"
        file.write_text(office.created.api_key)
        return "--gateway", offices.gateway.url, "--api-key-file", file

    def made(out: str) -> str:
        return str(json.loads(out)["event_id"])

    home, abroad = speaking(offices.home), speaking(offices.abroad)
    programme = ("--programme", "https://nadmorska.example/p/1", "--ects", "3.5", "--until", "2029-06-30")
    about = ("--issuer", offices.home.did, "--achievement", offices.achievement)
    decision = made(await printed("decision", "make", *abroad, *about, *programme, "--json"))
    invite = ("--achievement", offices.achievement, "--endorser", offices.abroad.did, "--role", "quality")
    invitation = made(await printed("endorsement", "invite", *home, *invite, "--json"))
    await offices.home.event_published(invitation)
    listed = await printed("decision", "list", *abroad)
    assert "in force  3.5 ECTS in full" in listed
    assert "quality" in await printed("endorsement", "invitations", "--received", *abroad)
    given = await printed("endorsement", "give", offices.credential, *abroad, "--role", "quality", "--json")
    await offices.abroad.event_published(made(given))
    assert "holds  quality" in await printed("endorsement", "list", offices.credential, *home)
    assert "withdrawn" in await printed("endorsement", "withdraw", offices.credential, made(given), *abroad)
    await printed("endorsement", "uninvite", invitation, *home)
    key = tmp_path / "registrar.key"
    write_key(key, secret_key("registrar", "event", 0))
    said = ("--key", key, "--ledger", offices.ledger.url, "--yes")
    assert "achievement-recognition-withdrawn.v1: entry" in await printed(
        "registrar", "withdraw", "decision", decision, *said
    )
