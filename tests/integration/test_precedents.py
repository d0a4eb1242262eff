"""How like cases were decided, as an office is told by API, page and command: each case once, and in words."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proto.wire.applications import Precedent
from tests.support.applications import (
    REFUSAL,
    apply_with,
    decide_item,
    document_shown,
    make_due,
    read_application,
    second_person,
    seen_by_applicant,
)
from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway
from tests.support.judged import Verifier
from tests.support.ledgers import until
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")

Json = dict[str, Any]
FULL: Json = {"decision": "full"}
PARTIAL: Json = {"decision": "partial", "ects_hundredths": 100, "reasons": ["outcomes-differ"], "text": "Half of it."}


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


class Cases:
    """A college's achievement, and applications to a school with credentials of it."""

    def __init__(self, gateway: RunningGateway, verifier: Verifier, college: Office, school: Office, uri: str) -> None:
        self.gateway, self.verifier, self.college, self.school, self.uri = gateway, verifier, college, school, uri
        self._refs = iter(f"s{number}" for number in range(9))

    async def apply(self, *, to: Office | None = None, publish: bool = False) -> Json:
        _, document = await document_shown(self.verifier, self.college, "hydrology", next(self._refs))
        return await apply_with(self.gateway, to or self.school, [{"document": document}], publish=publish)

    async def publish(self, made: Json) -> str:
        """Have the log hold the last decision of an application; return the recognition, once verifiers tell of it."""
        await make_due(self.gateway)
        assert self.gateway.commands is not None
        assert await self.gateway.commands.publish_recognitions.publish_due() == 1
        recognition = (await seen_by_applicant(self.gateway, made)).items[0].decisions[-1].recognition
        assert recognition is not None
        await self.school.event_published(recognition)
        return recognition

    async def told_by_verifier(self, *ways: tuple[str, int]) -> None:
        """Wait until a verifier tells of these live recognitions, by decision and count."""

        async def told() -> bool | None:
            found = (await self.verifier.precedents(self.uri, self.college.did))["precedents"]
            return sorted((each["decision"], each["count"]) for each in found) == sorted(ways) or None

        await until(told, f"the verifier tells of {ways}")

    async def precedents(self, made: Json, office: Office | None = None) -> list[tuple[str, str, int, int]]:
        (item,) = (await read_application(office or self.school, made)).items
        assert item.public_precedents == "known"
        return [_words(each) for each in item.precedents]


def _words(each: Precedent) -> tuple[str, str, int, int]:
    return each.scope, each.decision, each.count, each.public_count


@pytest.fixture
async def cases(gateway: RunningGateway, verifier: Verifier) -> Cases:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    uri = (await college.describe("hydrology")).achievement.uri
    return Cases(gateway, verifier, college, school, uri)


async def test_an_own_decision_that_is_on_the_log_is_one_precedent(cases: Cases, tmp_path: Path) -> None:
    first, quiet, asked = await cases.apply(publish=True), await cases.apply(), await cases.apply()
    for made in (first, quiet):
        assert (await decide_item(cases.school, made, 1, FULL)).status == 200
    recognition = await cases.publish(first)
    await cases.told_by_verifier(("full", 1))
    assert await cases.precedents(asked) == [("own", "full", 2, 1)]
    assert await cases.precedents(first) == [("own", "full", 1, 0)], "nothing is a precedent of itself"
    async with Reader(cases.gateway) as decider:
        await decider.sign_in(cases.school.created.api_key)
        await decider.open(f"/office/applications/{asked['application_id']}")
        assert ", of these on the public log: 1" in decider.text
        assert "on the public log: 1, last on" not in decider.text
    shown = await Shell(cases.gateway, tmp_path, cases.school).run(
        "recognition", "show", asked["application_id"], staff=True
    )
    assert shown.count("before: ") == 1
    assert "before: full, here: 2, of these on the public log: 1" in shown

    unlike = await decide_item(cases.school, asked, 1, REFUSAL)
    assert (unlike.slug, [each["scope"] for each in unlike.body["precedents"]]) == ("unlike-case", ["own"])
    assert "decided 2 times full." in unlike.body["detail"]
    assert (await decide_item(cases.school, asked, 1, REFUSAL | {"despite_precedents": True})).status == 200
    report = (await cases.school.client.get("/v1/recognition-report")).body
    assert [(each["full"], each["partial"], each["refused"]) for each in report["unlike"]] == [(2, 0, 1)]

    withdrawn = await cases.school.client.send("DELETE", f"/v1/recognitions/{recognition}")
    await cases.school.event_published(withdrawn.body["event_id"])
    await cases.told_by_verifier()
    later = await cases.apply()
    assert sorted(await cases.precedents(later)) == [("own", "full", 2, 0), ("own", "refused", 1, 0)]


async def test_a_list_tells_an_own_decision_once_though_the_evidence_came_with_it(cases: Cases) -> None:
    _, document = await document_shown(cases.verifier, cases.college, "hydrology", "s8")
    first = await apply_with(cases.gateway, cases.school, [{"document": document}], publish=True)
    assert (await decide_item(cases.school, first, 1, FULL)).status == 200
    await cases.publish(first)
    await cases.told_by_verifier(("full", 1))
    again = await apply_with(cases.gateway, cases.school, [{"document": document}])
    (item,) = (await read_application(cases.school, again)).items
    assert item.answer is not None
    assert [each.state for each in item.answer.recognitions] == ["live"], "the verifier told of it with the evidence"
    listed = (await cases.school.client.get("/v1/recognition-applications?state=open")).body["applications"]
    found = [(each["scope"], each["count"]) for row in listed for each in row["items"][0]["precedents"]]
    assert found == [("own", 1)]


async def test_programmes_of_precedents_are_called_by_their_titles(cases: Cases, tmp_path: Path) -> None:
    data = f"{cases.school.created.admission_request.uri_prefixes[0]}programmes/data"
    named = {"programmes": [{"uri": data, "title": "Data and [water]"}]}
    assert (await cases.school.client.send("PUT", "/v1/settings", named)).status == 200
    academy = await cases.gateway.institution("academy")
    first, asked, elsewhere = await cases.apply(publish=True), await cases.apply(), await cases.apply(to=academy)
    assert (await decide_item(cases.school, first, 1, FULL)).status == 200
    await cases.publish(first)
    await cases.told_by_verifier(("full", 1))
    for office, made in ((cases.school, asked), (academy, elsewhere)):
        (item,) = (await read_application(office, made)).items
        titled = [(each.programme, each.programme_title) for each in item.precedents]
        assert titled == [(data, {"und": "Data and [water]"})]
        shell = Shell(cases.gateway, tmp_path, office)
        shown = await shell.run("recognition", "show", made["application_id"], staff=True)
        assert f"towards Data and [water]  {data}" in " ".join(shown.split("\n"))
        async with Reader(cases.gateway) as decider:
            await decider.sign_in(office.created.api_key)
            await decider.open(f"/office/applications/{made['application_id']}")
            assert f'>Data and [water]</span> <code class="behind">{data}</code>' in decider.text
    bare: Json = {"programmes": []}
    assert (await cases.school.client.send("PUT", "/v1/settings", bare)).status == 200
    (item,) = (await read_application(academy, elsewhere)).items
    assert [each.programme_title for each in item.precedents] == [None], "what nobody calls by a name keeps its address"


async def test_what_is_left_on_the_log_of_an_erased_application_stays_a_public_precedent(cases: Cases) -> None:
    gone, kept, asked = await cases.apply(publish=True), await cases.apply(publish=True), await cases.apply()
    for made in (gone, kept):
        assert (await decide_item(cases.school, made, 1, FULL)).status == 200
        await cases.publish(made)
    await cases.told_by_verifier(("full", 2))
    assert await cases.precedents(asked) == [("own", "full", 2, 2)]
    erased = await cases.gateway.client().send("DELETE", f"/v1/application-links/{gone['secret']}")
    assert erased.status == 200, erased
    assert await cases.precedents(asked) == [("own", "full", 1, 1), ("public", "full", 1, 0)]
    academy = await cases.gateway.institution("academy")
    other = await cases.apply(to=academy)
    assert await cases.precedents(other, academy) == [("public", "full", 2, 0)], "of others all is public"


async def test_what_was_decided_anew_counts_as_that_before_the_log_says_so(cases: Cases) -> None:
    made, asked = await cases.apply(publish=True), await cases.apply()
    assert (await decide_item(cases.school, made, 1, PARTIAL)).status == 200
    await cases.publish(made)
    appeal = f"/v1/application-links/{made['secret']}/items/1/appeal"
    assert (await cases.gateway.client().post(appeal, {"text": "It is all of it."})).status == 200
    assert (await decide_item(await second_person(cases.school), made, 1, FULL)).status == 200
    await cases.told_by_verifier(("partial", 1))
    assert await cases.precedents(asked) == [("own", "full", 1, 0)]
    await cases.publish(made)
    await cases.told_by_verifier(("full", 1))
    assert await cases.precedents(asked) == [("own", "full", 1, 1)]
