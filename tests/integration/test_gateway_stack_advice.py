"""What a learner can stack, over all recipes of all institutions here, and previews: over real HTTP, nothing signed."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from proto.ids import AchievementUri
from proto.wire.stacks import NamedAchievement, StackAdvicePage, StackPreview
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from tests.support.gateways import Office, RunningGateway

Json = dict[str, Any]


async def _own(office: Office, name: str, hundredths: int = 300, **recipe: Any) -> str:
    fields: Json = {"ects_hundredths": hundredths} | ({"recipe": recipe} if recipe else {})
    return str((await office.describe(name, **fields)).achievement.uri)


async def _awarded(office: Office, name: str, ref: str) -> str:
    return str((await office.issue(name, ref)).credential_id)


def office_award(office: Office, components: list[str]) -> Json:
    """Return the body that stacks these parts for the learner."""
    return office.award("data", "s1") | {"components": components}


async def _advice(office: Office, ref: str, query: str = "") -> dict[str, Json]:
    answer = await office.client.get(f"/v1/learners/{ref}/stacks{query}")
    assert answer.status == 200, answer
    answer.as_(StackAdvicePage)
    return {stack["title"]["en"].lower(): stack for stack in answer.body["stacks"]}


async def test_a_learner_is_told_what_she_can_stack_and_what_is_missing_for_the_rest(gateway: RunningGateway) -> None:
    waterland, college = await gateway.institution("waterland"), await gateway.institution("college")
    uris = [await _own(waterland, name) for name in ("databases", "statistics", "networks")]
    await _own(college, "welding")
    await _own(waterland, "data", 600, required_achievements=uris[:2])
    await _own(waterland, "systems", 900, required_achievements=uris)
    await _own(college, "bridge", 600, ects_hundredths_min=600, outside_share_max="1/3")
    mine = [await _awarded(waterland, name, "s1") for name in ("databases", "statistics")]
    await _awarded(waterland, "networks", "s2")
    theirs = await _awarded(college, "welding", "x9")

    found = await _advice(waterland, "s1")
    data, systems, bridge = (found[name]["preview"] for name in ("data", "systems", "bridge"))
    assert (data["can_be_stacked"], data["counted_hundredths"]) == (True, 600)
    assert [part["counted_hundredths"] for part in data["parts"]] == [300, 300]
    assert [each["code"] for each in systems["unmet"]] == ["credits-missing", "achievement-missing"]
    assert (bridge["can_be_stacked"], bridge["counted_hundredths"]) == (False, 0), "a third of nothing is nothing"

    bridge = (await _advice(waterland, "s1", f"?others={theirs}"))["bridge"]["preview"]
    assert (bridge["counted_hundredths"], bridge["outside_hundredths"]) == (450, 150)
    assert bridge["outside_given_hundredths"] >= 300
    assert "of other institutions 1.5 count" in bridge["unmet"][0]["detail"]

    body = office_award(waterland, mine)
    preview = (await waterland.client.post("/v1/stacks/preview", body)).as_(StackPreview)
    assert preview.can_be_stacked
    stacked = await waterland.client.post("/v1/stacks", body)
    assert stacked.status == 201, "what is advised is admitted"


async def test_whose_titles_are_still_asked_for_keeps_nobody_else_waiting(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = await gateway.institution("waterland")
    uris = [await _own(office, "databases")]
    await _own(office, "data", 600, required_achievements=uris)
    for ref in ("s1", "s2"):
        await _awarded(office, "databases", ref)
    named, is_asked, may_answer = AchievementNames.of, asyncio.Event(), asyncio.Event()

    async def slow_once(self: AchievementNames, wanted: Collection[str]) -> dict[AchievementUri, NamedAchievement]:
        if not is_asked.is_set():
            is_asked.set()
            await may_answer.wait()
        return await named(self, wanted)

    monkeypatch.setattr(AchievementNames, "of", slow_once)
    waiting = asyncio.create_task(_advice(office, "s1"))
    await is_asked.wait()
    async with asyncio.timeout(60):
        assert await _advice(office, "s2")
    assert not waiting.done()
    may_answer.set()
    assert await waiting


async def test_a_preview_says_of_each_part_why_it_does_not_count(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uris = [await _own(office, name) for name in ("databases", "statistics")]
    await _own(office, "data", 600, required_achievements=uris)
    parts = [await _awarded(office, name, "s1") for name in ("databases", "statistics")]
    revoked = await office.client.post(f"/v1/credentials/{parts[0]}/revoke", {"reason": "error"})
    assert revoked.status == 201, revoked
    unknown = "0" * 64
    body = office_award(office, [*parts, unknown])
    preview = (await office.client.post("/v1/stacks/preview", body)).as_(StackPreview)
    assert not preview.can_be_stacked
    assert [each.code for each in preview.unmet] == ["part-not-on-log", "part-not-active"]
    assert {part.credential_id: [each.code for each in part.unmet] for part in preview.parts} == {
        parts[0]: ["part-not-active"],
        parts[1]: [],
    }


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/learners/nobody/stacks", 404),
        ("/v1/learners/s1/stacks?others=abc", 422),
        ("/v1/learners/s1/stacks?cursor=abc", 422),
    ],
)
async def test_what_is_asked_wrongly_is_refused_in_words(gateway: RunningGateway, path: str, status: int) -> None:
    office = await gateway.institution("waterland")
    await _own(office, "databases")
    await _awarded(office, "databases", "s1")
    answer = await office.client.get(path)
    assert answer.status == status, answer


async def test_advice_is_paged_over_all_recipes(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    uri = await _own(office, "databases")
    for number in range(3):
        await _own(office, f"stack-{number}", 300, required_achievements=[uri])
    await _awarded(office, "databases", "s1")
    seen, cursor = [], ""
    while True:
        answer = await office.client.get(f"/v1/learners/s1/stacks?limit=2{cursor}")
        seen += [stack["achievement"] for stack in answer.body["stacks"]]
        if not answer.body.get("next_cursor"):
            break
        cursor = f"&cursor={answer.body['next_cursor']}"
    assert len(seen) == len(set(seen)) == 3


async def test_a_learner_reads_on_her_own_page_what_she_can_stack_and_what_is_missing(gateway: RunningGateway) -> None:
    waterland = await gateway.institution("waterland")
    uris = [await _own(waterland, name) for name in ("databases", "statistics", "networks")]
    await _own(waterland, "data", 600, required_achievements=uris[:2])
    await _own(waterland, "systems", 900, required_achievements=uris)
    for name in ("databases", "statistics"):
        await waterland.published(await _awarded(waterland, name, "s1"))
    made = await waterland.client.post("/v1/holder-links", {"learner": "s1"})
    assert made.status == 201, made
    path = made.body["link"].partition("/credentials/")[2]
    async with gateway.ledger.session.get(f"{gateway.url}/credentials/{path}?lang=de") as response:
        page = await response.text()
    assert page.index("Bereit: Es fehlt nichts") < page.index("Es fehlt noch")
    assert "6 von 6 ECTS" in page
    assert "eine verlangte Lernleistung fehlt" in page
