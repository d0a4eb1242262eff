"""Random histories of decisions and appeals on the evidence of an application, beside a plain account of each piece."""

from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from proto.ids import ApiKeyId, ApplicationId, EventId
from proto.problem import ConflictProblem, InvalidProblem
from proto.wire.applications import DecisionBody, ReasonCode, RecognitionDecision
from services.issuer_gateway.applications import rules
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence

APPLICATION = ApplicationId("00000000-0000-4000-8000-000000000001")
KEYS = [ApiKeyId(f"key-{letter}") for letter in "ab"]
RULE = None
"""Who decides where a standing decision does."""
NUMBERS = [1, 2, 3]
DECISIONS: tuple[RecognitionDecision, ...] = get_args(RecognitionDecision)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), st.sampled_from(NUMBERS), st.sampled_from(DECISIONS), st.sampled_from(KEYS)),
        st.tuples(st.just("appeal"), st.sampled_from(NUMBERS)),
    ),
    max_size=14,
)
AT_ONCE = st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from(["full", "partial"]), max_size=2)


def _made(number: int, turn: int, decision: RecognitionDecision, by: ApiKeyId | None) -> EvidenceDecision:
    return EvidenceDecision(
        application_id=APPLICATION,
        number=number,
        round=turn,
        decision=decision,
        ects_hundredths=None,
        eqf_level=None,
        reasons=(),
        sealed_text=None,
        api_key_id=by,
        under_event=EventId("0" * 64) if by is RULE else None,
        decided_at=datetime(2026, 11, 29, tzinfo=UTC),
    )


class Account:
    """What happened to a piece of evidence, in words: `full by key-a`, `appeal`, `refused by key-b`."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ApiKeyId | None]] = []

    @property
    def is_appealed(self) -> bool:
        return ("appeal", RULE) in self.said

    def may_decide(self, by: ApiKeyId) -> bool:
        """First anybody; after an appeal somebody else, once."""
        words = [word for word, _ in self.said]
        return not words or (words[-1] == "appeal" and self.said[0][1] != by)

    def may_appeal(self) -> bool:
        """Once, where one decision was made that is not in full."""
        return len(self.said) == 1 and self.said[0][0] != "full"

    @property
    def waits(self) -> bool:
        return not self.said or self.said[-1][0] == "appeal"


@settings(max_examples=200)
@given(STEPS, AT_ONCE)
def test_rounds_appeals_and_states_are_those_of_a_plain_account(
    steps: list[tuple[Any, ...]], at_once: dict[int, RecognitionDecision]
) -> None:
    accounts = {number: Account() for number in NUMBERS}
    items = {
        number: SealedEvidence(application_id=APPLICATION, number=number, sealed_title=b"", sealed_evidence=b"")
        for number in NUMBERS
    }
    made = [_made(number, 1, decision, RULE) for number, decision in at_once.items()]
    for number, decision in at_once.items():
        accounts[number].said.append((decision, RULE))
    for what, number, *more in steps:
        account, own = accounts[number], [each for each in made if each.number == number]
        if what == "appeal":
            assert rules.may_appeal(items[number], own) == account.may_appeal()
            if account.may_appeal():
                items[number] = replace(items[number], sealed_appeal=b"why")
                account.said.append(("appeal", RULE))
        else:
            turn = _turn(items[number], own, more[1])
            assert turn == (len(own) + 1 if account.may_decide(more[1]) else None)
            if turn is not None:
                made.append(_made(number, turn, more[0], more[1]))
                account.said.append((more[0], more[1]))
        waits = any(each.waits for each in accounts.values())
        assert rules.state_of(list(items.values()), made) == ("open" if waits else "decided")
        assert all(len(each.said) <= 3 for each in accounts.values())


def _turn(item: SealedEvidence, made: list[EvidenceDecision], by: ApiKeyId) -> int | None:
    try:
        return rules.next_round(item, made, by)
    except ConflictProblem:
        return None


@given(
    st.sampled_from(DECISIONS),
    st.sampled_from([None, 0, 100, 349, 350, 351]),
    st.sampled_from([None, 0, 350]),
    st.sampled_from([(), get_args(ReasonCode)[:1]]),
    st.sampled_from(["", "Because."]),
)
def test_a_decision_counts_credits_and_states_reasons_by_what_it_is(
    decision: RecognitionDecision, stated: int | None, known: int | None, reasons: tuple[ReasonCode, ...], text: str
) -> None:
    body = DecisionBody(
        decision=decision,
        ects_hundredths=UNSET if stated is None else stated,
        reasons=reasons,
        text=text or UNSET,
    )
    try:
        found: object = rules.check_decision(body, known)
    except InvalidProblem:
        found = "refused"
    is_reasoned = bool(reasons and text)
    if decision == "full":
        counted = known if stated is None else stated
        is_good = counted is not None and (None in {stated, known} or stated == known)
    elif decision == "partial":
        is_less = stated is not None and (not known or stated < known)
        is_good, counted = is_less and is_reasoned, stated
    else:
        is_good, counted = stated is None and is_reasoned, None
    assert found == (counted if is_good else "refused")
