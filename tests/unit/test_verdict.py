"""The verdict from its grounds: every check's bad and unknown ways, one by one."""

from typing import Any

import pytest
from msgspec.structs import replace

from proto.documents.open_badge_claims import DocumentClaims
from proto.ids import CredentialId, Did
from proto.lifecycle import Book
from proto.log.merkle import Hash
from proto.moment import Moment
from proto.wire.verifier import Check
from services.follow.interface import Health, Position
from services.verifier.languages import ENGLISH
from services.verifier.languages.english import SENTENCES
from services.verifier.verdict.findings import Judgement, finding
from services.verifier.verdict.grounds import Document, Grounds
from services.verifier.verdict.verdict import evaluate, freshness
from tests.support.statements import Party
from tests.support.worlds import World

HEALTHY = Health(
    state="healthy", detail="", age_seconds=2.0, time=Moment("2026-06-01T00:00:00.000Z"), time_source="log"
)
ABSENT = finding("proof", "not_applicable", "proof-absent")


class Scene:
    """A world with one school and one credential of it, and the grounds of a verdict on it."""

    def __init__(self) -> None:
        self.world = World()
        self.school: Party = self.world.admit("school")
        self.credential_id: CredentialId = self.world.issued(self.school, "a")

    def grounds(self, credential_id: CredentialId | None = None, **changed: Any) -> Grounds:
        world = self.world
        found: dict[str, Any] = {
            "book": world.book,
            "credential": world.book.credential(credential_id or self.credential_id),
            "recognitions": (),
            "is_included": True,
            "document": None,
            "health": HEALTHY,
            "position": Position(size=world.size, root_hash=world.root_hash()),
            "origin": world.origin,
            "now": world.now,
            "at": world.now,
            "known_at": None,
        }
        return Grounds(**found | changed)

    def claims(self, **changed: Any) -> DocumentClaims:
        credential = self.world.book.credential(self.credential_id)
        assert credential is not None
        life = credential.lives[0]
        found: dict[str, Any] = {
            "document_id": "urn:uuid:1",
            "issuer": life.issuer,
            "achievement": life.achievement,
            "ects_hundredths": life.ects_hundredths,
            "eqf_level": life.eqf_level,
            "valid_from": life.valid_from,
            "valid_until": life.valid_until,
            "components": (),
        }
        return DocumentClaims(**found | changed)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def found(judgement: Judgement, name: str) -> Check:
    return next(ENGLISH.check(item) for item in judgement.checks if item.check == name)


def test_a_sound_credential_is_valid(scene: Scene) -> None:
    answer = evaluate(scene.grounds())
    assert answer.verdict == "valid"
    assert [item.check for item in answer.checks] == [
        "document",
        "proof",
        "signature",
        "inclusion",
        "issuer",
        "status",
        "period",
        "components",
        "freshness",
    ]


def test_a_document_that_agrees_is_valid(scene: Scene) -> None:
    answer = evaluate(scene.grounds(document=Document(claims=scene.claims(), proof=ABSENT)))
    assert (answer.verdict, found(answer, "document").code) == ("valid", "document-matches")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"achievement": "https://school.example/other"}, "the achievement"),
        ({"ects_hundredths": 351}, "the credits"),
        ({"eqf_level": 7}, "the EQF level"),
        ({"eqf_level": None}, "the EQF level"),
        ({"valid_from": Moment("2025-01-01T00:00:00.000Z")}, "the beginning of validity"),
        ({"valid_until": Moment("2045-01-01T00:00:00.000Z")}, "the end of validity"),
        ({"components": (CredentialId("ab" * 32),)}, "the components"),
    ],
)
def test_a_document_that_says_something_else_is_invalid(scene: Scene, changed: dict[str, Any], words: str) -> None:
    answer = evaluate(scene.grounds(document=Document(claims=scene.claims(**changed), proof=ABSENT)))
    assert answer.verdict == "invalid"
    assert found(answer, "document").code == "document-differs"
    assert words in found(answer, "document").detail


def test_a_document_that_is_not_on_record_is_invalid_if_institution_and_log_are_known(scene: Scene) -> None:
    document = Document(claims=scene.claims(), proof=ABSENT)
    answer = evaluate(scene.grounds(document=document, credential=None))
    assert (answer.verdict, found(answer, "document").code) == ("invalid", "document-not-on-log")
    stale = replace(HEALTHY, state="stale", age_seconds=99.0)
    answer = evaluate(scene.grounds(document=document, credential=None, health=stale))
    assert (answer.verdict, found(answer, "document").code) == ("indeterminate", "document-not-found")


def test_a_document_of_an_unknown_institution_is_indeterminate(scene: Scene) -> None:
    claims = scene.claims(issuer=Did("did:web:nobody.example"))
    answer = evaluate(scene.grounds(document=Document(claims=claims, proof=ABSENT), credential=None))
    assert (answer.verdict, found(answer, "document").code) == ("indeterminate", "document-issuer-unknown")


def test_a_document_that_cannot_be_read_is_invalid(scene: Scene) -> None:
    document = Document(claims=None, fault="validFrom is missing", proof=ABSENT)
    answer = evaluate(scene.grounds(document=document, credential=None))
    assert (answer.verdict, found(answer, "document").code) == ("invalid", "document-unreadable")


@pytest.mark.parametrize(("result", "verdict"), [("invalid", "invalid"), ("unknown", "indeterminate")])
def test_the_document_s_own_proof_counts(scene: Scene, result: Any, verdict: str) -> None:
    proof = finding("proof", result, "proof-key-unknown")
    answer = evaluate(scene.grounds(document=Document(claims=scene.claims(), proof=proof)))
    assert answer.verdict == verdict


def test_no_question_at_all_is_never_valid(scene: Scene) -> None:
    assert evaluate(scene.grounds(credential=None)).verdict == "indeterminate"


@pytest.mark.parametrize(("is_included", "verdict"), [(False, "invalid"), (None, "indeterminate")])
def test_an_entry_that_is_not_proven_to_be_on_the_log_does_not_count(
    scene: Scene, is_included: bool | None, verdict: str
) -> None:
    assert evaluate(scene.grounds(is_included=is_included)).verdict == verdict


def test_an_entry_beyond_the_position_is_unknown(scene: Scene) -> None:
    answer = evaluate(scene.grounds(position=Position()))
    assert (answer.verdict, found(answer, "inclusion").result) == ("indeterminate", "unknown")


def test_a_missing_institution_makes_everything_unknown_not_void(scene: Scene) -> None:
    scene.world.book.issuers[scene.school.did] = None
    answer = evaluate(scene.grounds())
    assert answer.verdict == "indeterminate"
    assert {item.check for item in answer.checks if item.result == "unknown"} >= {"signature", "issuer", "status"}
    assert answer.status is None


def test_an_empty_book_makes_everything_unknown(scene: Scene) -> None:
    assert evaluate(scene.grounds(book=Book())).verdict == "indeterminate"


def test_an_institution_whose_admission_does_not_count_may_not_award(scene: Scene) -> None:
    world = scene.world
    spare = world.registrar.key("event", 1)
    world.say(world.key_addition(world.registrar, world.registrar, spare), key=world.registrar.recovery)
    world.say(
        world.condemnation(world.registrar, world.registrar, world.registrar.event, world.received_at(1)), key=spare
    )
    answer = evaluate(scene.grounds())
    assert answer.verdict == "invalid"
    assert found(answer, "issuer").code == "issuer-not-admitted"


def test_a_key_that_the_registrar_added_is_shown(scene: Scene) -> None:
    world = scene.world
    key = scene.school.key("event", 1)
    world.say(world.key_addition(world.registrar, scene.school, key))
    world.advance(days=8)
    world.say(world.committed(scene.school, "b"), key=key)
    answer = evaluate(scene.grounds(world.committed_id(scene.school, "b")))
    assert (answer.verdict, found(answer, "issuer").code) == ("valid", "issuer-key-by-registrar")
    assert answer.issuer is not None
    assert answer.issuer.is_signing_key_from_registrar


def test_a_scope_that_was_narrowed_later_undoes_nothing(scene: Scene) -> None:
    scene.world.say(scene.world.scope_change(scene.school, may_issue=False, ects_hundredths_max=100))
    assert evaluate(scene.grounds()).verdict == "valid"


def test_closing_the_institution_later_is_shown_and_undoes_nothing(scene: Scene) -> None:
    world = scene.world
    world.say(world.closing(scene.school, world.admit("college")))
    answer = evaluate(scene.grounds())
    assert (answer.verdict, found(answer, "issuer").code) == ("valid", "issuer-since-closed")
    assert answer.issuer is not None
    assert answer.issuer.answers_now == world.party("college").did


def test_revoked_and_suspended_are_invalid_and_say_why(scene: Scene) -> None:
    world = scene.world
    world.say(world.hold(scene.school, scene.credential_id))
    assert found(evaluate(scene.grounds()), "status").code == "status-suspended"
    world.say(world.release(scene.school, scene.credential_id))
    assert evaluate(scene.grounds()).verdict == "valid"
    world.say(world.revocation(scene.school, scene.credential_id, reason="legal-order"))
    answer = evaluate(scene.grounds())
    assert (answer.verdict, found(answer, "status").code) == ("invalid", "status-revoked")
    assert "by order of an authority" in found(answer, "status").detail
    assert answer.status is not None
    assert [item.kind for item in answer.status.history] == ["issued", "suspended", "reinstated", "revoked"]


def test_a_void_issue_and_its_second_issue_are_both_told_each_once(scene: Scene) -> None:
    world, school = scene.world, scene.school
    stolen_at = world.now
    name = world.issued(school, "b")
    world.say(world.hold(school, name))
    world.say(world.condemnation(school, school, school.event, stolen_at), key=school.recovery)
    key = school.key("event", 1)
    world.say(world.key_addition(school, school, key), key=school.recovery)
    assert evaluate(scene.grounds(name)).status is not None
    assert found(evaluate(scene.grounds(name)), "status").code == "status-void"
    world.say(world.committed(school, "b"), key=key)
    answer = evaluate(scene.grounds(name))
    assert answer.verdict == "valid"
    assert answer.status is not None
    assert [(item.kind, item.is_void) for item in answer.status.history] == [
        ("issued", True),
        ("suspended", True),
        ("issued", False),
    ]


def test_before_its_beginning_and_after_its_end_a_credential_is_invalid(scene: Scene) -> None:
    world = scene.world
    name = world.issued(scene.school, "b", valid_from=world.moment(days=1), valid_until=world.moment(days=2))
    for days, code in ((0, "period-not-begun"), (1.5, "period-within"), (2, "period-over")):
        moment = world.moment(days=days, seconds=-1 if days == 0 else 0)
        answer = evaluate(scene.grounds(name, at=moment, now=moment))
        assert found(answer, "period").code == code
        assert (answer.verdict == "valid") == (code == "period-within")


def test_a_stack_says_how_much_of_it_holds(scene: Scene) -> None:
    world = scene.world
    other = world.issued(scene.school, "b")
    whole = world.stacked(scene.school, [scene.credential_id, other])
    assert found(evaluate(scene.grounds(whole)), "components").code == "components-hold"
    world.say(world.revocation(scene.school, other))
    answer = evaluate(scene.grounds(whole))
    assert (answer.verdict, found(answer, "components").code) == ("invalid", "components-impaired")
    assert "3.5 of 7" in found(answer, "components").detail
    assert answer.stack is not None
    assert answer.stack.ects_hundredths_remaining == 350


def test_a_stack_with_a_part_missing_from_the_records_is_unknown(scene: Scene) -> None:
    world = scene.world
    other = world.issued(scene.school, "b")
    whole = world.stacked(scene.school, [scene.credential_id, other])
    world.book.credentials[other] = None
    answer = evaluate(scene.grounds(whole))
    assert (answer.verdict, found(answer, "components").code) == ("indeterminate", "components-unknown")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"state": "stale", "age_seconds": 61.0}, "stale"),
        ({"state": "stale", "age_seconds": None}, "never-fresh"),
        ({"state": "faulty"}, "log-faulty"),
        ({"state": "unknown_rules"}, "log-unknown-rules"),
    ],
)
def test_records_that_cannot_be_relied_on_decide_nothing(scene: Scene, changed: dict[str, Any], code: str) -> None:
    scene.world.say(scene.world.revocation(scene.school, scene.credential_id))
    for health in (HEALTHY, replace(HEALTHY, **changed)):
        answer = evaluate(scene.grounds(health=health))
        assert answer.verdict == ("invalid" if health is HEALTHY else "indeterminate")
    assert freshness(replace(HEALTHY, **changed)).code == code


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"state": "stale", "age_seconds": 61.0}, "stale"),
        ({"state": "faulty"}, "stale"),
        ({"state": "unknown_rules"}, "stale"),
        ({"state": "clock_behind"}, "stale"),
        ({"state": "stale", "age_seconds": None, "time": None}, "unread"),
    ],
)
def test_no_part_of_an_answer_is_good_by_what_records_may_lack(
    scene: Scene, changed: dict[str, Any], code: str
) -> None:
    other = scene.world.issued(scene.school, "b")
    whole = scene.world.stacked(scene.school, [scene.credential_id, other])
    health = replace(HEALTHY, **changed)
    answer = evaluate(scene.grounds(whole, health=health))
    for name in ("status", "components"):
        assert (found(answer, name).result, found(answer, name).code) == ("unknown", f"{name}-{code}")
    assert answer.status is not None
    assert answer.stack is not None
    assert {answer.status.state, answer.stack.state, *(part.state for part in answer.stack.parts)} == {"unknown"}
    assert answer.issuer is not None
    assert (answer.issuer.state, answer.issuer.legal_name != "") == ("unknown", True)
    if health.time is not None:
        assert "2026-06-01 00:00 UTC" in found(answer, "status").detail


def test_old_records_still_say_what_stands_against_a_credential(scene: Scene) -> None:
    scene.world.say(scene.world.revocation(scene.school, scene.credential_id))
    answer = evaluate(scene.grounds(health=replace(HEALTHY, state="stale", age_seconds=61.0)))
    assert answer.status is not None
    assert (answer.verdict, answer.status.state) == ("indeterminate", "revoked")


def test_old_records_call_no_institution_active_and_no_recognition_live(scene: Scene) -> None:
    world, old = scene.world, replace(HEALTHY, state="stale", age_seconds=61.0)
    for name in ("first", "second"):
        world.say(world.recognition(world.admit(name), scene.credential_id))
    first, second = world.book.recognitions.values()
    assert first is not None
    assert second is not None
    world.say(world.withdrawal(world.party("second"), second.stamp.event_id))
    recognitions = (first, second)
    answer = evaluate(scene.grounds(recognitions=recognitions))
    assert answer.issuer is not None
    assert (answer.issuer.state, [item.state for item in answer.recognitions]) == ("active", ["live", "withdrawn"])
    answer = evaluate(scene.grounds(recognitions=recognitions, health=old))
    assert answer.issuer is not None
    assert (answer.issuer.state, [item.state for item in answer.recognitions]) == ("unknown", ["unknown", "withdrawn"])
    world.say(world.suspension(scene.school))
    answer = evaluate(scene.grounds(health=old))
    assert answer.issuer is not None
    assert answer.issuer.state == "suspended"


def test_nobody_knows_how_a_stack_will_stand(scene: Scene) -> None:
    other = scene.world.issued(scene.school, "b")
    whole = scene.world.stacked(scene.school, [scene.credential_id, other])
    answer = evaluate(scene.grounds(whole, at=Moment("2039-01-01T00:00:00.000Z")))
    assert [found(answer, name).code for name in ("status", "components")] == ["status-open", "components-open"]
    assert answer.stack is not None
    assert {part.state for part in answer.stack.parts} == {"unknown"}


def test_a_clock_that_the_log_contradicts_says_nothing_of_the_end(scene: Scene) -> None:
    lasting = scene.world.issued(scene.school, "c", valid_until=Moment("2040-01-01T00:00:00.000Z"))
    behind = replace(HEALTHY, state="clock_behind")
    assert found(evaluate(scene.grounds(lasting)), "period").code == "period-within"
    period = found(evaluate(scene.grounds(lasting, health=behind)), "period")
    assert (period.result, period.code) == ("unknown", "period-clock")


def test_the_answer_says_whose_word_the_time_is() -> None:
    assert freshness(HEALTHY).code == "fresh-log"
    assert freshness(replace(HEALTHY, time_source="witnesses")).code == "fresh-witnessed"


def test_every_code_is_used_once_and_has_a_sentence_for_people() -> None:
    for code, words in SENTENCES.items():
        assert code == code.lower()
        assert words.endswith((".", "}"))
        assert "  " not in words


def test_the_root_of_the_answer_is_the_proven_one(scene: Scene) -> None:
    grounds = scene.grounds(position=Position(size=scene.world.size, root_hash=Hash(bytes(range(32)))))
    assert evaluate(grounds).as_of.root_hash == bytes(range(32)).hex()
