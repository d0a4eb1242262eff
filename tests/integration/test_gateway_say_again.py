"""What a condemned key made void and was genuine is said again from the list of it: the same credentials, once each."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto import events
from proto.events import KeyRecord
from proto.ids import Did, EventId, KeyId
from proto.moment import Moment
from proto.wire.batches import BatchAnswer
from services.command.say_again import read_list
from services.command.stolen_key import Voided, said_since
from tests.support.commands import credentify
from tests.support.gateways import OWN_PREFIX, Client, Office, RunningGateway
from tests.support.ledgers import Registrar, RunningLedger, until
from tests.support.statements import Party

NDJSON = "application/x-ndjson"
THIEFS = EventId("f" * 64)


@pytest.fixture
def registrar(request: pytest.FixtureRequest) -> Registrar:
    """A registrar who opens its log with rules version 2, or the one that a test names."""
    return Registrar(rules_version=getattr(request, "param", 2))


class Robbed:
    """An institution, what it said under a key that is condemned since, and its new key."""

    def __init__(self, gateway: RunningGateway, ledger: RunningLedger, office: Office, party: Party) -> None:
        self.gateway = gateway
        self.ledger = ledger
        self.office = office
        self.party = party
        self.stolen = next(key for key in office.created.admission_request.keys if key.purpose == "event")

    async def condemn(self) -> None:
        """Condemn the key from its beginning on, and put one of the gateway in its place."""
        registrar, party = self.ledger.registrar, self.party
        added = await self._key(self.stolen.key_id, "active")
        made = (await self.office.client.post("/v1/signing-keys", {"purpose": "event"}, key="new")).as_(KeyRecord)
        await self.ledger.say(registrar.key_addition(party, party, made), key=party.recovery)
        await self.ledger.say(registrar.condemnation(party, party, self.stolen, added["added_at"]), key=party.recovery)
        await self._key(made.key_id, "active")
        await self._key(self.stolen.key_id, "compromised")

    async def _key(self, key_id: KeyId, state: str) -> dict[str, Any]:
        async def ask() -> dict[str, Any] | None:
            shown = (await self.gateway.client().get(f"/v1/institutions/{self.office.slug}")).body["keys"]
            return next((key for key in shown if key["key_id"] == key_id and key["state"] == state), None)

        return await until(ask, f"the key is {state}")

    async def listed(self, folder: Path) -> tuple[Path, list[Voided]]:
        """Return the list that the command of the act writes, with an event of the thief's in it."""
        keys = frozenset({KeyId(self.stolen.key_id)})
        since = Moment("2020-01-01T00:00:00.000Z")
        found = [each async for each in said_since(self.ledger.client, keys, since)]
        forged = msgspec.structs.replace(found[0], event_id=THIEFS)
        file = folder / "void.ndjson"
        file.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in [*found, forged]))
        return file, found

    async def state(self, credential_id: str) -> str | None:
        """Return what the log says of a credential, by the gateway."""
        status = (await self.office.client.get(f"/v1/credentials/{credential_id}")).body.get("status")
        return status["state"] if status else None


async def say_again(robbed: Robbed, file: Path, *options: str, typed: str = "") -> tuple[int, Any, str]:
    """Run the command and return its status, what it printed (JSON decoded) and its other words."""
    token = file.with_name("api-key")
    token.write_text(robbed.office.created.api_key)
    named = ("--gateway", robbed.gateway.url, "--api-key-file", token)
    status, printed, err = await credentify("say-again", file, *named, *options, typed=typed)
    return status, json.loads(printed) if "--json" in options and printed else printed, err


@pytest.fixture
async def robbed(gateway: RunningGateway, ledger: RunningLedger) -> Robbed:
    """An institution whose recovery key is known here."""
    party = ledger.registrar.party("waterland", Did("did:web:localhost%3A8102:issuers:waterland"))
    office = await gateway.institution("waterland", recovery_public_key=party.recovery.public_key)
    return Robbed(gateway, ledger, office, party)


async def issued_together(office: Office, uri: str, count: int) -> list[str]:
    """Return the credentials of a list whose rows go out together."""
    body = b"".join(msgspec.json.encode(office.award(uri, f"l-{number}")) + b"\n" for number in range(count))
    answered = await office.client.send("POST", "/v1/batches", body, key="list", media_type=NDJSON)
    return [str(row.credential_id) for row in answered.as_(BatchAnswer).rows]


async def published(client: Client, event_id: str) -> str:
    """Wait until an event is published."""

    async def ask() -> bool | None:
        return True if (await client.get(f"/v1/events/{event_id}")).body["state"] == "published" else None

    await until(ask, "the event is published")
    return event_id


async def recognised_under_a_decision(office: Office, home: Office, uri: str, credential_id: str) -> str:
    """Make a standing decision on an achievement, recognise a credential under it, and return the decision."""
    programme, client = OWN_PREFIX.format(slug=office.slug) + "programmes/1", office.client
    counted = {"achievement": uri, "programme": programme, "ects_hundredths": 350, "decision": "full"}
    period = {"valid_from": "2026-01-01", "valid_until": "2029-01-01"}
    made = await client.post("/v1/standing-decisions", counted | period | {"achievement_issuer": home.did})
    assert made.status in {201, 202}, made
    decision = await published(client, made.body["event_id"])
    recognised = {"credential_id": credential_id, "decision": "full", "ects_hundredths": 350, "programme": programme}
    said = await client.post("/v1/recognitions", recognised | {"under": decision})
    assert said.status in {201, 202}, said
    await published(client, said.body["event_id"])
    return decision


async def test_what_was_genuine_is_said_again_by_the_same_ids_and_nothing_twice(
    robbed: Robbed, gateway: RunningGateway, tmp_path: Path
) -> None:
    office, home = robbed.office, await gateway.institution("harbour")
    client, theirs = office.client, await home.describe()
    foreign = (await home.published((await home.issue(theirs.achievement.uri)).credential_id)).credential_id
    uri = (await office.describe()).achievement.uri
    together = await issued_together(office, uri, 4)
    alone = (await office.published((await office.issue(uri, "alone")).credential_id)).credential_id
    for each in together:
        await office.published(each)
    document = (await client.get(f"/v1/credentials/{together[0]}/document?proof=none")).body
    gone = await client.post(f"/v1/credentials/{together[1]}/revoke", {"reason": "error"})
    await published(client, gone.body["event_id"])
    decision = await recognised_under_a_decision(office, home, theirs.achievement.uri, foreign)

    holds = await client.post(f"/v1/events/{decision}/again", None)
    assert (holds.status, holds.slug) == (409, "event-holds")
    await robbed.condemn()
    assert [await robbed.state(each) for each in (*together, alone)] == ["void"] * 5
    assert (await home.client.post(f"/v1/events/{decision}/again", None)).slug == "unknown-event-here"
    file, voided = await robbed.listed(tmp_path)

    status, rows, err = await say_again(robbed, file, "--dry-run", "--json")
    assert status == 0, (rows, err)
    kinds = {row["event_type"]: row["state"] for row in rows if row["event_id"] != THIEFS}
    assert kinds["credentials-issued.v1"] == kinds["credential-issued.v2"] == "would-be-said-again"
    assert kinds["credential-revoked.v1"] == kinds["credential-recognised.v2"] == "after-others"
    assert [row["state"] for row in rows if row["event_id"] == THIEFS] == ["not-said-here"]
    status, _, asked = await say_again(robbed, file, typed="n\n")
    assert (status, "present key" in asked) == (1, True)
    assert await robbed.state(alone) == "void", "a no says nothing"

    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert status == 0, (rows, err)
    now = {row["event_id"]: row["now"] for row in rows if row["event_id"] != THIEFS}
    assert now.keys() == {each.event_id for each in voided}
    for each in now.values():
        await published(client, each)
    expected = ["active", "revoked", "active", "active", "active"]
    assert [await robbed.state(each) for each in (*together, alone)] == expected
    again = await client.get(f"/v1/credentials/{together[0]}/document?proof=none")
    assert again.body == document
    decisions = (await client.get("/v1/standing-decisions")).body["standing_decisions"]
    assert [each["event_id"] for each in decisions if each["state"] == "live"] == [now[decision]]

    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert (status, {row["event_id"]: row["now"] for row in rows if row["event_id"] != THIEFS}) == (0, now), err
    size = (await robbed.ledger.client.log()).tree_size
    shown = await say_again(robbed, file, "--yes")
    assert "said again" in shown[1]
    assert (await robbed.ledger.client.log()).tree_size == size


async def stacked(office: Office) -> tuple[list[str], str]:
    """Issue two parts to one learner and stack them; return the parts, and the stack once it is published."""
    described = [await office.describe(name, ects_hundredths=300) for name in ("part-one", "part-two")]
    uris = [each.achievement.uri for each in described]
    recipe = {"ects_hundredths_min": 600, "required_achievements": uris}
    whole = await office.describe("whole", ects_hundredths=600, recipe=recipe)
    parts = [str((await office.issue(uri)).credential_id) for uri in uris]
    for part in parts:
        await office.published(part)
    answered = await office.client.post("/v1/stacks", office.award(whole.achievement.uri) | {"components": parts})
    assert answered.status in {201, 202}, answered
    stack = str(answered.body["credential_id"])
    await office.published(stack)
    return parts, stack


async def test_a_void_stack_is_said_again_behind_its_parts(robbed: Robbed, tmp_path: Path) -> None:
    parts, stack = await stacked(robbed.office)
    document = (await robbed.office.client.get(f"/v1/credentials/{stack}/document?proof=none")).body
    await robbed.condemn()
    assert [await robbed.state(each) for each in (*parts, stack)] == ["void"] * 3
    file, voided = await robbed.listed(tmp_path)
    early = await robbed.office.client.post(f"/v1/events/{voided[-1].event_id}/again", None)
    assert (early.status, early.slug) == (409, "parts-missing")
    void = [{"credential_id": part, "state": "void"} for part in sorted(parts)]
    assert early.body["parts"] == void

    status, rows, err = await say_again(robbed, file, "--dry-run", "--json")
    assert (status, rows[-1]["state"], rows[-1]["parts_missing"]) == (0, "after-others", void), err
    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert (status, rows[-1]["event_type"], rows[-1]["state"]) == (0, "credential-stacked.v2", "said-again"), err
    await published(robbed.office.client, rows[-1]["now"])
    assert [await robbed.state(each) for each in (*parts, stack)] == ["active"] * 3
    assert (await robbed.office.client.get(f"/v1/credentials/{stack}/document?proof=none")).body == document


async def test_a_void_stack_whose_part_is_gone_names_it(robbed: Robbed, tmp_path: Path) -> None:
    parts, stack = await stacked(robbed.office)
    registrar, ledger = robbed.ledger.registrar, robbed.ledger
    said = {"credential_id": parts[0], "reason": "legal-order", "effective_at": registrar.now}
    await ledger.say(registrar.make(events.CredentialRevoked, registrar.registrar, **said))
    await robbed.condemn()
    file, _ = await robbed.listed(tmp_path)
    status, rows, err = await say_again(robbed, file, "--dry-run", "--json")
    assert (status, rows[-1]["state"]) == (1, "refused"), "a part that stays void is above it in vain"
    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert (status, rows[-1]["state"], rows[-1]["code"]) == (1, "refused", "parts-missing"), err
    assert [part["credential_id"] for part in rows[-1]["parts_missing"]] == [parts[0]]
    status, shown, err = await say_again(robbed, file, "--yes")
    assert (status, f"part  {parts[0]}: " in shown) == (1, True), (shown, err)
    assert await robbed.state(parts[1]) == "active"
    assert await robbed.state(stack) == "void"


@pytest.mark.parametrize("registrar", [1], indirect=True)
async def test_what_rules_version_1_issued_is_said_again_until_version_2_is_in_force(
    robbed: Robbed, tmp_path: Path
) -> None:
    office, ledger = robbed.office, robbed.ledger
    parts, stack = await stacked(office)
    later = (await office.issue((await office.describe()).achievement.uri)).credential_id
    await office.published(later)
    await robbed.condemn()
    file, voided = await robbed.listed(tmp_path)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))
    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert (status, {row["state"] for row in rows}) == (0, {"said-again"}), (rows, err)
    for row in rows:
        await published(office.client, row["now"])
    assert [await robbed.state(each) for each in (*parts, stack)] == ["active"] * 3

    size = (await ledger.client.log()).tree_size
    await ledger.say(ledger.registrar.activation(2, size + 1))

    async def refused() -> bool | None:
        answered = await office.client.post(f"/v1/events/{voided[-1].event_id}/again?dry_run=true", None)
        return True if answered.status == 409 and answered.slug == "id-of-version-1" else None

    await until(refused, "version 2 is in force")
    assert (await office.client.post(f"/v1/events/{voided[-1].event_id}/again", None)).slug == "id-of-version-1"
    assert await robbed.state(later) == "void"


async def test_of_an_event_the_rules_admit_in_part_the_others_are_named_and_left_out(
    robbed: Robbed, tmp_path: Path
) -> None:
    office = robbed.office
    together = await issued_together(office, (await office.describe()).achievement.uri, 3)
    for each in together:
        await office.published(each)
    registrar, ledger = robbed.ledger.registrar, robbed.ledger
    said = {"credential_id": together[1], "reason": "legal-order", "effective_at": registrar.now}
    await ledger.say(registrar.make(events.CredentialRevoked, registrar.registrar, **said))
    await robbed.condemn()
    file, (event,) = await robbed.listed(tmp_path)
    readers = await office.client.post("/v1/keys", {"name": "reads", "scopes": ["credentials:read"]})
    reading = robbed.gateway.client(readers.body["api_key"])
    refused = await reading.post(f"/v1/events/{event.event_id}/again", None)
    assert (refused.status, refused.slug) == (403, "forbidden")
    tried = await office.client.post(f"/v1/events/{event.event_id}/again?dry_run=true", None)
    assert (tried.status, sorted(tried.body["credential_ids"])) == (200, sorted({together[0], together[2]}))
    status, rows, err = await say_again(robbed, file, "--yes", "--json")
    assert status == 1, err
    (left,) = rows[0]["left_out"]
    assert (left["credential_id"], rows[0]["credential_count"], bool(left["detail"])) == (together[1], 2, True)
    await published(office.client, rows[0]["now"])
    assert [await robbed.state(together[0]), await robbed.state(together[2])] == ["active"] * 2
    assert await robbed.state(together[1]) != "active"
    with_other_words = file.with_name("wrong.ndjson")
    with_other_words.write_bytes(file.read_bytes() + b'{"index":1}\n')
    status, _, err = await say_again(robbed, with_other_words, "--yes")
    assert (status, "Line 3 is no line" in err) == (1, True), err
    assert len(read_list(file)) == 2
