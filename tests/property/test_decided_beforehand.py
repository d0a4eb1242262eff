"""Random histories of what a school decides and agrees beforehand, and applications between, beside a plain model."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from proto.documents.recognition_agreement import AgreementTerm, RecognitionAgreement
from proto.ids import AchievementUri, AgreementId, CredentialId, Did, EventId, KeyId, LeafIndex
from proto.lifecycle import Refusal, StandingDecision
from proto.moment import Moment
from proto.wire.applications import ProgrammeLimits
from proto.wire.institutions import GradeCondition
from proto.wire.verifier import CredentialFacts
from services.issuer_gateway.domain.decided_beforehand import OfferedCredential, ProgrammeDecider
from services.issuer_gateway.store.agreements import StoredAgreement
from tests.support.beforehand_model import Agreement, BeforehandModel, Limits, Outcome, Shown, Standing, Term
from tests.support.worlds import World

DAYS = st.integers(0, 6)
CREDITS = st.sampled_from([100, 300, 350, 351])
MAYBE_CREDITS = st.sampled_from([None, None, 0, 300, 350, 351, 700])
LEVELS = st.sampled_from([None, None, 5, 6])
NUMBERS = st.integers(0, 5)
ACHIEVEMENTS, PROGRAMMES = st.sampled_from(["1", "2"]), st.sampled_from(["a", "a", "b"])
WAYS = st.sampled_from(["full", "full", "partial"])
GRADES = ("10", "9", "8", "7")
STANDING = st.builds(
    Standing,
    achievement=ACHIEVEMENTS,
    programme=PROGRAMMES,
    decision=WAYS,
    credits=CREDITS,
    credits_min=MAYBE_CREDITS,
    level_min=LEVELS,
    is_pinned=st.sampled_from([False, False, False, True]),
    begin=DAYS,
    end=st.integers(7, 9),
)
TERMS = st.builds(
    Term,
    achievements=st.sampled_from([(), (), (), ("1",), ("1", "2")]),
    field=st.sampled_from(["05", "0532", "02"]),
    level=st.sampled_from([None, 5, 5, 6]),
    programme=PROGRAMMES,
    decision=WAYS,
    credits=CREDITS,
    credits_min=MAYBE_CREDITS,
    level_min=LEVELS,
    total_max=MAYBE_CREDITS,
)
AGREEMENTS = st.builds(
    Agreement,
    terms=st.lists(TERMS, min_size=1, max_size=2).map(tuple),
    begin=DAYS,
    end=st.integers(5, 9),
    signers=st.sampled_from(["cs", "cs", "cs", "c", "s"]),
)
SHOWN = st.lists(
    st.builds(
        Shown,
        name=st.sampled_from("klmn"),
        achievement=ACHIEVEMENTS,
        credits=st.sampled_from([300, 350, 700]),
        level=st.sampled_from([None, 5, 6]),
        field=st.sampled_from(["0532", "0215"]),
        grades=st.sampled_from([(), ("10",), ("8",), ("7",), ("A",), ("10", "8")]),
        since=st.integers(-3, 0),
    ),
    min_size=1,
    max_size=4,
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), STANDING),
        st.tuples(st.just("decide"), STANDING),
        st.tuples(st.just("agree"), AGREEMENTS),
        st.tuples(st.just("agree"), AGREEMENTS),
        st.tuples(st.just("withdraw"), NUMBERS),
        st.tuples(st.just("end"), NUMBERS),
        st.tuples(st.just("grade"), ACHIEVEMENTS, PROGRAMMES, st.sampled_from(GRADES)),
        st.tuples(
            st.just("limit"), PROGRAMMES, st.builds(Limits, MAYBE_CREDITS, LEVELS, st.sampled_from([None, None, 2, 5]))
        ),
        st.tuples(st.just("suspend"), st.sampled_from("cs")),
        st.tuples(st.just("reinstate"), st.sampled_from("cs")),
        st.tuples(st.just("steal"), st.sampled_from("cs")),
        st.tuples(st.just("wait")),
        st.tuples(st.just("apply"), PROGRAMMES, SHOWN),
    ),
    max_size=8,
)
NOTHING = st.just(("leave",))
LIMITS = st.builds(Limits, MAYBE_CREDITS, LEVELS, st.sampled_from([None, 2, 5]))
BEGINNING = st.tuples(
    st.one_of(NOTHING, st.tuples(st.just("limit"), st.just("a"), LIMITS)),
    st.tuples(st.just("agree"), AGREEMENTS.map(lambda said: said._replace(begin=said.begin // 4))),
    st.one_of(
        NOTHING, st.tuples(st.just("decide"), STANDING.map(lambda said: said._replace(achievement="1", programme="a")))
    ),
    st.tuples(st.just("decide"), STANDING.map(lambda said: said._replace(achievement="2", programme="a"))),
    st.one_of(NOTHING, st.tuples(st.just("grade"), st.sampled_from(["1", "2"]), st.just("a"), st.sampled_from(GRADES))),
    st.one_of(
        NOTHING,
        NOTHING,
        NOTHING,
        st.tuples(st.just("suspend"), st.sampled_from("cs")),
        st.tuples(st.just("steal"), st.sampled_from("cs")),
        st.tuples(st.just("end"), st.just(0)),
    ),
)
"""How histories begin, so that most have something to decide by."""
APPLICATIONS = st.lists(st.tuples(PROGRAMMES, SHOWN), min_size=5, max_size=5)
_ONE = Shown("k", "1", 350, 6, "0532", ("10",), 0)
EACH = [
    _ONE,
    *(_ONE._replace(achievement="2", grades=grades) for grades in (("8",), ("7",))),
    *(_ONE._replace(credits=hundredths) for hundredths in (100, 300, 351, 700)),
    *(_ONE._replace(level=level) for level in (None, 5)),
    *(_ONE._replace(grades=grades) for grades in ((), ("9",), ("8",), ("7",), ("A",), ("10", "8"))),
    *(_ONE._replace(since=since) for since in (-1, -2, -4, -5)),
    _ONE._replace(field="0215"),
]
"""Credentials that differ in one thing each; to decide on one costs little beside the history of a log."""


class School:
    """The real parts: a log with a school and a college, and what the school's gateway keeps beside it."""

    def __init__(self) -> None:
        self.world = World(rules_version=2, step_ms=1)
        self.parties = {"c": self.world.admit("college"), "s": self.world.admit("school")}
        self.start = self.world.now
        self.decisions: list[EventId] = []
        self.agreements: list[StoredAgreement] = []
        self.ended: set[int] = set()
        self.conditions: dict[tuple[str, str], GradeCondition] = {}
        self.limits: dict[str, Limits] = {}
        self._days = 0

    @property
    def day(self) -> int:
        return self._days

    def wait(self) -> None:
        self._days += 1
        self.world.advance(days=1)

    def moment(self, day: int) -> Moment:
        """Return the beginning of a day, of those that began when all of this began."""
        return World.moment(self.world, days=day - self._days) if day != self._days else self.world.now

    def uri(self, of: str, *, programme: bool = False) -> str:
        return f"{self.parties['s'].url}programmes/{of}" if programme else f"{self.parties['c'].url}achievements/{of}"

    def decide(self, said: Standing) -> None:
        """Say a standing decision; raises what the log refuses."""
        more: dict[str, Any] = {
            "ects_hundredths_min": said.credits_min,
            "eqf_level_min": said.level_min,
            "description_digest": "ab" * 32 if said.is_pinned else None,
        }
        event = self.world.standing_decision(
            self.parties["s"],
            self.parties["c"],
            achievement=self.uri(said.achievement),
            programme=self.uri(said.programme, programme=True),
            decision=said.decision,
            ects_hundredths=said.credits,
            valid_from=self.moment(said.begin),
            valid_until=self.moment(said.end),
            **{name: value for name, value in more.items() if value is not None},
        )
        self.decisions.append(self.world.event_id(self.world.say(event)))

    def agree(self, agreed: Agreement) -> None:
        college, school = self.parties["c"], self.parties["s"]
        agreement = RecognitionAgreement(
            log=self.world.origin,
            proposer=college.did,
            accepter=school.did,
            at=self.world.now,
            nonce="01890a5d-ac96-774b-bcce-b302099a8057",
            valid_from=self.moment(agreed.begin),
            valid_until=self.moment(agreed.end),
            terms=tuple(self._term(each) for each in agreed.terms),
        )
        signed: dict[Did, tuple[KeyId, bytes]] = {
            self.parties[who].did: (self.parties[who].assertion.key_id, b"") for who in agreed.signers
        }
        self.agreements.append(
            StoredAgreement(
                agreement_id=AgreementId(f"{len(self.agreements):064}"),
                payload=b"",
                agreement=agreement,
                consents=signed,
                proposed_at=datetime(2026, 1, 1, tzinfo=UTC),
                accepted_at=None,
                ending=None,
            )
        )

    def _term(self, term: Term) -> AgreementTerm:
        named = tuple(AchievementUri(self.uri(each)) for each in term.achievements)
        is_part = term.decision == "partial"
        return AgreementTerm(
            awarded_by=self.parties["c"].did,
            recogniser=self.parties["s"].did,
            programme=self.uri(term.programme, programme=True),
            achievements=named,
            isced_f=UNSET if named or term.field is None else term.field,
            eqf_level=UNSET if named or term.level is None else term.level,
            decision="partial" if is_part else "full",
            ects_hundredths=term.credits if is_part else UNSET,
            ects_hundredths_min=_or_unset(term.credits_min),
            eqf_level_min=_or_unset(term.level_min),
            ects_hundredths_total_max=_or_unset(term.total_max),
        )

    def outcomes(self, programme: str, shown: list[Shown]) -> list[Outcome | None]:
        """Return what the decider decides of each credential of one application."""
        limits = self.limits.get(programme, Limits())
        decider = ProgrammeDecider(
            self.parties["s"].did,
            self.uri(programme, programme=True),
            now=self.world.now,
            limits=ProgrammeLimits(
                outside_hundredths_max=limits.total, eqf_level_min=limits.level, age_days_max=limits.age
            ),
            conditions=self.conditions.values(),
        )
        return [self._outcome(decider, each) for each in shown]

    def _outcome(self, decider: ProgrammeDecider, each: Shown) -> Outcome | None:
        book = self.world.book
        facts = CredentialFacts(
            credential_id=CredentialId(each.name * 64),
            issuer=self.parties["c"].did,
            achievement=self.uri(each.achievement),
            ects_hundredths=each.credits,
            valid_from=self.moment(each.since),
            issued_at=self.start,
            index=LeafIndex(0),
            event_id=EventId("0" * 64),
            eqf_level=each.level,
        )
        said = [book.statement(name) for name in self.decisions]
        found = decider.decided(
            book,
            OfferedCredential(on_log=facts, fields=(each.field,), grades=each.grades),
            decisions=[
                one for one in said if isinstance(one, StandingDecision) and one.achievement == facts.achievement
            ],
            agreements=[one for at, one in reversed([*enumerate(self.agreements)]) if at not in self.ended],
        )
        if found is None:
            return None
        by = (
            ("decision", self.decisions.index(found.under))
            if found.under is not None
            else ("agreement", int(found.agreement or ""))
        )
        return Outcome(found.decision, found.ects_hundredths, by)


def _or_unset(value: int | None) -> Any:
    return UNSET if value is None else value


class History:
    """Does each step to both, and asserts that both say the same of it."""

    def __init__(self) -> None:
        self.school, self.model = School(), BeforehandModel()

    def decide(self, said: Standing) -> None:
        is_expected = not self.model.overlaps(said) and "s" not in self.model.suspended
        try:
            self.school.decide(said)
        except Refusal:
            assert not is_expected
        else:
            assert is_expected
            self.model.standing.append(said)

    def withdraw(self, which: int) -> None:
        number = which % len(self.school.decisions) if self.school.decisions else -1
        if number < 0 or "s" in self.model.suspended or ("decision", number) in self.model.gone:
            return
        world, school = self.school.world, self.school.parties["s"]
        world.say(world.decision_withdrawal(school, self.school.decisions[number]))
        self.model.gone.add(("decision", number))

    def agree(self, said: Agreement) -> None:
        terms = tuple(each._replace(field=None, level=None) if each.achievements else each for each in said.terms)
        self.school.agree(said)
        self.model.agreements.append(said._replace(terms=terms))

    def end(self, which: int) -> None:
        if self.school.agreements:
            number = which % len(self.school.agreements)
            self.school.ended.add(number)
            self.model.gone.add(("agreement", number))

    def grade(self, achievement: str, programme: str, least: str) -> None:
        self.school.conditions[achievement, programme] = GradeCondition(
            achievement_issuer=self.school.parties["c"].did,
            achievement=AchievementUri(self.school.uri(achievement)),
            programme=self.school.uri(programme, programme=True),
            grades=GRADES,
            least=least,
        )
        self.model.grades[achievement, programme] = GRADES, least

    def limit(self, programme: str, limits: Limits) -> None:
        self.school.limits[programme] = self.model.limits[programme] = limits

    def suspend(self, who: str) -> None:
        if who not in self.model.suspended:
            self.school.world.say(self.school.world.suspension(self.school.parties[who]))
            self.model.suspended += who

    def reinstate(self, who: str) -> None:
        if who in self.model.suspended:
            self.school.world.say(self.school.world.reinstatement(self.school.parties[who]))
            self.model.suspended = self.model.suspended.replace(who, "")

    def steal(self, who: str) -> None:
        if who not in self.model.stolen:
            world, party = self.school.world, self.school.parties[who]
            world.say(world.condemnation(world.registrar, party, party.assertion, world.now))
            self.model.stolen += who

    def wait(self) -> None:
        self.school.wait()

    def leave(self) -> None:
        """Do nothing."""

    def apply(self, programme: str, shown: list[Shown]) -> None:
        found = self.school.outcomes(programme, shown)
        assert found == self.model.outcomes(programme, shown, self.school.day)


@settings(max_examples=230)
@given(BEGINNING, STEPS, APPLICATIONS)
def test_what_is_decided_at_once_is_what_a_plain_model_says(
    beginning: tuple[Any, ...], steps: list[tuple[Any, ...]], applications: list[tuple[str, list[Shown]]]
) -> None:
    history = History()
    for what, *said in [*beginning, *steps]:
        getattr(history, what)(*said)
        for each in EACH[:: 1 if what == "apply" else 4]:
            history.apply("a", [each])
    for programme, shown in applications:
        history.apply(programme, shown)
    for each in EACH:
        history.apply("a", [each])
        history.apply("b", [each, each])
        history.apply("a", [each._replace(name=name) for name in "klmn"])
