"""Documents that travelled, presentations, and documents of strangers: each verdict is what the fixture's name says."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.documents.status_list import ENTRY_COUNT_MIN, build_list_credential, empty_bits, with_bits
from proto.ids import Did, KeyId
from proto.keys import SecretKey, did_key, key_id_of
from proto.moment import Moment
from services.crypto.data_integrity import Suite, create_proof
from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from tests.support.awarded import Awarded, award
from tests.support.served_logs import ServedLog, served
from tests.support.worlds import World, lately

STRANGER, ANOTHER = SecretKey(bytes([7]) * 32), SecretKey(bytes([8]) * 32)
DID = did_key(STRANGER.public_key)
CREATED = Moment("2026-01-02T00:00:00.000Z")
Json = dict[str, Any]


def badge(**changed: Any) -> Json:
    """Return a credential of somebody who is not on the register; None removes a member."""
    document = {
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "id": "urn:uuid:6b1f7f4e-8f2f-4d3c-9a55-0f7f7c0a1d11",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": DID, "type": ["Profile"], "name": "Somebody"},
        "validFrom": "2026-01-01T00:00:00Z",
        "name": "Welding",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "https://somebody.example/welding",
                "type": ["Achievement"],
                "name": "Welding",
                "criteria": {"narrative": "Weld"},
                "description": "Welds",
            },
        },
    }
    return {name: value for name, value in (document | changed).items() if value is not None}


def signed(
    document: Json,
    *,
    key: SecretKey = STRANGER,
    suite: Suite = "eddsa-jcs-2022",
    did: str = DID,
    created: Moment = CREATED,
) -> Json:
    key_id = KeyId(key_id_of(did_key(key.public_key), key.public_key)) if did == DID else KeyId(f"{did}#key-1")
    proof = create_proof(document, key_id=key_id, sign=key.sign, suite=suite, created=created)
    return document | {"proof": proof}


def endless() -> Json:
    """Return a credential whose context makes a graph of nameless nodes of it that no canonicalisation ends on."""
    names = {"p": {"@id": "_:b", "@prefix": True}, "k": {"@id": "https://x.example/k", "@type": "@id"}}
    nodes = [{"id": f"p:{i}", "k": [f"p:{(i + 1) % 48}", f"p:{(i + 2) % 48}"]} for i in range(48)]
    document = signed(badge(), suite="eddsa-rdfc-2022")
    return document | {"@context": [*document["@context"], names], "k": nodes}


def aliased() -> Json:
    """Return a credential that has ended, in which the end stands under an alias now; its RDF is the same."""
    document = signed(badge(validUntil="2026-01-02T00:00:00Z"), suite="eddsa-rdfc-2022")
    date = "http://www.w3.org/2001/XMLSchema#dateTime"
    alias = {"end": {"@id": "https://www.w3.org/2018/credentials#validUntil", "@type": date}}
    return document | {"@context": [*document["@context"], alias], "end": document.pop("validUntil")}


def many_vocabularies() -> Json:
    """Return a credential in which each text would be looked for under each of hundreds of vocabularies."""
    document = signed(badge(), suite="eddsa-rdfc-2022")
    contexts = [*document["@context"], *({"@vocab": f"urn:v{number}:"} for number in range(50))]
    proofs = [document["proof"] | {"created": f"2026-01-02T00:00:0{number}Z"} for number in range(8)]
    return document | {"@context": contexts, "texts": [f"x{i}" for i in range(50_000)], "proof": proofs}


def status(**changed: Any) -> Json:
    entry = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://somebody.example/list",
    }
    return entry | changed


FIXTURES: dict[str, tuple[Callable[[], Json], str, str, str]] = {
    "signed, jcs": (lambda: signed(badge()), "indeterminate", "proof", "proof-holds-outside"),
    "signed, rdfc": (
        lambda: signed(badge(), suite="eddsa-rdfc-2022"), "indeterminate", "proof", "proof-holds-outside",
    ),
    "unsigned": (badge, "indeterminate", "proof", "proof-absent-outside"),
    "altered": (lambda: signed(badge()) | {"name": "Diving"}, "invalid", "proof", "proof-wrong"),
    "signed by another": (lambda: signed(badge(), key=ANOTHER), "invalid", "proof", "proof-key-of-another"),
    "expired": (
        lambda: signed(badge(validUntil="2026-01-02T00:00:00Z")), "invalid", "period", "period-over",
    ),
    "not yet valid": (lambda: signed(badge(validFrom="2999-01-01T00:00:00Z")), "invalid", "period", "period-not-begun"),
    "status elsewhere": (
        lambda: signed(badge(credentialStatus=status())), "indeterminate", "status", "status-elsewhere",
    ),
    "status index 94abc": (
        lambda: signed(badge(credentialStatus=status(statusListIndex="94abc"))),
        "invalid", "status", "status-entry-wrong",
    ),
    "status of an unknown kind": (
        lambda: signed(badge(credentialStatus={"type": "OtherStatus"})), "indeterminate", "status", "status-not-read",
    ),
    "no open badge": (
        lambda: signed(badge(type=["VerifiableCredential"], credentialSubject={"name": "A"})),
        "indeterminate", "proof", "proof-holds-outside",
    ),
    "issuer of did:web": (
        lambda: signed(badge(issuer="did:web:somebody.example"), did="did:web:somebody.example"),
        "indeterminate", "proof", "proof-key-elsewhere",
    ),
    "endless": (endless, "indeterminate", "proof", "proof-not-checked"),
    "its end under an alias": (aliased, "indeterminate", "proof", "proof-not-checked"),
    "many vocabularies": (many_vocabularies, "indeterminate", "proof", "proof-not-checked"),
    "signed in the future": (
        lambda: signed(badge(), created=Moment("2999-01-01T00:00:00.000Z")), "invalid", "proof", "proof-wrong",
    ),
    "signed in the future, rdfc": (
        lambda: signed(badge(), suite="eddsa-rdfc-2022", created=Moment("2999-01-01T00:00:00.000Z")),
        "invalid", "proof", "proof-wrong",
    ),
    "an address that runs": (
        lambda: signed(badge(evidence=[{"id": "javascript:alert(1)", "type": ["Evidence"]}])),
        "invalid", "document", "document-unreadable",
    ),
    "an address of a file": (
        lambda: signed(badge(evidence=[{"id": "file:///etc/passwd", "type": ["Evidence"]}])),
        "invalid", "document", "document-unreadable",
    ),
    "ends beyond the calendar": (
        lambda: signed(badge(validUntil="9999-12-31T23:59:59-05:00")), "invalid", "document", "document-unreadable",
    ),
    "begins before the calendar": (
        lambda: signed(badge(validFrom="0001-01-01T00:00:00+14:00")), "invalid", "document", "document-unreadable",
    ),
    "no credential": (lambda: signed(badge(credentialSubject=[])), "invalid", "document", "document-unreadable"),
}  # fmt: skip  # a table reads better

NOT_JSON_FOR_ALL = {
    "a key that stands twice": b'{"issuer": "did:key:a", "issuer": "did:key:b", "credentialSubject": {}}',
    "a number beyond all readers": b'{"issuer": "x", "credentialSubject": {"n": 123456789012345678901234567890}}',
    "a number that is infinite": b'{"issuer": "x", "credentialSubject": {"n": 1e999}}',
    "nested too deep": b'{"issuer":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "half a surrogate": b'{"issuer": "\\ud800", "credentialSubject": {}}',
}


class Desk:
    """A running verifier over a served log."""

    def __init__(self, url: str, session: aiohttp.ClientSession, log: ServedLog) -> None:
        self.url, self.session, self.world = url, session, log.world
        self.party = self.world.admit("school")

    async def post(self, data: bytes, status: int = 200) -> Any:
        headers = {"Content-Type": "application/json"}
        url = f"{self.url}/v1/verifications"
        async with self.session.post(url, data=io.BytesIO(data), headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def awarded(self) -> Awarded:
        found = award(self.world, self.party)
        async with asyncio.timeout(120):
            while (await self.post(found.data))["verdict"] != "valid":  # noqa: ASYNC110 - another task follows the log
                await asyncio.sleep(0.02)
        return found


@pytest.fixture
async def desk(tmp_path: Path, unhurried: None) -> AsyncIterator[Desk]:
    async with served(World(start=lately())) as log, aiohttp.ClientSession() as session:
        config = Config(
            ledger_url=log.url,
            log_verifier_key=log.world.log_key.verifier.text,
            database_file=tmp_path / "projection.sqlite",
            poll_seconds=1,
        )
        app = make_app(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
        async with listening(app, host="127.0.0.1", port=0) as address:
            yield Desk(address.url, session, log)


async def test_each_document_of_a_stranger_gets_the_verdict_of_its_name_and_never_valid(desk: Desk) -> None:
    await desk.awarded()
    for name, (make, verdict, place, code) in FIXTURES.items():
        answer = await desk.post(msgspec.json.encode(make()))
        found = {item["check"]: item["code"] for item in answer["checks"]}
        assert (answer["verdict"], found[place]) == (verdict, code), (name, answer["checks"])


@pytest.mark.parametrize("name", NOT_JSON_FOR_ALL)
async def test_what_readers_could_understand_differently_is_refused(desk: Desk, name: str) -> None:
    problem = await desk.post(NOT_JSON_FOR_ALL[name], status=400)
    assert problem["detail"]


async def test_a_document_that_travelled_is_still_valid_and_an_altered_one_is_not(desk: Desk) -> None:
    awarded = await desk.awarded()
    document = awarded.document
    stranger = signed({name: value for name, value in document.items() if name != "proof"}, key=ANOTHER)["proof"]
    travelled = {
        "reordered": dict(reversed(document.items())),
        "with a stranger's proof beside": document | {"proof": [document["proof"], stranger]},
        "without a proof": {name: value for name, value in document.items() if name != "proof"},
    }
    for name, form in travelled.items():
        for text in (json.dumps(form), json.dumps(form, indent=3, ensure_ascii=False)):
            answer = await desk.post(text.encode())
            assert answer["verdict"] == "valid", (name, answer["checks"])
            again = await desk.post(text.encode())
            assert [item["code"] for item in again["checks"]] == [item["code"] for item in answer["checks"]]
    instead = await desk.post(msgspec.json.encode(document | {"proof": stranger}))
    assert instead["verdict"] == "indeterminate", "a good signature of a stranger shows nothing of the institution"
    broken = document["proof"] | {"proofValue": "z" + "2" * 87}
    assert (await desk.post(msgspec.json.encode(document | {"proof": broken})))["verdict"] == "invalid"
    assert (await desk.post(msgspec.json.encode(document | {"name": "Other"})))["verdict"] == "invalid"


async def test_a_presentation_is_answered_credential_by_credential(desk: Desk) -> None:
    awarded = await desk.awarded()
    presentation = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": DID,
        "verifiableCredential": [awarded.document, signed(badge()) | {"name": "Diving"}],
    }
    data = msgspec.json.encode(presentation)
    lines = await desk.post(data)
    assert [line["answer"]["verdict"] for line in lines] == ["valid", "invalid"]
    assert all("not its own signature, and not who presents it" in line["note"] for line in lines)
    listed = await desk.post(b"[" + data + b"]")
    assert listed[0]["problem"]["type"].endswith("presentation-in-list")
    await desk.post(data.replace(b'"holder"', b'"type":[],"holder"'), status=400)


LIST_URL = "https://somebody.example/list"
SET, CLEAR = 94_567, 7


def status_list(*, key: SecretKey = STRANGER, did: str = DID, **changed: Any) -> Json:
    """Return a stranger's status list on which one place is set; None removes a member."""
    document = build_list_credential(
        list_url=LIST_URL,
        issuer=Did(did),
        bits=with_bits(empty_bits(ENTRY_COUNT_MIN), {SET: True}),
        valid_from=CREATED,
        valid_until=Moment("2999-01-01T00:00:00.000Z"),
        ttl_ms=60_000,
    )
    subject = document["credentialSubject"] | {"statusPurpose": "revocation"}
    document = {name: value for name, value in (document | {"credentialSubject": subject} | changed).items() if value}
    return signed(document, key=key)


BESIDE: dict[str, tuple[int, Callable[[], list[Json]], str, str, str]] = {
    "clear": (CLEAR, lambda: [status_list()], "indeterminate", "valid", "status-list-clear"),
    "set": (SET, lambda: [status_list()], "invalid", "invalid", "status-list-set"),
    "none": (CLEAR, list, "indeterminate", "unknown", "status-elsewhere"),
    "of another address": (
        CLEAR, lambda: [status_list(id=f"{LIST_URL}-2")], "indeterminate", "unknown", "status-elsewhere",
    ),
    "signed by another": (
        CLEAR, lambda: [status_list(key=ANOTHER)], "indeterminate", "unknown", "status-list-refused",
    ),
    "of another issuer": (
        CLEAR, lambda: [status_list(key=ANOTHER, did=did_key(ANOTHER.public_key))],
        "indeterminate", "unknown", "status-list-refused",
    ),
    "altered": (
        CLEAR, lambda: [status_list() | {"validUntil": "2998-01-01T00:00:00.000Z"}],
        "indeterminate", "unknown", "status-list-refused",
    ),
    "over": (
        CLEAR, lambda: [status_list(validUntil="2026-01-03T00:00:00.000Z")],
        "indeterminate", "unknown", "status-list-refused",
    ),
    "since no time": (
        CLEAR, lambda: [status_list(validFrom=None)], "indeterminate", "unknown", "status-list-refused",
    ),
    "since a number": (
        CLEAR, lambda: [status_list(validFrom=20260101)], "indeterminate", "unknown", "status-list-refused",
    ),
    "until beyond the calendar": (
        CLEAR, lambda: [status_list(validUntil="9999-12-31T23:59:59-05:00")],
        "indeterminate", "unknown", "status-list-refused",
    ),
    "too short": (10_000_000, lambda: [status_list()], "invalid", "invalid", "status-entry-wrong"),
}  # fmt: skip  # a table reads better


@pytest.mark.parametrize("name", BESIDE)
async def test_a_status_list_that_is_sent_along_counts_as_far_as_the_issuer_signed_it(desk: Desk, name: str) -> None:
    index, lists, verdict, result, code = BESIDE[name]
    document = signed(badge(credentialStatus=status(statusListIndex=str(index))))
    await desk.awarded()
    answer = await desk.post(json.dumps({"document": document, "status_lists": lists()}).encode())
    found = next(check for check in answer["checks"] if check["check"] == "status")
    assert (answer["verdict"], found["result"], found["code"]) == (verdict, result, code), found


async def test_a_list_says_nothing_of_a_credential_that_is_on_the_log(desk: Desk) -> None:
    awarded = await desk.awarded()
    body = {"document": json.loads(awarded.data), "status_lists": [status_list(key=ANOTHER)]}
    assert (await desk.post(json.dumps(body).encode()))["verdict"] == "valid"
