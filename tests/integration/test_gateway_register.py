"""The public register of a running gateway: institutions by name and place, achievements by the beginnings of words."""

import unicodedata
import urllib.parse

from services.persistence.postgres import connected
from tests.support.gateways import RunningGateway


async def _found(gateway: RunningGateway, query: str) -> list[str]:
    answered = await gateway.client().get(f"/v1/catalogue?q={query}")
    assert answered.status == 200, answered
    return [entry["achievement"]["uri"].rpartition("/")[2] for entry in answered.body["entries"]]


SEARCHES = [
    ("", ["hydrology", "ucitel"]),
    ("hydro", ["hydrology"]),
    ("HYDRO about", ["hydrology"]),
    ("Učitel", ["ucitel"]),
    ("%C3%BCber", ["ucitel"]),
    ("c%2B%2B%20data-base", ["ucitel"]),
    ("waterland", ["hydrology", "ucitel"]),
    ("hydro ucitel", []),
    ("%27%3A%2A%20%26%20%21", ["hydrology", "ucitel"]),
    ("ydrology", []),
]


async def test_every_word_of_a_search_begins_a_word(gateway: RunningGateway) -> None:
    office = await gateway.institution("waterland")
    await office.describe()
    await office.describe("ucitel", title={"cs": "Učitel"}, description={"de": "Über C++, data-base"})
    for query, expected in SEARCHES:
        assert await _found(gateway, query) == expected, query


async def test_the_search_has_an_index(gateway: RunningGateway) -> None:
    async with connected(gateway.database.running_url, application_name="test") as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(
            """EXPLAIN SELECT FROM achievement
               WHERE array_to_tsvector(array_remove(regexp_split_to_array(search_text, '\\s+'), ''))
                   @@ '''hydro'':*'::tsquery"""
        )
    assert any("achievement_by_words" in row[0] for row in plan), plan


async def test_institutions_are_found_with_scope_accreditation_and_keys(gateway: RunningGateway) -> None:
    await gateway.institution("waterland", locality="Dordrecht")
    await gateway.tenant("nadmorska", country="PL", legal_name="Politechnika 100%_Nadmorska")
    for query, slugs in (
        ("", ["nadmorska", "waterland"]),
        ("dordrecht NL", ["waterland"]),
        ("hogeschool%20dord", ["waterland"]),
        ("100%25_", ["nadmorska"]),
        ("0_N", []),
    ):
        page = (await gateway.client().get(f"/v1/institutions?q={query}")).body
        assert [each["slug"] for each in page["institutions"]] == slugs, query
    shown = (await gateway.client().get("/v1/institutions/waterland")).body
    assert shown["scope"]["may_issue"]
    assert shown["accreditation"]["body"]
    assert {(key["purpose"], key["state"]) for key in shown["keys"]} == {
        ("event", "active"),
        ("assertion", "active"),
        ("recovery", "active"),
    }
    waiting = (await gateway.client().get("/v1/institutions/nadmorska")).body
    assert (waiting["state"], waiting.get("keys", [])) == ("not-admitted", [])


async def test_institutions_are_found_whatever_the_databases_locale_folds(gateway: RunningGateway) -> None:
    await gateway.tenant("agentur", legal_name="Österreichische Agentur für ÉDUCATION", locality="Straßburg")
    decomposed = unicodedata.normalize("NFD", "österreichische")
    for query in (
        "Österreichische",
        "österreichische",
        "OSTERREICHISCHE",
        decomposed,
        "éducation",
        "strassburg",
        "FÜR",
    ):
        page = (await gateway.client().get(f"/v1/institutions?q={urllib.parse.quote(query)}")).body
        assert [found["slug"] for found in page["institutions"]] == ["agentur"], query


async def test_null_characters_are_refused_where_the_database_would_get_them(gateway: RunningGateway) -> None:
    for path in ("/v1/institutions", "/v1/esco/skills"):
        refused = await gateway.client().get(f"{path}?q=a%00b")
        assert (refused.status, refused.body["parameter"]) == (422, "q")
    assert (await gateway.client().get("/v1/catalogue?q=a%00b")).status == 200  # words only
    office = await gateway.tenant("waterland")
    named = await office.client.post("/v1/keys", {"name": "a\x00b", "scopes": ["credentials:read"]})
    assert (named.status, named.body["pointer"]) == (422, "/name")
