"""Awards of one list that differ in their learners alone: documents filled into a draft are those made one by one."""

import uuid
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import msgspec
import pytest

from proto.documents.annex_i import AnnexGate
from proto.documents.claims_root import CLAIMS_ROOT_TERM, claims_root
from proto.documents.credential import Award
from proto.documents.document import document_digest
from proto.documents.open_badge import build_document
from proto.documents.vc import check_credential
from proto.ids import commitment, committed_credential_id
from proto.moment import Moment
from proto.problem import InvalidProblem
from services.crypto.rdf_canonical import known_contexts
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.credentials.prepare_award import PrepareAward, document_id_of
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.award_draft import DRAFTS_MAX, AwardDrafts
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement
from tests.support.tenants import stored_achievement, tenant_of

NOW = Moment("2026-11-29T10:00:00.000Z")
KNOWN: Sequence[dict[str, Any]] = (
    {"given_name": "Zoë", "family_name": "Løvstad"},
    {"given_name": "Ada"},
    {"family_name": "Sukarno"},
    {"email": "zoe@learners.example"},
    {"given_name": "Zoë", "family_name": "Løvstad", "email": "zoe@learners.example", "date_of_birth": "2001-02-03"},
    {"given_name": "Zoë", "uri": "did:example:zoe"},
    {"uri": "https://learners.example/zoe"},
)
SAID: Sequence[dict[str, Any]] = (
    {},
    {"result": {"value": "8.5"}},
    {"result": {"value": "9"}, "ects_hundredths": 150, "valid_until": "2030-01-01"},
    {"narrative": "Seen on <https://example.org>", "evidence": [{"url": "https://evidence.example/1", "text": "A"}]},
    {"other_identifiers": [{"identifier": "K-1", "type": "identifier"}], "activity_start": "2025-09-01"},
)


class RulesOfVersion2:
    """What preparing asks of the log writer."""

    rules_version = 2


class PlacesInOrder:
    """Places on a status list, one after the other."""

    def __init__(self) -> None:
        self.given = 0

    async def place(self, tenant: Tenant) -> Given:
        """Return the next place."""
        self.given += 1
        url = f"{tenant.own_prefix}status/1"
        return Given(institution_id=tenant.institution_id, number=1, index=self.given, url=url)


@pytest.fixture
def tenant() -> Tenant:
    return tenant_of("harbour", "Harbour University")


@pytest.fixture
def stored(tenant: Tenant) -> StoredAchievement:
    return stored_achievement(tenant)


def preparing(*, gate: AnnexGate = "off") -> PrepareAward:
    """Return what prepares awards, without a database."""
    writer: Any = RulesOfVersion2()
    places: Any = PlacesInOrder()
    return PrepareAward(writer, places, AchievementParts(), annex_gate=gate, verifier_url="https://verify.example")


def award(stored: StoredAchievement, number: int, known: dict[str, Any], **said: Any) -> Award:
    """Return an award to a learner of whom this is known, numbered so that no two have the same name."""
    learner = {name: value if name in ("date_of_birth", "uri") else f"{number}{value}" for name, value in known.items()}
    fields = {"achievement": stored.achievement.uri, "valid_from": "2026-01-01", **said}
    return msgspec.convert(fields | {"learner": {"ref": f"s{number}", **learner}}, Award)


def assert_made_alone(item: PreparedAward, tenant: Tenant, stored: StoredAchievement) -> None:
    """Hold a prepared award against the document that is made of it from the beginning."""
    assert item.place is not None
    seed = bytes.fromhex(item.sealed.claims_seed)
    alone = build_document(
        document_id=item.document["id"],
        issuer=tenant.issuer,
        achievement=stored.achievement,
        award=item.award,
        credential_status=item.place.entry,
        zone=UTC,
        verifier_url="https://verify.example",
    )
    root = claims_root(alone, seed)
    alone[CLAIMS_ROOT_TERM] = root.hex()
    assert msgspec.json.encode(item.document, order=None) == msgspec.json.encode(alone, order=None)
    said = commitment(document_digest(alone), root)
    assert (item.commitment, item.credential_id) == (said, committed_credential_id(tenant.did, said))
    check_credential(item.document, contexts=known_contexts())


async def test_rows_filled_into_a_draft_are_the_documents_that_each_would_be_alone(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    prepare, drafts, seen = preparing(), AwardDrafts(), set()
    numbered = enumerate((known, said) for _ in range(3) for known in KNOWN for said in SAID)
    for number, (known, said) in numbered:
        item = await prepare.prepare(tenant, award(stored, number, known, **said), stored, now=NOW, drafts=drafts)
        assert_made_alone(item, tenant, stored)
        seen.add((item.document["id"], item.sealed.claims_seed, item.credential_id))
    assert len({each for three in seen for each in three}) == 3 * 3 * len(KNOWN) * len(SAID)


def test_a_documents_id_is_a_uuid_of_version_4() -> None:
    for number in range(512):
        secret = bytes((number * step) % 256 for step in range(1, 17))
        assert document_id_of(secret) == f"urn:uuid:{uuid.UUID(bytes=secret, version=4)}"


async def test_notes_are_those_of_each_row(tenant: Tenant, stored: StoredAchievement) -> None:
    prepare, drafts = preparing(gate="warn"), AwardDrafts()
    for number, name in enumerate(["Zoë", "null", "Zoë", "ZoÃ«", "&uuml;", "Zoë"]):
        learner = {"ref": f"s{number}", "given_name": name}
        fields = {"achievement": stored.achievement.uri, "valid_from": "2026-01-01", "narrative": "n/a"}
        asked = msgspec.convert(fields | {"learner": learner}, Award)
        drafted = await prepare.prepare(tenant, asked, stored, now=NOW, drafts=drafts)
        alone = await prepare.prepare(tenant, asked, stored, now=NOW)
        assert drafted.sealed.notes == alone.sealed.notes
        assert any("/narrative" in note for note in drafted.sealed.notes)
        assert any("/learner/" in note for note in drafted.sealed.notes) == (name != "Zoë")


async def test_a_wrong_row_is_refused_as_it_would_be_alone_and_leaves_the_others(
    tenant: Tenant, stored: StoredAchievement
) -> None:
    prepare, drafts = preparing(), AwardDrafts()
    right = award(stored, 1, KNOWN[0])
    await prepare.prepare(tenant, right, stored, now=NOW, drafts=drafts)
    for wrong in (
        award(stored, 2, KNOWN[0], ects_hundredths=99_900),
        award(stored, 3, {"given_name": "Zoë", "uri": "javascript:alert(1)"}),
        award(stored, 4, KNOWN[0], evidence=[{"url": "file:///etc/passwd"}]),
    ):
        with pytest.raises(InvalidProblem) as alone:
            await prepare.prepare(tenant, wrong, stored, now=NOW)
        with pytest.raises(InvalidProblem) as drafted:
            await prepare.prepare(tenant, wrong, stored, now=NOW, drafts=drafts)
        assert (drafted.value.detail, drafted.value.pointer) == (alone.value.detail, alone.value.pointer)
    unseen = msgspec.structs.replace(right.learner, given_name="\u2800", family_name=None)
    with pytest.raises(InvalidProblem, match="/learner/given_name"):
        await prepare.prepare(tenant, msgspec.structs.replace(right, learner=unseen), stored, now=NOW, drafts=drafts)
    again = await prepare.prepare(tenant, award(stored, 5, KNOWN[0]), stored, now=NOW, drafts=drafts)
    assert_made_alone(again, tenant, stored)


async def test_a_revision_has_drafts_of_its_own(tenant: Tenant, stored: StoredAchievement) -> None:
    prepare, drafts = preparing(), AwardDrafts()
    title = {tag: f"{text}, revised" for tag, text in stored.achievement.title.items()}
    revised = StoredAchievement(
        achievement_id=stored.achievement_id,
        revision=2,
        achievement=msgspec.structs.replace(stored.achievement, title=title),
    )
    for number, each in enumerate([stored, revised, stored, revised]):
        item = await prepare.prepare(tenant, award(stored, number, KNOWN[0]), each, now=NOW, drafts=drafts)
        assert_made_alone(item, tenant, each)


async def test_no_more_drafts_are_kept_than_a_part_of_a_list_needs(tenant: Tenant, stored: StoredAchievement) -> None:
    prepare, drafts = preparing(), AwardDrafts()
    for number in range(DRAFTS_MAX + 2):
        said = award(stored, number, KNOWN[0], narrative=f"Words of {number}")
        await prepare.prepare(tenant, said, stored, now=NOW, drafts=drafts)
    for number, is_kept in ((0, True), (DRAFTS_MAX - 1, True), (DRAFTS_MAX, False)):
        said = award(stored, number, KNOWN[0], narrative=f"Words of {number}")
        assert (drafts.of(stored.name, said) is not None) is is_kept
