"""What the ledger answers to those who submit: the main job, duplicates, and every kind of wrong input."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from proto import events
from proto.base64_strict import decode_base64, encode_base64
from proto.envelope import Envelope, open_envelope
from proto.ids import CredentialId, Origin
from services.clients.log_client import LogProblem
from tests.support.ledgers import Registrar, RunningLedger

NDJSON = "application/x-ndjson"


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


def body_of(envelope: Envelope, **changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(envelope) | changes)


def lines_of(*envelopes: Envelope) -> bytes:
    return b"".join(body_of(envelope) + b"\n" for envelope in envelopes)


def with_other_signature(envelope: Envelope) -> Envelope:
    signature = bytearray(decode_base64(envelope.signatures[0].sig))
    signature[5] ^= 1
    changed = replace(envelope.signatures[0], sig=encode_base64(bytes(signature)))
    return replace(envelope, signatures=(changed,))


async def test_an_admitted_institution_issues_stacks_and_revokes(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    first, second = await ledger.issued(college, "first"), await ledger.issued(college, "second")
    await ledger.say(registrar.stack(college, [first, second], "stack"))
    revoked = await ledger.say(registrar.revocation(college, first))
    assert revoked.index == 5
    await ledger.published(6)


async def test_the_same_event_again_gets_the_first_answer(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    envelope = registrar.seal(registrar.issue(college))
    first = await ledger.post(body_of(envelope))
    again = await ledger.post(body_of(envelope))
    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]


async def test_an_event_twice_in_one_batch_is_appended_once(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    one, other = registrar.issues(college, 2)
    first, second, third = await ledger.submit([one, one, other])
    assert (first.status, second.status, third.status) == (201, 200, 201)
    assert first.appended == second.appended
    assert third.appended is not None
    assert third.appended.index == 3


async def test_the_same_batch_sent_twice_at_once_is_appended_once(ledger: RunningLedger, registrar: Registrar) -> None:
    envelopes = registrar.issues(await ledger.admit("college"), 50)
    answers = await asyncio.gather(*(ledger.submit(envelopes) for _ in range(4)))
    places = [[line.appended for line in answer] for answer in answers]
    assert places[0] == places[1] == places[2] == places[3]
    statuses = [line.status for answer in answers for line in answer]
    assert (statuses.count(201), statuses.count(200)) == (50, 150)


async def test_a_thousand_lines_are_appended_in_the_order_sent(ledger: RunningLedger, registrar: Registrar) -> None:
    lines = await ledger.submit(registrar.issues(await ledger.admit("college"), 1000))
    assert [line.appended.index for line in lines if line.appended] == list(range(2, 1002))
    await ledger.published(1002)


async def test_what_a_batch_issues_the_same_batch_may_stack_and_revoke(
    ledger: RunningLedger, registrar: Registrar
) -> None:
    college = await ledger.admit("college")
    issues = [registrar.issue(college, name) for name in ("first", "second")]
    stack = registrar.stack(college, [issue.credential_id for issue in issues], "stack")
    revocation = registrar.revocation(college, issues[0].credential_id, effective_at=issues[0].at)
    said: list[events.Event] = [*issues, stack, revocation]
    lines = await ledger.submit([registrar.seal(event) for event in said])
    assert [line.status for line in lines] == [201] * 4


async def test_a_refused_line_disturbs_no_other(ledger: RunningLedger, registrar: Registrar) -> None:
    college, stranger = await ledger.admit("college"), registrar.party("stranger")
    good, also_good, last = registrar.issues(college, 3)
    unknown_key = registrar.seal(registrar.issue(stranger))
    unknown_credential = registrar.seal(registrar.revocation(college, CredentialId("0" * 64)))
    body = b"\n".join(
        [
            body_of(good),
            b"{",
            body_of(unknown_key),
            body_of(also_good, more=1),
            b"x" * 70_000,
            body_of(with_other_signature(also_good)),
            body_of(unknown_credential),
            body_of(also_good),
            body_of(last),
        ]
    )
    status, lines = await ledger.post(body, NDJSON)
    assert status == 200
    assert [line["line"] for line in lines] == list(range(1, 10))
    assert [line["status"] for line in lines] == [201, 400, 403, 422, 400, 403, 422, 201, 201]
    slugs = [line["problem"]["type"].rpartition(":")[2] for line in lines if "problem" in line]
    assert slugs == ["malformed", "unknown-key", "invalid", "malformed", "bad-signature", "unknown-credential"]


async def test_a_wrong_signature_is_refused_and_says_where(ledger: RunningLedger, registrar: Registrar) -> None:
    envelope = registrar.seal(registrar.issue(await ledger.admit("college")))
    status, problem = await ledger.post(body_of(with_other_signature(envelope)))
    assert (status, problem["type"]) == (403, "urn:credentify:problem:bad-signature")
    assert problem["pointer"] == "/signatures/0"
    assert (await ledger.post(body_of(envelope)))[0] == 201


async def test_a_key_that_is_not_on_the_log_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    status, problem = await ledger.post(body_of(registrar.seal(registrar.issue(registrar.party("stranger")))))
    assert (status, problem["type"], problem["final"]) == (403, "urn:credentify:problem:unknown-key", False)
    other_key = college.key("event", 1)
    status, problem = await ledger.post(body_of(registrar.seal(registrar.issue(college), key=other_key)))
    assert (status, problem["type"]) == (403, "urn:credentify:problem:unknown-key")


async def test_an_event_meant_for_another_log_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    elsewhere = registrar.seal(registrar.issue(college, log=Origin("other.example/log")))
    status, problem = await ledger.post(body_of(elsewhere))
    assert (status, problem["type"]) == (422, "urn:credentify:problem:wrong-log")


async def test_a_log_is_not_opened_twice(ledger: RunningLedger, registrar: Registrar) -> None:
    status, problem = await ledger.post(body_of(registrar.seal(registrar.opening())))
    assert (status, problem["type"]) == (409, "urn:credentify:problem:already-exists")


@pytest.mark.parametrize(
    ("body", "media_type", "status", "slug"),
    [
        (b'{"payload":', "application/json", 400, "malformed"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
        (b"[]", "application/json", 422, "invalid"),
        (b"{}", "application/json", 422, "invalid"),
        (b"", "application/json", 400, "malformed"),
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"x" * 10_000_000, "application/json", 413, "body-too-large"),
        (b"{}\n" * 1_001, NDJSON, 413, "too-many-lines"),
    ],
    ids=["cut", "not-utf-8", "a-list", "empty-object", "nothing", "text", "10-MB", "1001-lines"],
)
async def test_a_body_of_another_form_is_refused(
    ledger: RunningLedger, body: bytes, media_type: str, status: int, slug: str
) -> None:
    found, problem = await ledger.post(body, media_type)
    assert (found, problem["type"]) == (status, f"urn:credentify:problem:{slug}")


async def test_every_deviation_of_an_envelope_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    envelope = registrar.seal(registrar.issue(await ledger.admit("college")))
    payload = decode_base64(envelope.payload)
    spaced = encode_base64(payload.replace(b'","', b'", "', 1))
    doubled = encode_base64(payload[:-1] + b',"log":"x"}')
    signature = msgspec.to_builtins(envelope.signatures[0])
    wrong: list[dict[str, Any]] = [
        {"more": 1},
        {"payload": envelope.payload + "\n"},
        {"payload": envelope.payload.rstrip("=") + "!"},
        {"payload": spaced},
        {"payload": doubled},
        {"payloadType": "application/json"},
        {"signatures": []},
        {"signatures": [signature, signature]},
        {"signatures": [signature | {"sig": signature["sig"][:-4]}]},
        {"signatures": [signature | {"keyid": "did:web:other.example#key"}]},
    ]
    for changes in wrong:
        status, problem = await ledger.post(body_of(envelope, **changes))
        assert status in {400, 422}, changes
        assert problem["detail"]
    assert (await ledger.post(body_of(envelope)))[0] == 201


async def test_an_event_about_an_unknown_credential_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    with pytest.raises(LogProblem) as refused:
        await ledger.say(registrar.revocation(college, CredentialId("1" * 64)))
    assert (refused.value.log_slug, refused.value.log_status) == ("unknown-credential", 422)


async def test_revoking_twice_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    credential = await ledger.issued(college, "once")
    await ledger.say(registrar.revocation(college, credential))
    with pytest.raises(LogProblem) as refused:
        await ledger.say(registrar.revocation(college, credential))
    assert refused.value.log_slug == "credential-state"


async def test_only_the_issuer_may_revoke(ledger: RunningLedger, registrar: Registrar) -> None:
    college, academy = await ledger.admit("college"), await ledger.admit("academy")
    credential = await ledger.issued(college, "one")
    with pytest.raises(LogProblem) as refused:
        await ledger.say(registrar.revocation(academy, credential))
    assert refused.value.log_slug == "not-allowed"


async def test_a_stack_with_an_unknown_or_revoked_part_is_refused(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    first, second = await ledger.issued(college, "first"), await ledger.issued(college, "second")
    with pytest.raises(LogProblem) as unknown:
        await ledger.say(registrar.stack(college, [first, CredentialId("2" * 64)]))
    await ledger.say(registrar.revocation(college, second))
    with pytest.raises(LogProblem) as revoked:
        await ledger.say(registrar.stack(college, [first, second]))
    assert unknown.value.log_slug == "unknown-credential"
    assert revoked.value.log_slug == "credential-state"


async def test_a_credential_id_is_issued_once(ledger: RunningLedger, registrar: Registrar) -> None:
    college = await ledger.admit("college")
    await ledger.issued(college, "one")
    with pytest.raises(LogProblem) as refused:
        await ledger.issued(college, "one")
    assert refused.value.log_slug == "already-exists"


async def test_recognitions_and_closings_are_remembered_across_batches(
    ledger: RunningLedger, registrar: Registrar
) -> None:
    college, academy, heir = [await ledger.admit(name) for name in ("college", "academy", "heir")]
    credential = await ledger.issued(college, "one")
    recognition = registrar.seal(registrar.recognition(academy, credential))
    await ledger.client.submit_one(recognition)
    with pytest.raises(LogProblem) as again:
        await ledger.say(registrar.recognition(academy, credential))
    await ledger.say(registrar.withdrawal(academy, open_envelope(recognition).event_id))
    await ledger.say(registrar.closing(college, heir))
    await ledger.say(registrar.revocation(heir, credential))
    assert again.value.log_slug == "already-exists"
