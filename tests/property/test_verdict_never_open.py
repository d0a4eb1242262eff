"""Whatever the checks find: valid is said only where everything that applies is valid and nothing is missing."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from proto.wire.verifier import CheckName, Result
from services.verifier.verdict.findings import CheckFinding
from services.verifier.verdict.verdict import MUST_APPLY, verdict

NAMES: tuple[CheckName, ...] = get_args(CheckName)
RESULTS: tuple[Result, ...] = get_args(Result)
checks = st.lists(
    st.builds(
        CheckFinding,
        check=st.sampled_from(NAMES),
        result=st.sampled_from([*RESULTS, "valid", "valid", "valid"]),
        code=st.just("x"),
    ),
    unique_by=lambda check: check.check,
)


@given(checks)
def test_valid_means_that_every_applicable_check_is_valid(found: list[CheckFinding]) -> None:
    results = {check.check: check.result for check in found}
    if verdict(found) == "valid":
        assert set(results.values()) <= {"valid", "not_applicable"}
        assert all(results[name] == "valid" for name in MUST_APPLY)


@given(checks)
def test_what_is_not_fresh_decides_nothing(found: list[CheckFinding]) -> None:
    if any(check.check == "freshness" and check.result == "valid" for check in found):
        is_bad = any(check.result == "invalid" for check in found)
        assert (verdict(found) == "invalid") == is_bad
    else:
        assert verdict(found) == "indeterminate"


@given(checks, st.sampled_from(NAMES))
def test_spoiling_a_check_never_helps(found: list[CheckFinding], name: CheckName) -> None:
    worse = [check for check in found if check.check != name]
    for result in ("invalid", "unknown"):
        spoiled = [*worse, CheckFinding(check=name, result=result, code="x")]
        assert verdict(spoiled) != "valid"
