"""Every route of the gateway, by another institution's key and links: nothing of one institution is seen or changed.

The routes are those of `/openapi.json`: one that has no case here fails the test until somebody says what holds for it.
"""

import re
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.support.gateways import Office, RunningGateway, achievement
from tests.support.holdings import Holdings, fill, made
from tests.support.ledgers import Registrar, until

Json = dict[str, Any]
ONE_SAID = ("Quarkowska", "s-4711", "rivers-of-old", "zebedea")
"""What is known to the first institution alone."""
NOT_THERE = {403, 404, 410}
SEE = frozenset(
    [
        "read_achievement",
        "read_credential",
        "read_document",
        "read_event",
        "advise_stacks",
        "list_endorsements",
        "read_supplement",
        "read_picture",
        "read_request",
        "read_application",
        "export_application",
        "read_agreement",
        "save_evidence",
        "read_claim",
        "read_batch",
        "read_rows",
        "follow_batch",
    ]
)
"""Reads that name a thing of one institution: to another's key it is not there."""
CHANGE: dict[str, Any] = {
    "revoke_key": None,
    "revise_achievement": achievement(),
    "revoke_credential": {"reason": "error"},
    "suspend_credential": {"reason": "error"},
    "reinstate_credential": {"reason": "error"},
    "say_event_again": None,
    "withdraw_recognition": None,
    "withdraw_standing_decision": None,
    "uninvite_endorser": None,
    "endorse_credential": {"role": "quality"},
    "withdraw_endorsement": None,
    "end_holder_link": None,
    "erase_learner": None,
    "accept_request": {"learner": {"ref": "mine", "family_name": "X"}, "valid_from": "2026-01-01"},
    "reject_request": {"reason": "No."},
    "decide_application": {"decision": "full", "ects_hundredths": 100},
    "say_whose_application": {"learner": None},
    "accept_agreement": None,
    "end_agreement": None,
    "cancel_claim": None,
    "make_batch_claims": None,
    "cancel_batch": None,
}
"""Changes of a thing that belongs to one institution, by its id: to another's key it is not there."""
NAMES_ANOTHERS = frozenset(
    [
        "issue_credential",
        "stack_credentials",
        "preview_stack",
        "make_holder_link",
        "list_holder_links",
        "make_claim",
        "change_batch",
        "issue_batch",
        "make_award_claims",
    ]
)
"""What names a thing of one institution in its body or query: another's key is refused, or each row is."""
OWN = frozenset(
    [
        "read_settings",
        "list_keys",
        "list_achievements",
        "list_credentials",
        "list_standing_decisions",
        "list_agreements",
        "list_endorsers",
        "list_requests",
        "list_applications",
        "report_recognition",
        "list_grade_conditions",
        "list_batches",
        "read_reminders",
        "read_audit_trail",
        "read_audit_end",
        "read_retention",
    ]
)
"""Answers about whoever asks."""
OWN_CHANGE = frozenset(
    [
        "change_settings",
        "create_key",
        "change_logo",
        "remove_logo",
        "create_achievement",
        "recognise_credential",
        "make_standing_decision",
        "propose_agreement",
        "take_in_agreement",
        "set_grade_condition",
        "remove_grade_condition",
        "preview_grade_condition",
        "invite_endorser",
        "create_signing_key",
        "import_open_badges",
        "import_elm_document",
        "import_microhe_metadata",
        "change_retention",
        "amend_retention",
    ]
)
"""Changes of whoever asks, which name nothing that belongs to another; recognition and invitations name others."""
OPERATOR = frozenset(("create_institution", "load_skills"))
PUBLIC = frozenset(
    [
        "list_institutions",
        "read_institution",
        "list_public_agreements",
        "read_did_document",
        "read_logo",
        "read_public_achievement",
        "read_catalogue",
        "read_status_list",
        "show_achievement",
        "find_skills",
        "show_who_recognises",
        "show_application_form",
    ]
)
"""Shown to anybody: nothing in it is about a person."""
FOR_ANYBODY = frozenset(("ask_by_form", "ask_for_achievement", "send_application", "apply_by_form"))
"""Sent by anybody without a key; what is answered is a link of its own."""
LINKS = {
    "holder": frozenset(
        [
            "see_linked",
            "show_linked",
            "save_export",
            "end_linked_by_form",
            "show_linked_credential",
            "save_linked_document",
            "save_linked_pdf",
            "save_linked_picture",
            "share_by_form",
            "end_share_by_form",
        ]
    ),
    "request": frozenset(
        [
            "open_asked_page",
            "end_asked_by_form",
            "show_request",
            "withdraw_by_form",
            "read_asked_document",
            "see_request",
            "withdraw_request",
        ]
    ),
    "application": frozenset(
        [
            "see_application",
            "export_application_by_link",
            "appeal_recognition",
            "withdraw_application",
            "show_application",
            "appeal_on_page",
            "withdraw_application_on_page",
        ]
    ),
    "claim": frozenset(["see_claim", "use_claim", "show_claim", "claim_by_form"]),
}
"""Behind a secret link: another link, and another's key, lead to nothing of it."""
OFFICE: dict[str, dict[str, str] | None] = {
    "show_office_application": None,
    "save_office_evidence": None,
    "decide_by_form": {"decision": "full", "ects": "1"},
    "say_whose_by_form": {"learner": ""},
    "save_agreement": None,
    "accept_agreement_by_form": {},
    "end_agreement_by_form": {},
    "withdraw_standing_decision_by_form": {},
    "uninvite_by_form": {},
    "withdraw_endorsement_by_form": {},
}
"""Pages of the office that name a thing of one institution: to who signed in by another's key it is not there."""
OFFICE_OWN = frozenset(
    [
        "show_office",
        "show_agreements",
        "show_endorsements",
        "show_grade_conditions",
        "show_office_applications",
        "show_office_settings",
        "show_recognition_report",
        "show_standing_decisions",
    ]
)
OFFICE_SESSION = frozenset(
    (
        "sign_in_by_form",
        "sign_out_by_form",
        "make_standing_decision_by_form",
        "propose_agreement_by_form",
        "take_in_agreement_by_form",
        "say_grades_by_form",
        "remove_grades_by_form",
        "change_office_settings_by_form",
        "name_programme_by_form",
        "remove_programme_by_form",
        "invite_by_form",
        "endorse_by_form",
    )
)
EVERY = frozenset().union(
    *(SEE, CHANGE, NAMES_ANOTHERS, OWN, OWN_CHANGE, OPERATOR, PUBLIC, FOR_ANYBODY, OFFICE, OFFICE_OWN, OFFICE_SESSION),
    *LINKS.values(),
)


class Walk:
    """Sends requests as the second institution and looks at all that comes back."""

    def __init__(self, gateway: RunningGateway, one: Holdings, two: Holdings) -> None:
        self.gateway, self.one, self.two = gateway, one, two

    def path(self, template: str, ids: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], template)

    async def send(
        self, method: str, path: str, *, body: Any = None, key: str | None = None, form: bool = False
    ) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        sent: Json = {"data": {"text": "x", "audience": "x", "days": "1"}} if form else {"json": body}
        if body is None and not form:
            sent = {}
        async with self.gateway.ledger.session.request(
            method, self.gateway.url + path, headers=headers, allow_redirects=False, **sent
        ) as response:
            text = (await response.read()).decode(errors="replace")
        for said in ONE_SAID:
            assert said not in text, (method, path, said)
        return response.status, text

    async def as_two(self, method: str, template: str, body: Any = None, query: str = "") -> tuple[int, str]:
        """Ask by the second's key for what the first has."""
        path = self.path(template, self.one.ids) + query
        return await self.send(method, path, body=body, key=self.two.office.created.api_key)


async def _operations(gateway: RunningGateway) -> dict[str, tuple[str, str]]:
    paths = (await gateway.client().get("/openapi.json")).body["paths"]
    return {
        operation["operationId"]: (method.upper(), template)
        for template, operations in paths.items()
        for method, operation in operations.items()
        if operation["tags"] != ["operations"]
    }


async def _state(one: Holdings) -> list[Any]:
    """Return what the first institution sees of its own, to be compared."""
    ids, client = one.ids, one.office.client
    paths = (
        f"/v1/credentials/{ids['credential_id']}/document",
        f"/v1/requests/{ids['request_id']}",
        f"/v1/recognition-applications/{ids['application_id']}",
        f"/v1/claims/{ids['claim_id']}",
        f"/v1/batches/{ids['batch_id']}",
        f"/v1/holder-links?learner={ids['ref']}",
        "/v1/keys",
        "/v1/settings",
        "/v1/achievements",
        "/v1/retention",
        "/v1/standing-decisions",
        "/v1/endorsers",
        "/v1/agreements",
    )
    answers = [await client.get(path) for path in paths]
    assert all(answer.status == 200 for answer in answers), answers
    return [answer.body for answer in answers]


@pytest.fixture
def registrar() -> Registrar:
    """Who opens its log with rules version 2, as every new log is opened."""
    return Registrar(rules_version=2)


@pytest.fixture
async def walk(gateway: RunningGateway) -> Walk:
    one, two = await gateway.institution("waterland"), await gateway.institution("nadmorska")
    third = await gateway.institution("third")
    first = await fill(gateway, one, "Quarkowska", "s-4711", "rivers-of-old")
    await made(one, "/v1/achievements", achievement("only-here"))
    second = await fill(gateway, two, "Nowak", "n-1", "lakes")
    first.ids["agreement_id"] = await _agreement(one, third)
    second.ids["agreement_id"] = await _agreement(two, third)
    await one.published(first.ids["credential_id"])
    return Walk(gateway, first, second)


async def _agreement(one: Office, third: Office) -> str:
    """Have the first institution propose an agreement to one that the second is not."""
    programme = f"{third.created.admission_request.uri_prefixes[0]}programmes/1"
    parties = {"awarded_by": one.did, "recogniser": third.did}
    term = parties | {"programme": programme, "eqf_level": 6, "decision": "full"}
    body = {"partner": third.did, "valid_until": "2029-06-30", "terms": [term]}
    return str((await made(one, "/v1/agreements", body))["agreement_id"])


async def test_every_route_keeps_an_institution_s_things_from_anothers_key_and_links(
    gateway: RunningGateway, walk: Walk
) -> None:
    operations = await _operations(gateway)
    assert set(operations) == EVERY, "say of each route what another institution gets, in one of the sets above"
    before = await _state(walk.one)
    await _see_and_change(walk, operations)
    await _name_anothers(walk, operations)
    await _own_and_public(walk, operations)
    await _links(walk, operations)
    await _office(walk, operations)
    assert await _state(walk.one) == before


async def _see_and_change(walk: Walk, operations: dict[str, tuple[str, str]]) -> None:
    for name in sorted(SEE | set(CHANGE)):
        method, template = operations[name]
        if name in {"read_achievement", "revise_achievement"}:
            template = template.replace("{achievement_id}", "only-here")
        status, text = await walk.as_two(method, template, CHANGE.get(name))
        is_empty = name == "list_endorsements" and text == '{"endorsements":[]}'  # the second's own
        assert status in NOT_THERE or is_empty, (name, status, text)
    for name in sorted(OPERATOR):
        status, text = await walk.as_two(*operations[name], body={})
        assert status == 403, (name, status, text)


async def _name_anothers(walk: Walk, operations: dict[str, tuple[str, str]]) -> None:
    ids, two = walk.one.ids, walk.two.office
    award = two.award(ids["uri"])
    stack = {"learner": {"ref": "n-1"}, "achievement": ids["uri"], "valid_from": "2026-01-01"}
    bodies: dict[str, Any] = {
        "issue_credential": award,
        "stack_credentials": stack | {"components": [ids["credential_id"], walk.two.ids["credential_id"]]},
        "preview_stack": stack | {"components": [ids["credential_id"], walk.two.ids["credential_id"]]},
        "make_holder_link": {"credential_id": ids["credential_id"]},
        "make_claim": {"credential_id": ids["credential_id"]},
    }
    for name, body in bodies.items():
        status, text = await walk.as_two(*operations[name], body=body)
        assert 400 <= status < 500, (name, status, text)
    status, text = await walk.as_two(*operations["list_holder_links"], query=f"?learner={ids['ref']}")
    assert 400 <= status < 500, text
    change = {"change": "revoke", "credential_id": ids["credential_id"], "reason": "error"}
    for path, row in (("/v1/batches", award), ("/v1/batches/changes", change), ("/v1/claims/awards", award)):
        lines, media = msgspec.json.encode(row) + b"\n", "application/x-ndjson"
        answer = await two.client.send("POST", path, lines, key=f"rows{len(path)}", media_type=media)
        assert answer.status < 500, answer
        if answer.status >= 400:
            continue
        if path == "/v1/batches/changes":
            batch_id = answer.body["batch_id"]

            async def refused(batch_id: str = batch_id) -> bool | None:
                found = (await two.client.get(f"/v1/batches/{batch_id}")).body
                return True if found["refused_count"] == 1 else None

            await until(refused, "the change of another's credential is refused")
        else:
            assert '"claim"' not in str(answer.body), answer
            assert answer.body.get("accepted_count", 0) == 0, answer


async def _own_and_public(walk: Walk, operations: dict[str, tuple[str, str]]) -> None:
    for name in sorted(OWN):
        status, text = await walk.as_two(*operations[name])
        assert status == 200, (name, status, text)
        for kind in ("credential_id", "request_id", "application_id", "claim_id", "batch_id", "link_id", "api_key_id"):
            assert walk.one.ids[kind] not in text or name == "read_audit_trail", (name, kind)
    for name in sorted(PUBLIC):
        method, template = operations[name]
        status, text = await walk.send(method, walk.path(template, walk.one.ids))
        assert status < 500, (name, status, text)


async def _links(walk: Walk, operations: dict[str, tuple[str, str]]) -> None:
    """By the second's links and the first's ids, by the first's links with a letter changed, and by the first's key."""
    order = sorted((kind, name) for kind, names in LINKS.items() for name in names)
    for kind, name in sorted(order, key=lambda each: operations[each[1]][0] != "GET"):
        method, template = operations[name]
        is_form = method == "POST" and not template.startswith("/v1/")
        body = {"text": "x"} if name == "appeal_recognition" else {} if method == "POST" and not is_form else None
        secret = walk.one.secrets[kind]
        altered = secret[:-2] + ("A" if secret[-2] != "A" else "B") + secret[-1]
        ids = walk.one.ids | {"secret": altered}
        key = walk.one.office.created.api_key
        status, text = await walk.send(method, walk.path(template, ids), body=body, key=key, form=is_form)
        assert status in NOT_THERE, (name, "altered", status, text)
        if "{credential_id}" in template:
            ids = walk.one.ids | {"secret": walk.two.secrets[kind]}
            status, text = await walk.send(method, walk.path(template, ids), key=key, body=body, form=is_form)
            assert status in NOT_THERE, (name, "another's link", status, text)
        elif method == "GET":
            ids = walk.one.ids | {"secret": walk.two.secrets[kind]}
            status, text = await walk.send(method, walk.path(template, ids), key=key)
            assert status < 500, (name, status)


async def _office(walk: Walk, operations: dict[str, tuple[str, str]]) -> None:
    """Sign in by the second's key, with the form token of that session, and ask for what the first has."""
    url, jar = walk.gateway.url, aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        key = {"key": walk.two.office.created.api_key}
        async with browser.post(f"{url}/office/session", data=key, allow_redirects=False) as response:
            assert response.status == 303
        token = ""
        for name in sorted(OFFICE_OWN):
            async with browser.get(url + operations[name][1]) as response:
                assert response.status == 200, name
                text = await response.text()
            assert not any(said in text for said in ONE_SAID), name
            assert walk.one.ids["application_id"] not in text, name
            token = (re.findall(r'name="token" value="([^"]+)"', text) or [token])[0]
        for name, fields in OFFICE.items():
            method, template = operations[name]
            form = fields | {"token": token} if fields is not None else None
            async with browser.request(method, url + walk.path(template, walk.one.ids), data=form) as response:
                assert response.status == 404, (name, response.status)
            if fields is not None:
                async with browser.request(
                    method, url + walk.path(template, walk.two.ids), data={**fields, "token": "x"}
                ) as response:
                    assert response.status == 403, (name, "a form of another session")
