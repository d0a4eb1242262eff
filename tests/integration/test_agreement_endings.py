"""An agreement that is ended at one gateway: how the other learns it, by file or from what is public, and who knows."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proto.documents.recognition_agreement import AgreementEnding, encoded, envelope_of, opened, signature_by
from proto.ids import AgreementId
from proto.moment import Moment
from proto.wire.agreements import AgreementAnswer
from services.issuer_gateway.institutions import institution_commands
from tests.support.agreements import concluded, decided_at_once, handed_over, proven_document, term_of
from tests.support.command_shell import Shell
from tests.support.databases import MakeDatabase
from tests.support.gateways import Answered, Office, RunningGateway, running_gateway
from tests.support.judged import Verifier
from tests.support.ledgers import RunningLedger
from tests.support.page_reader import Reader


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


@pytest.fixture
async def second(make_database: MakeDatabase, tmp_path: Path, ledger: RunningLedger) -> AsyncIterator[RunningGateway]:
    """Another gateway on the same log."""
    other = "http://second.example"
    async with running_gateway(make_database, tmp_path / "second", ledger, public_url=other) as running:
        yield running


async def _read(office: Office, agreement_id: AgreementId) -> AgreementAnswer:
    return (await office.client.get(f"/v1/agreements/{agreement_id}")).as_(AgreementAnswer)


async def _end(office: Office, agreement_id: AgreementId) -> AgreementAnswer:
    return (await office.client.send("DELETE", f"/v1/agreements/{agreement_id}")).as_(AgreementAnswer)


async def _take_in(office: Office, document: object) -> Answered:
    return await office.client.post("/v1/agreement-documents", document)


async def test_both_see_who_ended_it_from_when_and_whether_the_other_has_been_told(
    gateway: RunningGateway, second: RunningGateway, verifier: Verifier, tmp_path: Path
) -> None:
    school, college = await gateway.institution("school"), await second.institution("college")
    await college.describe("hydrology")
    first, later = [await proven_document(verifier, college, "hydrology", f"s{number}") for number in range(2)]
    made = (await handed_over(college, school)).agreement_id
    before, _ = await decided_at_once(gateway, school, first)
    assert before.agreement.agreement_id == made
    ended = await _end(college, made)
    assert (ended.ended_by, ended.elsewhere, ended.ending_known_to) == (college.did, (school.did,), (college.did,))
    untold, _ = await decided_at_once(gateway, school, later)
    assert untold.agreement.agreement_id == made, "it was decided in good faith, and stays"
    async with Reader(second, "en") as reader:
        await reader.open("/office")
        await reader.sign_in(college.created.api_key)
        await reader.open("/office/agreements")
        assert "Ended by Hogeschool College from " in reader.text
        assert "Hogeschool School has not been told yet" in reader.text

    told = (await _take_in(school, ended.ending)).as_(AgreementAnswer)
    assert (told.ended_by, told.ended_at, told.decided_after_ending) == (college.did, ended.ended_at, 1)
    assert told.ending_known_at is not None
    assert told.ended_at is not None
    assert told.ending_known_at > told.ended_at
    assert set(told.ending_known_to) == {college.did, school.did}
    assert (await _take_in(school, ended.ending)).as_(AgreementAnswer) == told, "again changes nothing"
    async with Reader(gateway, "en") as reader:
        await reader.open("/office")
        await reader.sign_in(school.created.api_key)
        await reader.open("/office/agreements")
        assert "Decided by it before that was known here: 1." in reader.text
        assert "hand it back, so that Hogeschool College knows" in reader.text

    saved = tmp_path / "receipt.json"
    await Shell(gateway, tmp_path, school).run("agreement", "save", made, str(saved), staff=True)
    shell = Shell(second, tmp_path, college)
    assert "has not been told yet" in await shell.run("agreement", "list", staff=True)
    assert "has not been told" not in await shell.run("agreement", "take-in", str(saved), staff=True)
    known = await _read(college, made)
    assert (set(known.ending_known_to), known.ended_at) == ({college.did, school.did}, ended.ended_at)
    assert known.decided_after_ending == 0, "what the other decided is not known here"


async def test_what_is_ended_elsewhere_is_fetched_from_what_its_gateway_shows_to_everybody(
    gateway: RunningGateway, second: RunningGateway, tmp_path: Path
) -> None:
    school, college = await gateway.institution("school"), await second.institution("college")
    made = (await handed_over(college, school)).agreement_id
    shell = Shell(gateway, tmp_path, school)
    asked = ("agreement", "fetch", "--partner-gateway", second.url, "--partner", "college")
    assert "0 agreements have changed" in await shell.run(*asked, staff=True)
    await _end(college, made)
    said = await shell.run(*asked, staff=True)
    assert f"{made}  ended" in said
    assert "1 agreements have changed" in said
    assert "0 agreements have changed" in await shell.run(*asked, staff=True)
    back = ("agreement", "fetch", "--partner-gateway", gateway.url, "--partner", "school")
    assert "1 agreements have changed" in await Shell(second, tmp_path, college).run(*back, staff=True)
    assert set((await _read(college, made)).ending_known_to) == {college.did, school.did}


async def test_where_both_have_ended_it_the_earlier_ending_counts_at_both(
    gateway: RunningGateway, second: RunningGateway
) -> None:
    school, college = await gateway.institution("school"), await second.institution("college")
    made = (await handed_over(college, school)).agreement_id
    first, later = await _end(college, made), await _end(school, made)
    assert (first.ended_by, later.ended_by) == (college.did, school.did)
    kept = (await _take_in(college, later.ending)).as_(AgreementAnswer)
    assert (kept.ended_by, kept.ended_at) == (college.did, first.ended_at)
    taken = (await _take_in(school, first.ending)).as_(AgreementAnswer)
    assert (taken.ended_by, taken.ended_at, taken.ending_known_at) == (
        college.did,
        first.ended_at,
        later.ending_known_at,
    )
    assert (await _end(school, made)).ended_by == college.did, "what is ended is not ended again"


async def test_who_is_no_party_ends_nothing_and_nothing_is_ended_at_a_time_to_come(gateway: RunningGateway) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    stranger = await gateway.institution("stranger")
    made = await concluded(college, school, term_of(college, school, eqf_level=6))
    assert gateway.inside is not None
    signer, own = [
        await gateway.inside.signing_keys.signer(
            await institution_commands.tenant_of(gateway.inside.pool, each.slug), "assertion"
        )
        for each in (stranger, school)
    ]
    log = opened(made.document).statement.log
    now = gateway.inside.log_state.now()
    by_stranger = encoded(AgreementEnding(log=log, agreement=made.agreement_id, party=stranger.did, at=now))
    to_come = Moment("2099-01-01T00:00:00.000Z")
    in_future = encoded(AgreementEnding(log=log, agreement=made.agreement_id, party=school.did, at=to_come))
    by_school = encoded(AgreementEnding(log=log, agreement=made.agreement_id, party=school.did, at=now))
    for payload, signers in ((by_stranger, [signer]), (in_future, [own]), (by_school, [own, signer])):
        signed = [signature_by(payload, each.key_id, each.sign) for each in signers]
        refused = await _take_in(college, envelope_of(payload, signed))
        assert (refused.status, refused.body["pointer"]) == (422, "/payload"), refused
    assert (await _read(college, made.agreement_id)).state == "concluded"
    ended = await _end(college, made.agreement_id)
    assert (ended.elsewhere, set(ended.ending_known_to)) == ((), {college.did, school.did}), "both read it here"
