"""Awards that were made before are recognised, whatever way they came; other content says what it means."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from proto.wire.batches import BatchAnswer, BatchRow
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
HEADER = "learner_ref,given_name,achievement,valid_from,grade,on_repeat\n"


def _row(ref: str, *, grade: str = "8", name: str = "Zoë", on_repeat: str = "", achievement: str = "hydrology") -> str:
    return f"{ref},{name},{achievement},2026-01-01,{grade},{on_repeat}\n"


def _award(ref: str, *, grade: str = "8", **fields: Any) -> dict[str, Any]:
    award = {
        "learner": {"ref": ref, "given_name": "Zoë"},
        "achievement": "hydrology",
        "valid_from": "2026-01-01T00:00:00Z",
        "result": {"value": grade},
    }
    return award | fields


async def _send(
    office: Office, rows: list[str], *, key: str, query: str = "", many: int = 0, token: str | None = None
) -> list[BatchRow]:
    """Send a list, with so many rows more that nobody asks about, and return the results of `rows`."""
    body = (HEADER + "".join([*rows, *(_row(f"l-{n}") for n in range(many))])).encode()
    client = office.gateway.client(token) if token else office.client
    answered = await client.send("POST", f"/v1/batches{query}", body, media_type=CSV, key=key)
    return (await _rows(office, answered))[: len(rows)]


async def _rows(office: Office, answered: Answered) -> list[BatchRow]:
    assert answered.status in {200, 202}, answered
    batch = answered.as_(BatchAnswer)
    if batch.state is None:
        return [*batch.rows]

    async def ask() -> bool | None:
        found = (await office.client.get(f"/v1/batches/{batch.batch_id}")).as_(BatchAnswer)
        return True if found.state == "finished" else None

    await until(ask, "the batch is over")
    headers = {"Authorization": f"Bearer {office.created.api_key}"}
    url = f"{office.gateway.url}/v1/batches/{batch.batch_id}/rows"
    async with office.gateway.ledger.session.get(url, headers=headers) as response:
        return [msgspec.json.decode(line, type=BatchRow) async for line in response.content]


def _slugs(rows: list[BatchRow]) -> list[str]:
    return [row.problem["type"].rpartition(":")[2] if row.problem else row.state for row in rows]


async def _held(office: Office, ref: str) -> list[Mapping[str, Any]]:
    return [*(await office.client.get(f"/v1/credentials?learner={ref}")).body["credentials"]]


@pytest.fixture
async def office(gateway: RunningGateway) -> Office:
    """Return an institution with an achievement."""
    office = await gateway.institution("waterland")
    await office.describe("hydrology")
    return office


async def test_a_list_that_was_mended_and_sent_again_issues_what_was_refused_alone(office: Office) -> None:
    right = [_row(f"a-{n}") for n in range(30)]
    first = await _send(office, [*right, _row("b-1", achievement="hydrolgy")], key="first")
    assert _slugs(first) == ["accepted"] * 30 + ["unknown-achievement"]
    mended = [*right, _row("b-1")]
    dry = await _send(office, mended, key="mended", query="?dry_run=true")
    assert _slugs(dry) == ["already-awarded"] * 30 + ["checked"]
    again = await _send(office, mended, key="mended")
    assert _slugs(again) == ["already-awarded"] * 30 + ["accepted"]
    assert [row.credential_id for row in again[:30]] == [row.credential_id for row in first[:30]]
    assert [len(await _held(office, f"a-{n}")) for n in (0, 29)] == [1, 1]


async def test_a_large_list_is_recognised_as_a_small_one_is(office: Office) -> None:
    await _send(office, [_row("a-1"), _row("a-2", grade="7")], key="small")
    rows = [_row("a-1"), _row("a-2"), _row("a-3"), 'a-3, Zoë ,hydrology,"2026-01-01",8,\n', _row("a-3", grade="9")]
    wanted = ["already-awarded", "awarded-before", "accepted", "malformed", "awarded-before"]
    dry = await _send(office, rows, key="dry", query="?dry_run=true", many=1_100)
    assert _slugs(dry) == [each.replace("accepted", "checked") for each in wanted]
    assert _slugs(await _send(office, rows, key="large", many=1_100)) == wanted
    small = await _send(office, [*rows[:2], *(row.replace("a-3", "a-4") for row in rows[2:])], key="as-small")
    assert _slugs(small) == wanted
    codes = [row.problem["code"] for row in small if row.problem and "code" in row.problem]
    assert codes == ["row-repeated"]


async def test_the_same_award_is_one_in_every_format_and_alone(office: Office) -> None:
    await _send(office, [_row("a-1")], key="csv")
    lines = b"\n".join(map(msgspec.json.encode, [_award("a-1"), _award("a-1", valid_from="2026-01-01T01:00:00+01:00")]))
    answered = await office.client.send("POST", "/v1/batches", lines, media_type=NDJSON, key="ndjson")
    assert _slugs(await _rows(office, answered)) == ["already-awarded", "malformed"]
    listed = msgspec.json.encode([_award("a-1")])
    answered = await office.client.send("POST", "/v1/batches", listed, media_type=JSON, key="json")
    assert _slugs(await _rows(office, answered)) == ["already-awarded"]
    (held,) = await _held(office, "a-1")
    for key in (None, "k", "k"):
        alone = await office.client.post("/v1/credentials", _award("a-1"), key=key)
        assert alone.status in {200, 201}
        assert alone.body["credential_id"] == held["credential_id"]
    alone = await office.client.post("/v1/credentials", _award("a-2"))
    assert alone.status == 201
    assert _slugs(await _send(office, [_row("a-2")], key="after")) == ["already-awarded"]


async def test_parallel_posts_of_one_award_without_a_key_make_one_credential(office: Office) -> None:
    answered = await asyncio.gather(*(office.client.post("/v1/credentials", _award("a-1")) for _ in range(8)))
    assert len({each.body["credential_id"] for each in answered}) == 1
    assert sorted(each.status for each in answered) == [200] * 7 + [201]


async def test_other_content_is_refused_unless_it_says_what_it_means(office: Office) -> None:
    (first,) = await _send(office, [_row("a-1")], key="1")
    refused = await office.client.post("/v1/credentials", _award("a-1", grade="9"))
    assert (refused.status, refused.slug) == (409, "awarded-before")
    assert refused.body["credential_ids"] == [first.credential_id]
    assert "replace" in refused.body["detail"]
    assert "repeat" in refused.body["detail"]
    both = await office.client.post("/v1/credentials", _award("a-1", grade="9", on_repeat="repeat"))
    assert both.status == 201
    replaced = await _send(office, [_row("a-1", grade="10", on_repeat="replace")], key="3")
    assert _slugs(replaced) == ["accepted"]
    assert len(await _held(office, "a-1")) == 3
    new = replaced[0].credential_id

    async def ask() -> bool | None:
        found = {each["credential_id"]: each.get("status") or {} for each in await _held(office, "a-1")}
        gone = [found[each] for each in found if each != new]
        return True if all(each.get("state") == "revoked" and each.get("replaced_by") == new for each in gone) else None

    await until(ask, "both earlier ones are revoked and name the new one")
    again = await _send(office, [_row("a-1", grade="10", on_repeat="replace")], key="4")
    assert _slugs(again) == ["already-awarded"]
    old = await _send(office, [_row("a-1")], key="5")
    assert _slugs(old) == ["awarded-before"]


async def test_a_batch_says_for_all_its_rows_what_they_mean(office: Office) -> None:
    await _send(office, [_row("a-1"), _row("a-2")], key="1")
    rows = [_row("a-1", grade="9"), _row("a-2")]
    assert _slugs(await _send(office, rows, key="2")) == ["awarded-before", "already-awarded"]
    for number, many in ((3, 0), (4, 1_100)):
        rows = [_row("a-1", grade=str(number)), _row("a-2")]
        found = await _send(office, rows, key=str(number), query="?on_repeat=repeat", many=many)
        assert _slugs(found) == ["accepted", "already-awarded"]
    assert len(await _held(office, "a-1")) == 3


async def test_who_may_only_issue_replaces_nothing(office: Office) -> None:
    await _send(office, [_row("a-1")], key="1")
    body = {"name": "issuing", "scopes": ["credentials:issue", "credentials:read"]}
    token = (await office.client.post("/v1/keys", body)).body["api_key"]
    rows = [_row("a-1", grade="9", on_repeat="replace")]
    for key, many in (("2", 0), ("3", 1_100)):
        assert _slugs(await _send(office, rows, key=key, many=many, token=token)) == ["may-not-revoke"]
    alone = _award("a-1", grade="9", on_repeat="replace")
    refused = await office.gateway.client(token).post("/v1/credentials", alone)
    assert (refused.status, refused.slug) == (403, "may-not-revoke")


async def test_what_was_revoked_is_not_awarded_again_by_a_list_that_is_sent_again(office: Office) -> None:
    (first,) = await _send(office, [_row("a-1")], key="1")
    assert first.credential_id is not None
    await office.published(first.credential_id)
    revoked = await office.client.post(f"/v1/credentials/{first.credential_id}/revoke", {"reason": "invalidated"})
    assert revoked.status == 201
    assert _slugs(await _send(office, [_row("a-1"), _row("a-2")], key="2")) == ["awarded-before", "accepted"]
    assert _slugs(await _send(office, [_row("a-1", on_repeat="repeat")], key="3")) == ["accepted"]
    other = await _send(office, [_row("a-1", grade="9", on_repeat="replace")], key="4")
    assert _slugs(other) == ["accepted"]


async def test_a_new_version_of_an_achievement_is_other_content(office: Office) -> None:
    await _send(office, [_row("a-1")], key="1")
    changed = (await office.client.get("/v1/achievements/hydrology")).body["achievement"] | {"version": "2"}
    put = await office.client.send("PUT", "/v1/achievements/hydrology", {**changed, "id": "hydrology"})
    assert put.status == 200, put
    assert _slugs(await _send(office, [_row("a-1"), _row("a-1", on_repeat="repeat")], key="2"))[0] == "awarded-before"
