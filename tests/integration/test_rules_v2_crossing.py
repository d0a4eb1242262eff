"""A log changes over to rules version 2 while everybody follows: verifier, gateway, bundles, the log after it."""

import asyncio
import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto import events
from proto.bundles.bundle import decode_bundle
from proto.bundles.check import check_bundle
from proto.envelope import open_envelope
from proto.ids import CredentialId
from proto.problem import Problem
from proto.subjects import BATCH_IDS_MAX
from services.clients.log_client import LogProblem, LogUnreachableProblem
from services.edge import Log, listening
from services.persistence import postgres
from services.verifier import fsck as verifier_fsck
from services.verifier.app import make_app as make_verifier
from services.verifier.config import Config as VerifierConfig
from tests.support.bundles import policy_of
from tests.support.database_backends import WAITS_FOR_HEAD, as_admin, pid_of
from tests.support.databases import MakeDatabase
from tests.support.gateways import running_gateway
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.statements import Party
from tests.support.successions import end_of, next_log


@pytest.fixture
def registrar() -> Registrar:
    """Who opened its log when there were rules of version 1 alone."""
    return Registrar(rules_version=1)


@pytest.fixture
async def ledger(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running ledger of a log that begins with version 1."""
    async with running_ledger(make_database, tmp_path / "ledger", registrar) as running:
        yield running


NAMES = [f"student {number}" for number in range(256)]


def verifier_config(ledger: RunningLedger, file: Path, **more: Any) -> VerifierConfig:
    """Return the settings of a verifier of this log."""
    return VerifierConfig(
        ledger_url=ledger.url, log_verifier_key=ledger.verifier_key, database_file=file, poll_seconds=5, port=0, **more
    )


async def changed_over(ledger: RunningLedger) -> Party:
    """Admit a school, issue by version 1, activate version 2, and wait until it is in force."""
    school = await ledger.admit("school")
    await ledger.say(ledger.registrar.activation(2, 4))
    await ledger.issued(school, "old")
    return school


async def together(ledger: RunningLedger, school: Party, names: list[str], **fields: Any) -> list[CredentialId]:
    """Issue credentials with one event and return their ids, in the order of the names."""
    await ledger.say(ledger.registrar.issue_many(school, names, **fields))
    return [ledger.registrar.committed_id(school, name) for name in names]


async def test_before_the_activation_its_types_are_refused_for_now(ledger: RunningLedger) -> None:
    school = await ledger.admit("school")
    with pytest.raises(LogProblem) as refused:
        await together(ledger, school, NAMES)
    assert (refused.value.log_slug, refused.value.problem["final"]) == ("rules-version", False)


async def test_an_activation_out_of_reach_is_not_taken_by_a_ledger_of_version_1(ledger: RunningLedger) -> None:
    with pytest.raises(LogProblem) as refused:
        await ledger.say(ledger.registrar.activation(2, 100_002))
    assert refused.value.log_slug == "effective-time"
    status, problem = await ledger.post(msgspec.json.encode(ledger.registrar.seal(ledger.registrar.activation(3, 10))))
    assert (status, problem["type"].rpartition(":")[2]) == (503, "unknown-rules")


async def test_everybody_goes_on_over_the_activation(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    registrar = ledger.registrar
    config = verifier_config(ledger, tmp_path / "projection.sqlite")
    async with (
        running_gateway(make_database, tmp_path / "gateway", ledger) as gateway,
        listening(
            make_verifier(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None),
            host="127.0.0.1",
            port=0,
        ) as address,
        aiohttp.ClientSession() as session,
    ):
        school = await changed_over(ledger)
        ids = await together(ledger, school, NAMES)
        await ledger.say(registrar.committed_stack(school, ids[:3], "whole", ects_hundredths=1050))
        whole = registrar.committed_id(school, "whole")
        await ledger.say(registrar.hold(school, ids[10]))
        await ledger.say(registrar.revoke_many(school, [*ids[2:100], registrar.credential_id(school, "old")]))
        size = 8

        async def answered(credential_id: CredentialId, state: str) -> Any:
            async with session.get(f"{address.url}/v1/credentials/{credential_id}") as response:
                answer = await response.json(content_type=None)
                return answer if response.status == 200 and answer["status"]["state"] == state else None

        expected = {ids[0]: "active", ids[10]: "revoked", ids[50]: "revoked", ids[255]: "active"}
        for credential_id, state in expected.items():
            answer = await until(partial(answered, credential_id, state), state)
            assert answer["verdict"] == ("valid" if state == "active" else "invalid"), answer["checks"]
        answer = await until(partial(answered, whole, "impaired"), "the part fell away")
        assert answer["stack"]["ects_hundredths_remaining"] == 700
        async with session.get(f"{address.url}/v1/statistics") as response:
            statistics = await response.text()
        assert response.status == 200, statistics

        async def applied() -> bool | None:
            return await gateway.database_count("shared_lives") == 2 or None

        await until(applied, "the gateway has followed")
        assert await gateway.database_count("credential_state") == 258
        for credential_id in (ids[0], ids[50], whole):
            await ledger.published(size)
            _, body, _ = await ledger.get(f"/v1/bundles/{credential_id}")
            found = check_bundle(decode_bundle(body), policy_of(ledger.verifier_key))
            assert found.faults == ()
        report = await verifier_fsck.check(config)
        assert report.is_clean, report
    assert (await ledger.fsck()).is_clean
    async with postgres.connected(ledger.database.owner_url, application_name="test") as connection:
        kept = await connection.fetchrow(
            "SELECT count(shared) AS shared, count(state) AS alone, (SELECT count(*) FROM shared_lives) AS lives"
            " FROM credential_state"
        )
    # 158 share what came together, 97 what was revoked together; one was held before, one came alone, one is the stack
    assert kept is not None
    assert tuple(kept) == (158 + 97, 3, 2)


async def test_a_refusal_names_every_id_over_http(ledger: RunningLedger) -> None:
    school = await changed_over(ledger)
    ids = await together(ledger, school, NAMES[:3])
    status, problem = await ledger.post(
        msgspec.json.encode(ledger.registrar.seal(ledger.registrar.issue_many(school, NAMES[:6])))
    )
    assert (status, problem["type"].rpartition(":")[2], problem["final"]) == (422, "credentials-refused", True)
    assert {each["credential_id"]: each["code"] for each in problem["refused"]} == dict.fromkeys(ids, "already-exists")


async def test_a_submission_is_about_no_more_credentials_than_a_batch(ledger: RunningLedger) -> None:
    school = await changed_over(ledger)
    count = BATCH_IDS_MAX // 256
    sent = [
        ledger.registrar.seal(ledger.registrar.issue_many(school, [f"{number} {each}" for each in range(256)]))
        for number in range(count + 1)
    ]
    status, lines = await ledger.post(b"\n".join(map(msgspec.json.encode, sent)), "application/x-ndjson")
    assert status == 200
    assert (lines[-1]["status"], "at most 16384 credentials" in lines[-1]["problem"]["detail"]) == (503, True)
    assert len(open_envelope(sent[-1]).credential_ids) == 256
    taken = await ledger.append(sent[:count])  # what a slow machine's database did not take is sent again
    again = await ledger.append(sent[-1:])
    indices = [line.appended.index for line in (*taken, *again) if line.appended]
    assert sorted(indices) == list(range(4, 4 + count + 1)), "each stands on the log once"
    assert (await ledger.fsck()).is_clean


async def test_the_queue_is_bounded_by_credentials_as_well_as_by_events(ledger: RunningLedger) -> None:
    school = await changed_over(ledger)
    await ledger.stop()
    patient = {"database_timeout_ms": 60_000, "append_timeout_ms": 120_000}  # the head is locked for as long as we like
    ledger.config = msgspec.structs.replace(ledger.config, queue_credentials_max=BATCH_IDS_MAX, **patient)
    await ledger.start()
    full, one_more = BATCH_IDS_MAX // 256, 2
    sent = [
        ledger.registrar.seal(ledger.registrar.issue_many(school, [f"{number} {each}" for each in range(256)]))
        for number in range(full + one_more)
    ]
    async with as_admin(ledger) as connection:
        async with connection.transaction():
            await connection.execute("SELECT * FROM head FOR UPDATE")
            first = asyncio.create_task(ledger.submit(sent[:full]))
            await pid_of(connection, WAITS_FOR_HEAD)
            with pytest.raises(LogUnreachableProblem, match="503") as busy:
                await ledger.submit(sent[full:])
            assert busy.value.retry_after_seconds == 1
        await asyncio.gather(first, return_exceptions=True)
    lines = await ledger.append(sent)
    assert {line.status for line in lines[full:]} == {201}, "what was answered makes room again"
    assert {line.status for line in lines[:full]} <= {200, 201}


async def test_a_log_of_version_2_is_continued_with_what_its_credentials_share(
    ledger: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    school = await changed_over(ledger)
    ids = await together(ledger, school, NAMES[:5])
    await ledger.say(ledger.registrar.hold(school, ids[0]))
    predecessor = await end_of(ledger)
    with pytest.raises(Problem, match="opens with at least"):
        await next_log(ledger, predecessor, make_database, tmp_path / "lesser")
    new = await next_log(ledger, predecessor, make_database, tmp_path / "next", rules_version=2)
    await new.start()
    try:
        assert (await new.client.log()).rules_version == 2
        await new.say(new.registrar.revoke_many(school, ids))
        await new.say(new.registrar.issue_many(school, NAMES[10:12]))
        await new.published(3)
        report = await new.fsck()
        assert report.is_clean, report.damages
        assert (report.counts["credential_state"], report.counts["shared_lives"]) == (8, 3)
    finally:
        await new.stop()


async def test_prefixes_that_an_older_version_saved_are_respected(ledger: RunningLedger) -> None:
    """The tables are as a migration leaves them: who has which prefix is known to the states alone."""
    school = await changed_over(ledger)
    async with postgres.connected(ledger.database.owner_url, application_name="test") as connection:
        await connection.execute("DELETE FROM uri_prefix")
        await connection.execute("UPDATE issuer SET has_prefixes = false")
    newcomer = ledger.registrar.party("newcomer")
    statement = ledger.registrar.admission(newcomer)
    fields = {name: getattr(statement, name) for name in statement.__struct_fields__ if name != "uri_prefixes"}
    for prefixes, held_by in (((f"{school.url}a/",), school.did), ((newcomer.url,), None)):
        event = events.IssuerAdmittedV2(**fields, uri_prefixes=prefixes)
        status, answer = await ledger.post(msgspec.json.encode(ledger.registrar.seal(event)))
        assert (status, answer.get("held_by")) == ((201, None) if held_by is None else (409, held_by)), answer
    report = await ledger.fsck()
    assert report.is_clean, report.damages
    async with postgres.connected(ledger.database.owner_url, application_name="test") as connection:
        await connection.execute("DELETE FROM uri_prefix WHERE did = $1", school.did)
        assert [each.place for each in (await ledger.fsck()).damages] == [f"issuer {school.did}"]
        await connection.execute("INSERT INTO uri_prefix VALUES ($1, $2)", school.url, school.did)


async def test_a_key_for_forms_signs_no_event_and_no_cryptography_is_done_with_it(ledger: RunningLedger) -> None:
    school = await changed_over(ledger)
    form = school.form_key()
    await ledger.say(ledger.registrar.form_key(school, form), key=school.recovery)
    envelope = ledger.registrar.seal(ledger.registrar.committed(school, "a"))
    signature = msgspec.structs.replace(envelope.signatures[0], keyid=form.key_id)
    status, answer = await ledger.post(msgspec.json.encode(msgspec.structs.replace(envelope, signatures=(signature,))))
    assert (status, answer["type"].rpartition(":")[2]) == (403, "key-purpose")
    assert (await ledger.client.submit_one(envelope)).index == 5
