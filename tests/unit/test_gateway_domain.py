"""What the gateway decides without a database: names, prefixes, which refusals are final, rows of batches."""

import msgspec
import pytest

from proto.ids import AchievementId, InstitutionId
from proto.problem import InvalidProblem, MalformedProblem
from proto.wire.gateway import AchievementRequest
from proto.wire.institutions import InstitutionRequest
from services.issuer_gateway.batches.batch_upload import TooManyRowsProblem
from services.issuer_gateway.batches.rows import rows_of
from services.issuer_gateway.domain.awarding import ForeignUriProblem, achievement_from, achievement_id_from
from services.issuer_gateway.domain.tenant import Tenant, did_of, prefix_of, tenant_from
from services.issuer_gateway.log.relay import is_final
from tests.support.gateways import achievement
from tests.support.statements import ACCREDITATION, SCOPE, secret_key
from tests.support.tenants import tenant_of


def _tenant() -> Tenant:
    prefixes = ("https://waterland.example/",)
    return tenant_of("waterland", "Hogeschool Waterland", public_url="http://localhost:8102", uri_prefixes=prefixes)


@pytest.mark.parametrize(
    ("url", "did"),
    [
        ("http://localhost:8102", "did:web:localhost%3A8102:issuers:uni"),
        ("https://badges.example", "did:web:badges.example:issuers:uni"),
        ("https://badges.example/gateway/one", "did:web:badges.example:gateway:one:issuers:uni"),
    ],
)
def test_a_did_says_where_its_document_lies(url: str, did: str) -> None:
    assert did_of(url, "uni") == did
    assert prefix_of(url, "uni") == f"{url}/issuers/uni/"


def test_a_recovery_key_that_no_one_may_have_is_refused() -> None:
    request = msgspec.structs.asdict(_request_with_bad_key())
    with pytest.raises(InvalidProblem) as caught:
        tenant_from(InstitutionRequest(**request), institution_id=InstitutionId("1"), public_url="http://localhost")
    assert caught.value.pointer == "/recovery_public_key"


def _request_with_bad_key() -> InstitutionRequest:
    key = secret_key("recovery").public_key
    return InstitutionRequest(
        slug="waterland",
        legal_name="Hogeschool Waterland",
        country="NL",
        recovery_public_key=type(key)(key[:-1] + ("1" if key[-1] != "1" else "2")),
        scope=SCOPE,
        accreditation=ACCREDITATION,
    )


def test_an_achievement_gets_its_uri_from_its_id_or_keeps_its_own() -> None:
    named = msgspec.convert(achievement("hydrology"), AchievementRequest)
    made_id, made = achievement_from(named, _tenant(), fresh_id=AchievementId("a-1"))
    assert (made_id, made.uri) == ("hydrology", "http://localhost:8102/issuers/waterland/achievements/hydrology")
    nameless = msgspec.structs.replace(named, id=msgspec.UNSET)
    assert achievement_from(nameless, _tenant(), fresh_id=AchievementId("a-1"))[0] == "a-1"
    own = msgspec.structs.replace(nameless, uri="https://waterland.example/achievements/Dikes")
    assert achievement_from(own, _tenant(), fresh_id=AchievementId("a-1"))[0] == "dikes"
    foreign = msgspec.structs.replace(nameless, uri="https://waterland.example.evil/achievements/dikes")
    with pytest.raises(ForeignUriProblem):
        achievement_from(foreign, _tenant(), fresh_id=AchievementId("a-1"))


def test_an_id_is_made_of_a_uri_that_ends_in_none() -> None:
    assert achievement_id_from("https://a.example/x/ach-876543") == "ach-876543"
    assert achievement_id_from("https://a.example/x/?id=7").startswith("a-")
    assert achievement_id_from("https://a.example/x/?id=7") != achievement_id_from("https://a.example/x/?id=8")


@pytest.mark.parametrize(
    ("problem", "final"),
    [
        ({"final": True}, True),
        ({"final": False, "type": "urn:credentify:problem:malformed"}, False),
        ({"type": "urn:credentify:problem:malformed"}, True),
        ({"type": "urn:credentify:problem:unavailable", "status": 503}, False),
        ({"final": "yes"}, False),
        ({}, False),
    ],
)
def test_only_what_can_never_be_admitted_is_final(problem: dict[str, object], final: bool) -> None:
    assert is_final(problem) is final


def test_rows_keep_their_lines_whatever_the_format() -> None:
    ndjson = rows_of(b"\n{}\n\n[]\n", "application/x-ndjson")
    assert [(row.line, row.award) for row in ndjson] == [(2, None), (4, None)]
    assert [row.line for row in rows_of(b"[{}, 1]", "application/json")] == [1, 2]
    with pytest.raises(MalformedProblem, match="no rows"):
        rows_of(b"[]", "application/json")
    with pytest.raises(TooManyRowsProblem):
        rows_of(b"[" + b"1," * 1_000 + b"1]", "application/json")
