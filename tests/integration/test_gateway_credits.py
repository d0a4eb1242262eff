"""Credits as they were awarded, none and half of them too, by every way of issuing; judged by our own verifier."""

from typing import Any

import msgspec
import pytest

from proto.documents.open_badge_names import IRIS
from proto.wire.batches import BatchAnswer
from tests.support.foreign_documents import open_badge
from tests.support.gateways import Answered, Office, RunningGateway, achievement
from tests.support.judged import Judge, Verifier, judge_for

Json = dict[str, Any]


async def _office(gateway: RunningGateway, verifier: Verifier) -> tuple[Office, Judge]:
    office = await gateway.institution("waterland")
    for name, hundredths in (("databases", 350), ("statistics", 350), ("short", 50), ("visit", 0)):
        await office.describe(name, ects_hundredths=hundredths)
    return office, judge_for(verifier, office)


async def _batch(office: Office, body: bytes, media_type: str, path: str = "/v1/batches") -> list[str]:
    answered = await office.client.send("POST", path, body, media_type=media_type, key=media_type)
    assert answered.status in {200, 201}, answered
    answer = answered.as_(BatchAnswer)
    assert answer.refused_count == 0, answer.rows
    return [row.credential_id for row in answer.rows if row.credential_id]


def _earned(document: Json) -> float | None:
    earned: float | None = document["credentialSubject"].get("creditsEarned")
    return earned


async def test_no_credits_and_half_a_credit_are_valid_in_every_list(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    csv = (
        b"learner_ref,given_name,achievement,valid_from,ects\n"
        b"z-0,Zo\xc3\xab,databases,2026-07-01,0\nz-1,Ada,databases,2026-07-01,0.5\nz-2,Bo,databases,2026-07-01,\n"
        b"z-3,Cy,visit,2026-07-01,0\nz-4,Di,visit,2026-07-01,\nz-5,Ed,short,2026-07-01,\n"
    )
    documents = [await judged(each) for each in await _batch(office, csv, "text/csv")]
    assert [_earned(each) for each in documents] == [0, 0.5, 3.5, 0, None, 0.5]
    rows = [office.award("databases", f"n-{earned}", ects_hundredths=earned) for earned in (0, 50)]
    lines = b"\n".join(msgspec.json.encode(row) for row in rows)
    assert [_earned(await judged(each)) for each in await _batch(office, lines, "application/x-ndjson")] == [0, 0.5]
    listed = await _batch(office, msgspec.json.encode(rows[:1]), "application/json")
    assert [_earned(await judged(each)) for each in listed] == [0]


async def test_no_credits_are_valid_alone_claimed_stacked_and_reissued(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    alone = await office.issue("databases", ects_hundredths=0)
    assert _earned(await judged(alone.credential_id)) == 0
    made = await office.client.post("/v1/claims", {"award": office.award("databases", "c-1", ects_hundredths=0)})
    claimed = await gateway.client().post(f"/v1/claim-links/{made.body['link'].rpartition('/')[2]}", {})
    assert claimed.status == 200, claimed
    assert _earned(await judged(claimed.body["credential_id"])) == 0
    parts = [alone.credential_id, (await office.issue("statistics", ects_hundredths=0)).credential_id]
    whole = (await office.describe("whole", ects_hundredths=650)).achievement.uri
    body = office.award(whole, ects_hundredths=0) | {"components": parts}
    stacked = await office.client.post("/v1/stacks", body)
    assert stacked.status == 201, stacked
    document = await judged(stacked.body["credential_id"])
    assert _earned(document) == 0
    assert [part[IRIS["point"]] for part in document["credentialSubject"][IRIS["component"]]] == ["0", "0"]
    wrong = await office.published((await office.issue("databases", "r-1")).credential_id)
    header = "action,credential_id,reason,learner_ref,given_name,achievement,valid_from,ects"
    row = f"reissue,{wrong.credential_id},error,r-1,Zo,databases,2026-01-01,0"
    [reissued] = await _batch(office, f"{header}\n{row}\n".encode(), "text/csv", "/v1/batches/changes")
    assert _earned(await judged(reissued)) == 0


async def _import(office: Office, kind: str, document: Json) -> Answered:
    answered = await office.client.post(f"/v1/imports/{kind}", document)
    assert answered.status == 201, answered
    return answered


@pytest.mark.parametrize(
    ("available", "earned", "expected"),
    [
        (3.5, 0, 0),
        (None, 0, 0),
        (3.5, 0.5, 0.5),
        (None, 5, 5),
        (None, None, None),
        (3.5, None, 3.5),
        (0, 0, 0),
        (36, 42, 42),
    ],
)
async def test_an_import_has_the_credits_that_its_document_states(
    gateway: RunningGateway, verifier: Verifier, available: float | None, earned: float | None, expected: float | None
) -> None:
    office = await gateway.institution("waterland")
    badge = open_badge()
    subject = badge["credentialSubject"]
    if available is not None:
        subject["achievement"]["creditsAvailable"] = available
    if earned is not None:
        subject["creditsEarned"] = earned
    answered = await _import(office, "open-badges", badge)
    document = await judge_for(verifier, office)(answered.body["credential_id"])
    assert _earned(document) == expected
    assert answered.body["ects_hundredths"] == (expected or 0) * 100


async def test_flat_metadata_may_state_none(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await gateway.institution("waterland")
    flat = {"title": "Databases", "ECTSCreditPoints": "3.5", "holder": "Zoë", "dateOfIssue": "2020-06-30"}
    for stated, expected in (("0", 0), ("1.5", 1.5), (0, 0)):
        answered = await _import(office, "microhe", flat | {"creditsAwarded": stated, "holder": f"Zoë {stated!r}"})
        assert _earned(await judge_for(verifier, office)(answered.body["credential_id"])) == expected


async def test_more_credits_than_the_achievement_has_are_a_lost_comma(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    office, judged = await _office(gateway, verifier)
    for name in ("databases", "visit"):
        refused = await office.client.post("/v1/credentials", office.award(name, ects_hundredths=3_500))
        assert (refused.status, refused.slug) == (422, "credits-exceed-achievement")
        assert refused.body["pointer"] == "/ects_hundredths"
        assert "ects_hundredths_max" in refused.body["detail"]
    csv = b"learner_ref,given_name,achievement,valid_from,ects\nz-1,Ada,databases,2026-07-01,35\n"
    answered = await office.client.send("POST", "/v1/batches", csv, media_type="text/csv", key="k")
    row = answered.as_(BatchAnswer).rows[0]
    assert row.problem
    assert "35 ECTS" in row.problem["detail"]
    claim = await office.client.post("/v1/claims", {"award": office.award("databases", ects_hundredths=351)})
    assert (claim.status, claim.slug) == (422, "credits-exceed-achievement")
    await office.describe("open-ended", ects_hundredths_max=600)
    issued = await office.issue("open-ended", ects_hundredths=600)
    assert _earned(await judged(issued.credential_id)) == 6
    more = await office.client.post("/v1/credentials", office.award("open-ended", ects_hundredths=601))
    assert more.slug == "credits-exceed-achievement"
    wrong = await office.client.post("/v1/achievements", achievement("less", ects_hundredths_max=349))
    assert wrong.status == 422


async def test_a_document_that_says_other_than_its_event_is_found(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older versions left out a zero: the document then has the achievement's credits, its event none."""
    office = await gateway.institution("waterland")
    await office.describe("databases")
    await office.issue("databases", "right", ects_hundredths=0)
    assert (await gateway.fsck()).is_clean
    monkeypatch.setattr("proto.documents.open_badge._credits_earned", lambda *_: None)
    wrong = await office.issue("databases", "wrong", ects_hundredths=0)
    [damage] = (await gateway.fsck()).damages
    assert damage.place == f"credential {wrong.credential_id}"
    assert "disagree about: credits" in damage.what
    await office.client.send("DELETE", "/v1/learners/wrong")
    assert (await gateway.fsck()).is_clean
