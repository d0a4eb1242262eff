"""What tests share stands where it is meant to be shared: no test module lends anything, and nobody a private name."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
_LENT = re.compile(
    r"^ *(?:from tests(?:\.\w+)*\.test_\w+ import|import tests\.\S*\btest_|from tests\b[^(\n]*import[^(\n]* _\w"
    r"|from tests\b[^(\n]*import \([^)]*\b_\w).*",
    re.MULTILINE,
)


def test_test_modules_take_what_they_share_from_modules_that_hold_no_tests_and_under_public_names() -> None:
    paths = sorted(path for path in TESTS.rglob("*.py") if not any(part.startswith(".") for part in path.parts))
    found = [
        f"{path.relative_to(TESTS)}: {lent}"
        for path in paths
        if "node_modules" not in path.parts
        for lent in _LENT.findall(path.read_text(encoding="utf-8"))
    ]
    assert found == [], "move it to tests/support, or to a module beside that has no tests, under a public name"


def test_what_is_lent_is_seen() -> None:
    seen = (
        "from tests.unit.test_a import b",
        "    from tests.unit.test_a import b",
        "from tests.support.a import _b",
        "from tests.support.a import b, _c",
        "from tests.support.a import (\n    b,\n    _c,\n)",
    )
    assert [bool(_LENT.search(line)) for line in seen] == [True] * len(seen)
    unseen = "from tests.support.a import b_c, d\nfrom tests.support.b import (\n    e,\n)\nx = _f\n"
    assert _LENT.search(unseen) is None
