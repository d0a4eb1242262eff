"""Receipts with the answer, and bundles, from a running ledger over a real socket."""

from typing import Any

import msgspec
import pytest

from proto.bundles.bundle import MEDIA_TYPE, decode_bundle
from proto.bundles.check import check_bundle
from proto.envelope import Envelope
from proto.ids import CredentialId, LeafIndex
from proto.log import entry as entries
from proto.log.receipt import check_receipt, parse_receipt
from services.ledger.receipts import wait_seconds_of
from services.persistence import postgres
from tests.support.bundles import policy_of
from tests.support.ledgers import RunningLedger


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def post(ledger: RunningLedger, envelope: Envelope, **headers: str) -> tuple[int, dict[str, Any], str | None]:
    async with ledger.session.post(
        f"{ledger.url}/v1/events",
        data=msgspec.json.encode(envelope),
        headers={"Content-Type": "application/json"} | headers,
    ) as response:
        applied = response.headers.get("Preference-Applied")
        return response.status, msgspec.json.decode(await response.read()), applied


async def test_who_prefers_to_wait_gets_the_receipt_with_the_answer(ledger: RunningLedger) -> None:
    school = await ledger.admit("school")
    envelope = ledger.registrar.seal(ledger.registrar.issue(school, "a"))
    status, answer, applied = await post(ledger, envelope, Prefer="respond-async, wait=10")
    assert (status, applied) == (201, "wait=10")
    [entry] = [line async for line in ledger.client.entries(answer["index"], answer["index"] + 1)]
    check_receipt(parse_receipt(answer["receipt"].encode()), entry, policy_of(ledger.verifier_key))


async def test_the_same_event_again_gets_the_same_answer_with_a_receipt(ledger: RunningLedger) -> None:
    school = await ledger.admit("school")
    envelope = ledger.registrar.seal(ledger.registrar.issue(school, "a"))
    _, first, applied = await post(ledger, envelope)
    assert (applied, "receipt" in first) == (None, False)
    status, again, _ = await post(ledger, envelope, Prefer="wait=10")
    assert status == 200
    assert {name: value for name, value in again.items() if name != "receipt"} == first


async def test_a_receipt_that_takes_too_long_is_not_waited_for(ledger: RunningLedger) -> None:
    await ledger.stop()
    ledger.config = msgspec.structs.replace(ledger.config, publish_interval_ms=60_000)
    await ledger.start()
    school = ledger.registrar.party("school")
    await ledger.say(ledger.registrar.admission(school))  # the first growth is published at once
    envelope = ledger.registrar.seal(ledger.registrar.issue(school, "a"))
    status, answer, applied = await post(ledger, envelope, Prefer="wait=0")
    assert (status, applied, "receipt" in answer) == (201, None, False)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=10", 10),
        ("WAIT = 7", 7),
        ('wait="5"', 5),
        ("return=minimal, wait=3; foo=bar", 3),
        ('foo=", wait=9", wait=2', 2),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("waiting=4", None),
        ("wait=99999999999", None),
        ("", None),
        ('foo=", wait=9', None),
        ("a" * 250 + ",wait=30", None),
        ("a" * 246 + ",wait=30", 30),
        ("wait=30," + "a" * 8_000, 30),
        (',"' * 4_000 + ",wait=3", None),
    ],
)
def test_preferences_are_read_as_rfc_7240_writes_them(header: str, seconds: int | None) -> None:
    assert wait_seconds_of([header]) == seconds


def test_the_first_of_several_preferences_counts_and_no_further_header() -> None:
    assert wait_seconds_of(["return=minimal, wait=4, wait=9"]) == 4
    assert wait_seconds_of(["wait=4", "wait=9"]) == 4
    assert wait_seconds_of(["return=minimal", *[',"' * 4_000] * 119, "wait=9"]) is None
    assert wait_seconds_of([]) is None


async def bundle(ledger: RunningLedger, credential_id: CredentialId) -> tuple[int, bytes, str]:
    status, body, headers = await ledger.get(f"/v1/bundles/{credential_id}")
    return status, body, headers["Content-Type"]


async def test_the_bundle_of_a_credential_proves_it(ledger: RunningLedger) -> None:
    school = await ledger.admit("school")
    credential_id = await ledger.issued(school, "a")
    await ledger.published(3)
    status, body, media_type = await bundle(ledger, credential_id)
    assert (status, media_type) == (200, MEDIA_TYPE)
    found = check_bundle(decode_bundle(body), policy_of(ledger.verifier_key))
    assert found.faults == ()
    assert found.verdict(ledger.registrar.now) == "indeterminate"
    exact = [line async for line in ledger.client.entries(0, 3)]
    assert [item.data for item in found.bundle.entries] == exact


async def test_the_bundle_of_a_revoked_stack_of_several_institutions_says_so(ledger: RunningLedger) -> None:
    registrar = ledger.registrar
    school, college = await ledger.admit("school"), await ledger.admit("college")
    parts = [await ledger.issued(school, "a"), await ledger.issued(college, "b")]
    event = registrar.stack(school, parts)
    await ledger.say(event)
    await ledger.say(registrar.revocation(college, parts[1], effective_at=registrar.now))
    await ledger.published(7)
    status, body, _ = await bundle(ledger, event.credential_id)
    assert status == 200
    found = check_bundle(decode_bundle(body), policy_of(ledger.verifier_key))
    state = found.state(registrar.now)
    assert state is not None
    assert (found.faults, state.state, found.verdict(registrar.now)) == ((), "impaired", "invalid")


async def test_a_bundle_of_a_credential_that_nobody_issued_is_not_found(ledger: RunningLedger) -> None:
    status, body, media_type = await bundle(ledger, CredentialId("ab" * 32))
    assert (status, media_type) == (404, "application/problem+json")
    assert msgspec.json.decode(body)["type"].endswith(":not-found")


async def test_a_ledger_whose_entry_was_altered_hands_out_no_bundle(ledger: RunningLedger) -> None:
    school = await ledger.admit("school")
    credential_id = await ledger.issued(school, "a")
    await ledger.published(3)
    [line] = [line async for line in ledger.client.entries(2, 3)]
    entry = entries.decode(line)
    altered = entries.encode(entry.envelope, LeafIndex(2), bytes(32), entry.received_at)
    await _overwrite(ledger, altered)
    status, body, _ = await bundle(ledger, credential_id)
    assert status == 500
    assert msgspec.json.decode(body)["faults"][0]["code"] == "not-included"
    await _overwrite(ledger, line)


async def _overwrite(ledger: RunningLedger, data: bytes) -> None:
    """Alter an entry as only the owner of the database can."""
    async with postgres.connected(ledger.database.owner_url, application_name="vandal") as connection:
        await connection.execute("ALTER TABLE entry DISABLE TRIGGER append_only")
        await connection.execute("UPDATE entry SET entry = $1 WHERE leaf_index = 2", data)
        await connection.execute("ALTER TABLE entry ENABLE ALWAYS TRIGGER append_only")
