"""Achievements: listed from the log, described by catalogues that the register bears out, chosen by facets."""

import contextlib
import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web

from proto.documents.credential import Achievement
from proto.wire.register import AchievementFacts, AchievementPage
from services.clients import catalogue_client
from services.verifier.replay import catalogues
from tests.support.documents import full_achievement
from tests.support.loopback import on_loopback
from tests.support.served_logs import served
from tests.support.statements import Party
from tests.support.verifiers import Verifier, running, until
from tests.support.worlds import World, lately

ESCO = "http://data.europa.eu/esco/skill/00000000-0000-4000-8000-111111111111"


def described(party: Party, name: str, **fields: Any) -> Achievement:
    uri = f"{party.url}achievements/{name}"
    return msgspec.structs.replace(full_achievement(uri=uri), **fields)


class Gateway:
    """A catalogue that says what it is told to; what is no achievement is sent as it is."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.is_down = False
        self.asked = 0

    def describe(self, party: Party, achievement: Achievement) -> None:
        self.entries.append(
            {"institution": "x", "issuer": party.did, "legal_name": "Calls itself so", "achievement": achievement}
        )

    async def catalogue(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.is_down:
            raise web.HTTPServiceUnavailable
        limit, begin = int(request.query["limit"]), int(request.query.get("cursor", "0"))
        following = str(begin + limit) if len(self.entries) > begin + limit else None
        answer = {"entries": self.entries[begin : begin + limit], "next_cursor": following, "newer": True}
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


@contextlib.asynccontextmanager
async def reading(folder: Path, gateway: Gateway, *, every_seconds: float = 1) -> AsyncIterator[Verifier]:
    app = web.Application()
    app.router.add_get("/v1/catalogue", gateway.catalogue)
    async with (
        on_loopback(app) as url,
        served(World(start=lately())) as log,
        running(
            log, folder / "projection.sqlite", catalogues=(f"{url}/",), catalogue_seconds=every_seconds
        ) as verifier,
    ):
        yield verifier


async def _page(verifier: Verifier, query: str = "") -> AchievementPage:
    return msgspec.convert(await verifier.get(f"/v1/achievements?{query}"), AchievementPage)


async def _achievement(verifier: Verifier, uri: str) -> AchievementFacts:
    return msgspec.convert(await verifier.get(f"/v1/achievements/{quote(uri, safe='')}"), AchievementFacts)


def _lists(verifier: Verifier, count: int) -> Callable[[], Any]:
    async def ask() -> bool:
        return sum(each.title is not None for each in (await _page(verifier)).achievements) == count

    return ask


async def test_what_was_awarded_is_listed_without_any_catalogue(tmp_path: Path) -> None:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        school = verifier.world.admit("school")
        uri = f"{school.url}achievements/1?a=b%20c"
        verifier.world.issued(school, "one", achievement=uri, ects_hundredths=350, eqf_level=6)
        await verifier.catches_up()
        page = await _page(verifier, "credits=6&level=6&q=school+achievements")
        assert [(row.achievement, row.title, row.credential_count) for row in page.achievements] == [(uri, None, 1)]
        assert (await _page(verifier, "level=5")).achievement_count == 0
        found = await _achievement(verifier, uri)
        assert (found.owner, found.description) == (school.did, None)
        html = await verifier.page(f"/achievements/{quote(uri, safe='')}")
        assert "No description is known here" in html
        assert "3.5 ECTS" in html
        assert "no description is known here" in await verifier.page("/achievements")


async def test_a_catalogue_describes_what_the_register_gives_to_its_institution_and_nothing_else(
    tmp_path: Path,
) -> None:
    gateway = Gateway()
    async with reading(tmp_path, gateway) as verifier:
        world = verifier.world
        school, other = world.admit("school"), world.admit("other")
        gateway.describe(school, described(school, "sql", title={"en": "Databases <I>", "nl": "Databanken I"}))
        gateway.describe(school, described(other, "taken"))  # another's address
        gateway.describe(Party("nobody"), described(Party("nobody"), "x"))  # not on the register
        gateway.entries += [7, {"issuer": school.did, "achievement": {"uri": "?"}}]
        world.issued(school, "one", achievement=f"{school.url}achievements/sql", ects_hundredths=900, eqf_level=7)
        await until(_lists(verifier, 1))
        found = await _achievement(verifier, f"{school.url}achievements/sql")
        assert found.description is not None
        assert found.description.achievement.title["nl"] == "Databanken I"
        html = await verifier.page(f"/achievements/{quote(found.achievement, safe='')}")
        assert "Databases &lt;I&gt;" in html
        assert "Described by the institution, as the catalogue http://127.0.0.1" in html
        assert "Credentials on the log have 9 to 9 ECTS" in html
        assert "Databanken I" in await verifier.page("/achievements?q=databanken&lang=nl", status=200)
        for lang in ("de", "es", "fr"):
            assert "Databases" in await verifier.page(f"/achievements?lang={lang}")
        assert "Search for its title" in await verifier.page("/achievements/https%3A%2F%2Fx.example%2F", status=404)


async def test_achievements_are_chosen_by_facets_that_count_what_is_left(tmp_path: Path) -> None:
    gateway = Gateway()
    async with reading(tmp_path, gateway) as verifier:
        school = verifier.world.admit("school")
        for number in range(catalogue_client.PART_ENTRIES + 5):
            level, language = 4 + number % 3, ("en", "nl-BE")[number % 2]
            title = {"en": f"Course {number:03}"}
            gateway.describe(school, described(school, str(number), eqf_level=level, language=language, title=title))
        await until(_lists(verifier, 50))
        page = await _page(verifier)
        assert page.achievement_count == 55
        rest = await _page(verifier, f"cursor={page.next_cursor}")
        titles = [row.title and row.title["en"] for row in (*page.achievements, *rest.achievements)]
        assert titles == [f"Course {number:03}" for number in range(55)]
        chosen = await _page(verifier, "level=4&language=nl")
        assert chosen.achievement_count == 9
        assert {each.value: each.achievement_count for each in chosen.facets["language"]} == {"en": 10, "nl": 9}
        assert {each.value: each.achievement_count for each in chosen.facets["level"]} == {"4": 9, "5": 9, "6": 9}
        async with verifier.session.get(f"{verifier.url}/v1/achievements.csv?level=4") as response:
            rows = list(csv.DictReader(io.StringIO(await response.text())))
        assert len(rows) == 19
        html = await verifier.page("/achievements?level=4&language=nl")
        assert "Found: 9" in html
        assert "Nederlands (9)" in html


async def test_a_catalogue_that_is_away_keeps_what_it_said_and_one_that_forgets_is_believed(tmp_path: Path) -> None:
    gateway = Gateway()
    async with reading(tmp_path, gateway) as verifier:
        school = verifier.world.admit("school")
        gateway.describe(school, described(school, "sql"))
        await until(_lists(verifier, 1))
        gateway.is_down, asked = True, gateway.asked
        await until(lambda: _true(gateway.asked > asked))
        assert (await _page(verifier)).achievement_count == 1
        gateway.is_down = False
        gateway.entries.clear()
        await until(_lists(verifier, 0))


async def _true(value: bool) -> bool:
    return value


async def test_what_is_awarded_for_the_first_time_has_its_title_without_waiting_for_the_next_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogues, "LOOK_SECONDS", 0.05)
    gateway = Gateway()
    async with reading(tmp_path, gateway, every_seconds=3_600) as verifier:
        school = verifier.world.admit("school")
        await until(lambda: _true(gateway.asked == 1))
        gateway.describe(school, described(school, "sql"))
        for name in ("sql", "of no catalogue"):
            verifier.world.issued(school, name, achievement=f"{school.url}achievements/{quote(name)}")
            await verifier.catches_up()
            await until(_lists(verifier, 1))
        await until(lambda: _true(gateway.asked == 3))


@pytest.mark.parametrize("path", ["https:/", "https://"])
async def test_an_address_that_a_proxy_decoded_is_understood(tmp_path: Path, path: str) -> None:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        school = verifier.world.admit("school")
        uri = f"{school.url}achievements/1"
        verifier.world.issued(school, "one", achievement=uri)
        await verifier.catches_up()
        asked = uri.replace("https://", path)
        assert uri in await verifier.page(f"/achievements/{asked}")
        assert (await verifier.get(f"/v1/achievements/{asked}"))["achievement"] == uri


async def test_parts_of_a_stack_have_the_titles_that_those_who_awarded_them_give_and_no_others(tmp_path: Path) -> None:
    gateway = Gateway()
    async with reading(tmp_path, gateway) as verifier:
        world = verifier.world
        school, other = world.admit("school"), world.admit("other")
        titles = {"en": "Soil & water", "nl": "Bodem en water"}
        gateway.describe(school, described(school, "soil", title=titles))
        gateway.describe(school, described(other, "tides", title={"en": "What another says of it"}))
        parts = [
            world.issued(party, name, achievement=f"{party.url}achievements/{name}", ects_hundredths=300)
            for party, name in ((school, "soil"), (school, "dikes"), (other, "tides"))
        ]
        whole = world.stacked(school, parts, achievement=f"{school.url}achievements/delta", ects_hundredths=900)
        await until(_lists(verifier, 1))
        await verifier.catches_up()

        async def told(path: str = f"/v1/credentials/{whole}") -> dict[str, dict[str, str]]:
            found = (await verifier.get(path))["stack"]["parts"]
            return {part["achievement"].rpartition("/")[2]: part.get("title", {}) for part in found}

        only_ours = {"soil": titles, "dikes": {}, "tides": {}}
        assert await told() == await told() == await told(f"/v1/stacks/{whole}") == only_ours
        html = await verifier.page(f"/c/{whole}?lang=fr")
        assert '<bdi lang="en">Soil &amp; water</bdi>' in html
        assert "What another says of it" not in html
        assert "tirés de catalogues" in html, "whose words titles are"
