"""Bundles over whole histories: each is faultless and says what the whole log says; an altered one proves nothing."""

from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from proto.bundles.bundle import decode_bundle, encode_bundle
from proto.bundles.check import check_bundle
from proto.log.policy import parse_policy
from proto.problem import Problem
from tests.support.bundles import bundle_of, cosigned, without, witness_policy_text
from tests.support.chaos import history
from tests.support.every_bundle import check_every_bundle
from tests.support.golden_rules_v1 import golden_world
from tests.support.worlds import FirstWorld

STATEMENTS = 120
SEEDS = st.integers(min_value=0, max_value=2**32).map(Random)
slowly = settings(
    max_examples=15,
    deadline=None,  # a history takes as long as it is
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


def test_every_bundle_of_the_golden_log_says_what_the_log_says() -> None:
    check_every_bundle(golden_world())


@slowly
@given(SEEDS)
def test_every_bundle_of_any_history_says_what_the_log_says(rng: Random) -> None:
    check_every_bundle(history(rng, STATEMENTS).world)


WORLD = FirstWorld()
_SCHOOL, _COLLEGE = WORLD.admit("school"), WORLD.admit("college")
STACK = WORLD.stacked(_SCHOOL, [WORLD.issued(_SCHOOL), WORLD.issued(_COLLEGE)])
BUNDLE = bundle_of(WORLD, STACK, checkpoint=cosigned(WORLD))
DATA = encode_bundle(BUNDLE)
POLICY = parse_policy(witness_policy_text(WORLD).encode())


def test_the_bundle_that_is_altered_below_is_good() -> None:
    assert check_bundle(decode_bundle(DATA), POLICY).faults == ()


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(DATA) - 1), st.binary(max_size=3), st.integers(0, 3))
def test_no_altered_bundle_proves_anything(at: int, put: bytes, removed: int) -> None:
    changed = DATA[:at] + put + DATA[at + removed :]
    assume(changed != DATA)
    try:
        found = check_bundle(decode_bundle(changed), POLICY)
    except Problem:
        return
    assert found.faults
    assert found.verdict(WORLD.now) == "invalid"


@pytest.mark.parametrize("index", [item.index for item in BUNDLE.entries])
def test_no_entry_of_a_bundle_can_be_left_out(index: int) -> None:
    assert check_bundle(without(BUNDLE, index), POLICY).faults
