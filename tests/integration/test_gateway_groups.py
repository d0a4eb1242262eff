"""A gateway on a log of rules version 2: what it says alone and together, and what the log refuses of that."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uuid_utils

from proto import events
from proto.documents.claims_root import stated_root
from proto.documents.document import credential_id_of, document_digest
from proto.envelope import Envelope, Opened, open_envelope, seal
from proto.ids import CredentialId, KeyId, commitment, committed_credential_id, owner_of
from proto.keys import SecretKey
from proto.wire.batches import BatchAnswer, BatchRow
from services.issuer_gateway.keys.keystore import Keystore
from services.persistence import postgres
from tests.support import design_client
from tests.support.databases import MakeDatabase
from tests.support.gateways import NO_WAIT, Office, RunningGateway, running_gateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until

NDJSON = "application/x-ndjson"


@pytest.fixture
def registrar() -> Registrar:
    """A registrar who opens its log with rules version 2."""
    return Registrar(rules_version=2)


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A ledger of development, with a log of rules version 2."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar, development_rules=True) as running:
        yield running


async def _said(gateway: RunningGateway, states: tuple[str, ...] = ("published",)) -> list[Opened]:
    """Return the events of the outbox in these states, in their order."""
    async with postgres.connected(gateway.database.owner_url, application_name="said") as connection:
        rows = await connection.fetch(
            "SELECT envelope FROM outbox WHERE state = ANY($1::text[]) ORDER BY outbox_id", list(states)
        )
    return [open_envelope(msgspec.json.decode(row["envelope"], type=Envelope)) for row in rows]


async def _list(office: Office, rows: list[dict[str, Any]], key: str = "k", route: str = "") -> BatchAnswer:
    """Send a list and return its answer once all of it is published, or refused."""
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    answered = await office.client.send("POST", f"/v1/batches{route}", body, key=key, media_type=NDJSON)
    assert answered.status in {200, 201, 202}, answered
    return await _over(office, answered.as_(BatchAnswer))


async def _over(office: Office, answer: BatchAnswer) -> BatchAnswer:
    async def ask() -> BatchAnswer | None:
        found = (await office.client.get(f"/v1/batches/{answer.batch_id}")).as_(BatchAnswer)
        return found if found.is_complete and found.published_count == found.accepted_count else None

    return await until(ask, "the list is over")


def _ids(rows: tuple[BatchRow, ...]) -> list[CredentialId]:
    return [row.credential_id for row in rows if row.state == "accepted" and row.credential_id]


async def test_an_award_alone_goes_out_alone_and_its_id_follows_from_its_document(gateway: RunningGateway) -> None:
    office = await gateway.institution("harbour")
    described = await office.describe()
    issued = await office.published((await office.issue(described.achievement.uri)).credential_id)
    (said,) = await _said(gateway)
    assert isinstance(said.event, events.CredentialIssuedV2)
    assert said.credential_ids == (issued.credential_id,)
    document = (await office.client.get(f"/v1/credentials/{issued.credential_id}/document?proof=none")).body
    root = stated_root(document)
    assert root is not None
    assert said.event.commitment == commitment(document_digest(document), root)
    assert credential_id_of(document, office.did) == issued.credential_id
    assert issued.status is not None
    assert issued.status.state == "active"


async def test_rows_that_say_the_same_go_out_together_and_no_learner_stands_twice_in_an_event(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("harbour")
    uri = (await office.describe()).achievement.uri
    rows = [office.award(uri, f"l-{number}") for number in range(300)]
    rows += [office.award(uri, f"l-{number}", narrative="again", on_repeat="repeat") for number in range(5)]
    rows += [office.award(uri, f"l-{number}", valid_from="2026-02-02") for number in range(400, 402)]
    answer = await _list(office, rows)
    assert (answer.accepted_count, answer.refused_count) == (len(rows), 0)
    said = await _said(gateway)
    assert Counter(type(each.event) for each in said) == {events.CredentialsIssued: len(said)}
    assert sum(len(each.credential_ids) for each in said) == len(rows)
    assert max(len(each.credential_ids) for each in said) <= 256
    async with postgres.connected(gateway.database.owner_url, application_name="who") as connection:
        twice = await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM credential GROUP BY event_id, learner_id HAVING count(*) > 1) AS twice"
        )
        stored = await connection.fetch("SELECT credential_id, event_id FROM credential ORDER BY credential_id")
    assert twice == 0
    read = await asyncio.to_thread(design_client.read_log, ledger.url)
    issued = {each: entry.event_id for entry in read for each in entry.credential_ids}
    assert issued == {row["credential_id"].hex(): row["event_id"].hex() for row in stored}
    some = sorted(issued)[:5]
    documents = [(await office.client.get(f"/v1/credentials/{each}/document?proof=none")).body for each in some]
    assert [design_client.credential_id_of(document) for document in documents] == some


class Elsewhere:
    """The institution's own key in other hands: another gateway, or a thief. Says events past the gateway."""

    def __init__(self, ledger: RunningLedger, key_id: KeyId, secret: SecretKey) -> None:
        self._ledger = ledger
        self._key_id = key_id
        self._secret = secret

    @classmethod
    async def of(cls, gateway: RunningGateway) -> "Elsewhere":
        """Take the event key of the gateway's one institution."""
        async with postgres.connected(gateway.database.owner_url, application_name="thief") as connection:
            (row,) = await connection.fetch("SELECT key_id, sealed FROM secret_key WHERE purpose = 'event'")
        seed = Keystore.from_file(gateway.config.master_key_file).open(row["sealed"], "secret-key", row["key_id"])
        return cls(gateway.ledger, KeyId(row["key_id"]), SecretKey(seed))

    async def say(self, kind: type[events.EventBase], **fields: Any) -> None:
        """Append an event."""
        common: dict[str, Any] = {
            "log": self._ledger.registrar.origin,
            "issuer": owner_of(self._key_id),
            "at": self._ledger.registrar.now,
            "nonce": str(uuid_utils.uuid7()),
        }
        event: Any = kind(**common, **fields)
        await self._ledger.client.submit_one(seal(event, self._key_id, self._secret.sign))


async def _waiting_list(office: Office, rows: Any, route: str = "") -> tuple[BatchAnswer, Opened]:
    """Send a list while the ledger is away; return its answer and the one event that waits for it."""
    body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    sent = await office.client.send("POST", f"/v1/batches{route}", body, key=f"k{route}", media_type=NDJSON)
    assert sent.status in {200, 201, 202}, sent

    async def ask() -> Opened | None:
        found = await _said(office.gateway, ("pending",))
        return found[0] if found else None

    return sent.as_(BatchAnswer), await until(ask, "the list's event waits")


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_of_an_issue_the_ledger_refuses_some_and_these_rows_say_so_and_the_others_are_issued(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("harbour")
    uri = (await office.describe()).achievement.uri
    elsewhere = await Elsewhere.of(gateway)
    await ledger.stop()
    sent, waiting = await _waiting_list(office, [office.award(uri, f"l-{number}") for number in range(12)])
    assert isinstance(waiting.event, events.CredentialsIssued)
    taken, kept = waiting.credential_ids[1:3], waiting.credential_ids[4]
    said = {}
    for name in (kept, taken[0]):
        answered = await office.client.post(f"/v1/credentials/{name}/suspend", {"reason": "error"})
        assert answered.status == 202, answered
        said[name] = answered.body["event_id"]
    await gateway.stop()
    await ledger.start()
    more = {"achievement": uri, "valid_from": waiting.event.valid_from}
    for said_before in waiting.event.commitments:  # two with other content, two with the same: these are done
        name = committed_credential_id(waiting.event.issuer, said_before)
        if name in taken:
            await elsewhere.say(events.CredentialIssuedV2, commitment=said_before, ects_hundredths=100, **more)
        if name in waiting.credential_ids[6:8]:
            same = {"ects_hundredths": 350, "eqf_level": 6}
            await elsewhere.say(events.CredentialIssuedV2, commitment=said_before, **same, **more)
    await gateway.start()
    office = Office(gateway, office.created)
    answer = await _over(office, sent)
    assert (answer.accepted_count, answer.refused_count, answer.published_count) == (10, 2, 10)
    refused = {row.credential_id: row.problem or {} for row in answer.rows if row.state == "refused"}
    assert refused.keys() == set(taken)
    assert {problem["code"] for problem in refused.values()} == {"already-exists"}
    assert not any("refused" in problem for problem in refused.values())
    for name in taken:
        shown = (await office.client.get(f"/v1/credentials/{name}")).body
        assert (shown["issue"]["state"], shown["issue"]["problem"]["code"]) == ("refused", "already-exists")
        assert (await office.client.post(f"/v1/credentials/{name}/revoke", {"reason": "error"})).slug == "issue-refused"
    done = [(await office.client.get(f"/v1/credentials/{name}")).body for name in waiting.credential_ids[6:8]]
    assert {(found["issue"]["state"], found["status"]["state"]) for found in done} == {("published", "active")}
    assert len({found["issue"]["event_id"] for found in done}) == 2
    await office.event_published(said[kept])
    assert (await office.client.get(f"/v1/events/{said[taken[0]]}")).body["state"] == "refused"
    assert (await office.client.get(f"/v1/credentials/{kept}")).body["status"]["state"] == "suspended"


@pytest.mark.parametrize("gateway_settings", [NO_WAIT])
async def test_a_list_of_revocations_goes_out_together_and_names_what_the_ledger_refuses(
    gateway: RunningGateway, ledger: RunningLedger
) -> None:
    office = await gateway.institution("harbour")
    uri = (await office.describe()).achievement.uri
    ids = _ids((await _list(office, [office.award(uri, f"l-{number}") for number in range(9)])).rows)
    elsewhere = await Elsewhere.of(gateway)
    again = [{"action": "revoke", "credential_id": ids[0], "reason": "error"}]
    gone = await _list(office, again, key="before", route="/changes")
    assert (gone.accepted_count, gone.refused_count) == (1, 0)
    await ledger.stop()
    rows = [{"action": "revoke", "credential_id": each, "reason": "withdrawn"} for each in [*ids, "0" * 64]]
    sent, waiting = await _waiting_list(office, rows, route="/changes")
    assert isinstance(waiting.event, events.CredentialsRevoked)
    assert set(waiting.credential_ids) == set(ids[1:])
    await gateway.stop()
    await ledger.start()
    await elsewhere.say(
        events.CredentialRevoked, credential_id=ids[3], reason="error", effective_at=waiting.event.effective_at
    )
    await gateway.start()
    office = Office(gateway, office.created)
    answer = await _over(office, sent)
    assert (answer.accepted_count, answer.refused_count) == (7, 3)
    problems = {row.line: row.problem or {} for row in answer.rows if row.state == "refused"}
    assert sorted(problems) == [1, 4, 10]
    assert (problems[4]["code"], problems[4]["state"]) == ("credential-state", "revoked")
    for name in ids:
        assert (await office.client.get(f"/v1/credentials/{name}")).body["status"]["state"] == "revoked"
    bits = await gateway.database_count("status_place WHERE is_set")
    assert bits == len(ids)


async def test_a_gateway_goes_over_to_version_2_once_it_has_followed_the_log_so_far_and_not_before(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    registrar = Registrar()
    async with (
        running_ledger(make_database, tmp_path / "old", registrar, development_rules=True) as ledger,
        running_gateway(make_database, tmp_path / "old-gateway", ledger) as gateway,
    ):
        office = await gateway.institution("harbour")
        uri = (await office.describe()).achievement.uri
        before = await office.published((await office.issue(uri, "l-1")).credential_id)
        await ledger.say(registrar.activation(2, 6))
        names = [before.credential_id]
        for number in range(2, 6):
            made = await office.published((await office.issue(uri, f"l-{number}")).credential_id)
            names.append(made.credential_id)
        said = [type(each.event) for each in await _said(gateway)]
        assert said == [events.CredentialIssued] * 3 + [events.CredentialIssuedV2] * 2
        stack = office.award((await office.describe("whole", ects_hundredths=700)).achievement.uri, "l-1")
        again = await _list(office, [office.award(uri, f"l-{number}") for number in range(1, 6)])
        assert (again.accepted_count, again.already_awarded_count) == (0, 5)
        second = await office.issue((await office.describe("second")).achievement.uri, "l-1")
        parts = sorted([before.credential_id, second.credential_id])
        stacked = await office.client.post("/v1/stacks", stack | {"components": parts})
        assert stacked.status in {201, 202}, stacked
        await office.published(stacked.body["credential_id"])
        for name in names:
            answered = await office.client.post(f"/v1/credentials/{name}/revoke", {"reason": "error"})
            assert answered.status in {201, 202}, answered
