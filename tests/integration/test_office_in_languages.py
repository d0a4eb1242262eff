"""Pages of office and applicants in the reader's language, refusals too; programmes of others by their titles."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.issuer_gateway.languages import DEFAULT, LANGUAGES
from tests.support.agreements import concluded, term_of
from tests.support.applications import apply_with, decide_item, document_shown, make_due
from tests.support.english_on_pages import english_on
from tests.support.foreign_documents import open_badge
from tests.support.gateways import RunningGateway
from tests.support.judged import Verifier
from tests.support.ledgers import until
from tests.support.page_reader import Reader

pytestmark = pytest.mark.usefixtures("rounds_by_hand")
MARKED_ENGLISH = 'lang="en" dir="auto"'
NOT_OURS = "AAAA"


@pytest.fixture
def gateway_settings(verifier: Verifier) -> Mapping[str, Any]:
    """The gateway asks the test's verifier about evidence."""
    return {"evidence_verifier_url": verifier.url}


@pytest.mark.parametrize("code", sorted(LANGUAGES.keys() - {DEFAULT}))
async def test_every_page_of_office_and_applicant_speaks_the_readers_language(
    gateway: RunningGateway, code: str
) -> None:
    school = await gateway.institution("school")
    programme = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
    settings = {"programmes": [{"uri": programme, "title": "Wasser"}]}
    assert (await school.client.send("PUT", "/v1/settings", settings)).status == 200
    prior = {"dossier": {"title": "Segeln", "description": "Jahre."}}
    made = await apply_with(gateway, school, [{"document": open_badge()}, prior], statement="So.")
    own = f"/office/applications/{made['application_id']}"
    office = ["applications", "standing-decisions", "grade-conditions", "agreements"]
    opened = [
        *(f"/office/{name}" for name in (*office, "endorsements", "report", "settings")),
        *(f"/office/{name}?cursor={NOT_OURS}" for name in office),
        *(f"/office/endorsements?{name}={NOT_OURS}" for name in ("made", "got", "credential")),
        own,
        f"{own}/items/2/file",
        f"{own}/items/9/file",
        f"{own[:-1]}x",
        "/office/agreements/nothing/document",
        f"/office/grade-conditions?achievement_issuer=x&achievement=y&programme={programme}",
        f"/office/grade-conditions?achievement_issuer={school.did}&achievement={programme}&programme=https://a.example",
        "/recognition",
        "/recognition/school",
        "/recognition/nobody",
        f"/applications/{made['secret']}",
        f"/applications/{made['secret'][:-4]}",
    ]
    said = {"text": "\u2800", "decision": "refused", "reason-other": "1"}
    sent: list[tuple[str, dict[str, str]]] = [
        (f"{own}/items/1", {"decision": "full"}),
        (f"{own}/items/1", said),
        (f"{own}/items/2", {"decision": "full", "ects": "3"}),
        (f"{own}/items/2", {"decision": "partial", "ects": "x"}),
        (f"{own}/items/8", {"decision": "full"}),
        (f"{own}/learner", {"learner": "nobody"}),
        ("/office/standing-decisions", {"decision": "full"}),
        ("/office/grade-conditions/remove", {"achievement_issuer": school.did, "achievement": programme}),
        ("/office/grade-conditions", {"grades": "1\n1"}),
        ("/office/agreements", {"partner": "x"}),
        ("/office/endorsers", {"role": "quality"}),
        ("/office/endorsements", {"credential": "x"}),
        ("/office/settings", {"decide_within_days": "x"}),
        ("/office/programmes", {"title": "Wasser", "address": "https://elsewhere.example/"}),
        (f"/applications/{made['secret']}/items/1/appeal", {"text": "Bitte."}),
        (f"/applications/{made['secret']}/items/1/appeal", {"text": ""}),
        (f"/applications/{made['secret']}/items/1/appeal", {"text": "\u2800"}),
        ("/recognition/school", {"given_name": "", "email": "x"}),
        ("/recognition/school", {"given_name": "\u2800", "family_name": "B", "dossier_title": "\u2800"}),
    ]
    async with Reader(gateway, code) as reader:
        await reader.open("/office")
        assert (list(english_on(reader.text)), f'<html lang="{code}">' in reader.text) == ([], True)
        await reader.sign_in("nonsense")
        assert list(english_on(reader.text)) == []
        await reader.sign_in(school.created.api_key)
        token = reader.token
        for path in opened:
            await reader.open(path)
            _is_said(reader, path, code)
        for path, fields in sent:
            await reader.send(path, {"token": token, "programme": programme} | fields)
            assert reader.status != 200, path
            _is_said(reader, path, code)
        await reader.send("/office/settings", {"token": "of another session"})
        _is_said(reader, "another session", code)


def _is_said(reader: Reader, path: str, code: str) -> None:
    assert f'<html lang="{code}">' in reader.text, path
    assert (path, list(english_on(reader.text))) == (path, [])

    assert MARKED_ENGLISH not in reader.text.partition("<footer")[0], path


async def test_programmes_of_other_institutions_are_called_by_their_titles_where_these_are_known(
    gateway: RunningGateway, verifier: Verifier
) -> None:
    college, school = await gateway.institution("college"), await gateway.institution("school")
    academy = await gateway.institution("academy")
    uri = (await college.describe("hydrology")).achievement.uri
    data = f"{school.created.admission_request.uri_prefixes[0]}programmes/data"
    stated = {"programmes": [{"uri": data, "title": "Data and water"}]}
    assert (await school.client.send("PUT", "/v1/settings", stated)).status == 200
    whole = (await school.describe("master", title={"en": "Master of rivers", "de": "Flussmeister"})).achievement.uri
    nowhere = f"{school.created.admission_request.uri_prefixes[0]}programmes/nowhere"
    terms = [term_of(college, school, achievements=[uri], programme=each) for each in (data, whole, nowhere)]
    await concluded(college, school, *terms)

    evidence = [(await document_shown(verifier, college, "hydrology", f"s{number}"))[1] for number in range(2)]
    first = await apply_with(gateway, school, [{"document": evidence[0]}], publish=True, programme=data)
    assert first["state"] == "decided", "by the agreement"
    await make_due(gateway)
    assert gateway.commands is not None
    assert await gateway.commands.publish_recognitions.publish_due() == 1
    second = await apply_with(gateway, academy, [{"document": evidence[1]}])
    async with Reader(gateway, "de") as theirs, Reader(gateway, "de") as others:
        await theirs.sign_in(college.created.api_key, then="/office/agreements")
        assert "Data and water</span>" in theirs.text
        assert "Flussmeister</span>" in theirs.text
        assert f'<code class="behind">{data}</code>' in theirs.text
        assert f"<code>{nowhere}</code>" in theirs.text, "what nobody calls anything keeps its address"
        await others.sign_in(academy.created.api_key)
        path = f"/office/applications/{second['application_id']}"

        async def told() -> bool | None:
            return "Hogeschool School" in await others.open(path) or None

        assert await until(told, "the verifier has followed the recognition")
        assert "Data and water</span>" in others.text, "how the other office decided, and towards what"
        refused = {"decision": "refused", "reason-other": "1", "text": "Es ist anders."}
        await others.decide(path, 1, refused)
        assert others.status == 409
    assert (await decide_item(academy, second, 1, {"decision": "full"})).status == 200
