"""Records that may lack what was said since: no list, file or page calls anything good by them, in any language."""

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest

from services.verifier.languages import DEFAULT, LANGUAGES
from services.verifier.pages.list_words import STATE_WORDS
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, codes, running, until
from tests.support.worlds import World, lately

_SEGMENT = {"safe": ""}
_NO_TIME = 0.000_001
"""A freshness limit that nothing keeps: what is on record here is old from the beginning."""


@pytest.fixture
async def stale(tmp_path: Path) -> AsyncIterator[Verifier]:
    world = World(start=lately(), rules_version=2)
    school, other, gone = (world.admit(name) for name in ("school", "other", "gone"))
    world.say(world.committed(school, "one"))
    world.say(world.standing_decision(other, school))
    world.say(world.suspension(gone))
    settings = {"freshness_seconds_max": _NO_TIME}
    async with served(world) as log, running(log, tmp_path / "projection.sqlite", **settings) as verifier:
        await verifier.catches_up()

        async def is_old() -> bool:
            return bool((await verifier.get("/v1/issuers"))["freshness"]["code"] == "stale")

        await until(is_old)
        yield verifier


async def test_no_institution_key_or_decision_is_called_good_in_json_or_csv(stale: Verifier) -> None:
    page = await stale.get("/v1/issuers")
    assert [row["state"] for row in page["issuers"]] == ["suspended", "unknown", "unknown"]
    async with stale.session.get(stale.url + "/v1/issuers.csv") as response:
        assert response.headers["X-Log-Freshness"] == "stale"
        rows = csv.DictReader(io.StringIO(await response.text()))
        assert [row["state"] for row in rows] == ["suspended", "unknown", "unknown"]
    assert (await stale.get("/v1/issuers?state=active"))["issuers"] == []
    assert len((await stale.get("/v1/issuers?state=unknown"))["issuers"]) == 2
    assert len((await stale.get("/v1/issuers?state=suspended"))["issuers"]) == 1
    other = await stale.get(f"/v1/issuers/{quote(stale.world.party('other').did, **_SEGMENT)}")
    assert other["issuer"]["state"] == "unknown"
    assert {key["state"] for key in other["keys"]} == {"unknown"}
    assert [each["state"] for each in other["decisions"]] == ["unknown"]
    uri = f"{stale.world.party('school').url}achievements/1"
    facts = await stale.get(f"/v1/achievements/{quote(uri, **_SEGMENT)}")
    assert [each["state"] for each in facts["decisions"]] == ["unknown"]


async def test_no_page_calls_anything_good_and_each_says_why_in_its_own_language(stale: Verifier) -> None:
    school = quote(stale.world.party("school").did, **_SEGMENT)
    uri = quote(f"{stale.world.party('school').url}achievements/1", **_SEGMENT)
    for code, language in LANGUAGES.items():
        for path in ("/issuers", f"/issuers/{school}", "/achievements", f"/achievements/{uri}", "/log", "/statistics"):
            page = html.unescape(await stale.page(f"{path}?lang={code}"))
            (said,) = re.findall(r'<div class="card verdict indeterminate" role="status"><p>(.*?)</p>', page)
            begin, end = language.sentences["stale"].split("{age}")
            assert (said.startswith(begin), said.endswith(end)) == (True, True), said
            assert 's-active">' not in page
            assert 's-usable">' not in page
            if code != DEFAULT:
                assert "The log was" not in page
        page = html.unescape(await stale.page(f"/issuers?lang={code}"))
        assert language.word("not known") in page
        shown = html.unescape(await stale.page(f"/issuers/{school}?lang={code}"))
        assert language.word(STATE_WORDS["unknown"]) in shown


async def test_no_endorsement_or_decision_beside_a_credential_is_called_live(stale: Verifier) -> None:
    newest = (await stale.get("/v1/log/summary"))["newest"]
    (issued,) = (each["credential_ids"][0] for each in newest if each.get("credential_ids"))
    answer = await stale.get(f"/v1/credentials/{issued}")
    assert (answer["verdict"], codes(answer)["freshness"]) == ("indeterminate", "stale")
    assert [each["state"] for each in answer["standing_decisions"]] == ["unknown"]
    assert answer["issuer"]["state"] == "unknown"


async def test_what_is_fresh_again_is_called_what_it_is(tmp_path: Path) -> None:
    world = World(start=lately())
    world.admit("school")
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        (row,) = (await verifier.get("/v1/issuers?state=active"))["issuers"]
        assert row["state"] == "active"
        assert (await verifier.get("/v1/issuers?state=unknown"))["issuers"] == []
