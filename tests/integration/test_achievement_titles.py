"""Achievements are called by their titles, in the reader's language and with whoever awards them, not by addresses."""

from pathlib import Path
from typing import Any

from tests.support.command_shell import Shell
from tests.support.gateways import RunningGateway
from tests.support.page_reader import Reader

Json = dict[str, Any]
ELSEWHERE = "https://elsewhere.example/achievements/ropes"


async def test_what_is_missing_and_asked_before_is_called_by_its_title_whoever_awards_it(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    waterland, college = await gateway.institution("waterland"), await gateway.institution("college")
    own = (await waterland.describe("networks", title={"en": "Networks", "de": "Netze"})).achievement.uri
    theirs = (await college.describe("welding", title={"nl": "Lassen", "de": "Schweißen"})).achievement.uri
    groups = [{"name": "Electives", "needed": 1, "achievements": [theirs, ELSEWHERE]}]
    recipe = {"required_achievements": [own], "groups": groups}
    await waterland.describe("data", title={"en": "Data", "de": "Daten"}, ects_hundredths=600, recipe=recipe)
    await waterland.describe("bridges", entry_requirements={"achievements": [theirs]})
    await waterland.describe("rivers")
    await waterland.issue("rivers", "s1")

    refused = await waterland.client.post("/v1/credentials", waterland.award("bridges", "s1"))
    assert (refused.status, refused.slug) == (422, "prerequisite-missing")
    assert f"Lassen, Hogeschool College ({theirs})" in refused.body["detail"]

    stacks = (await waterland.client.get("/v1/learners/s1/stacks")).body["stacks"]
    unmet = {each["code"]: each for each in stacks[0]["preview"]["unmet"]}
    assert unmet["achievement-missing"]["achievements"] == [
        {
            "achievement": own,
            "title": {"en": "Networks", "de": "Netze"},
            "institution_name": "Hogeschool Waterland",
        }
    ]
    left = unmet["group-incomplete"]["achievements"]
    assert [each.get("institution_name") for each in left] == ["Hogeschool College", None]
    assert left[1] == {"achievement": ELSEWHERE}, "what nobody here describes keeps its address"

    said = await Shell(gateway, tmp_path, waterland).run("stacks", "of", "s1", staff=True)
    assert f"Networks, Hogeschool Waterland  {own}" in said
    assert f"Lassen, Hogeschool College  {theirs}" in said

    link = (await waterland.client.post("/v1/holder-links", {"learner": "s1"})).body["link"]
    async with Reader(gateway, "de") as learner:
        await learner.open(f"/credentials/{link.rpartition('/')[2]}")
        assert "Daten" in learner.text
        for title, uri in (("Netze", own), ("Schweißen", theirs)):
            assert f">{title}</span>" in learner.text
            assert f'<code class="behind">{uri}</code>' in learner.text
        assert f"<code>{ELSEWHERE}</code>" in learner.text
        await learner.open("/issuers/waterland/achievements/bridges/page")
        assert ">Schweißen</span>, <bdi>Hogeschool College</bdi>" in learner.text
        await learner.open("/issuers/waterland/achievements/data/page")
        assert ">Netze</span> <code" in learner.text, "its own needs no name beside"
        assert "<bdi>Electives</bdi>" in learner.text
