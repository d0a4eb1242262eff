"""Refusals that quote nothing of their row: masked for ten thousand cells as one would do it for each of them."""

import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from proto.tables.day_order import is_no_day
from services.issuer_gateway.batches.row_problems import without_cells

CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["2026-02-30", "2026-02-03", "12.50", "it's\n", 'a "b', "\\", "x", "0", "Ann Berg", "ref"]),
)


def plainly(text: str, cells: list[str]) -> str:
    """Return a text without what stands in a row's cells, cell by cell."""
    wanted = sorted({cell.strip() for cell in cells if cell.strip() and not is_no_day(cell.strip())}, key=len)

    def unquoted(match: re.Match[str]) -> str:
        inner = next(filter(None, match.groups()))
        return "…" if any(inner in cell or inner in repr(cell) for cell in wanted) else match[0]

    text = re.sub(r"""'([^']+)'|"([^"]+)"|`([^`]+)`""", unquoted, text)
    for cell in reversed(wanted):
        if len(cell) >= 3 and cell in text and not re.match(r"^\d{1,4}(\.\d{1,2})?\Z", cell, re.ASCII):
            text = re.sub(rf"(?<!\w){re.escape(cell)}(?!\w)", "…", text)
    return text


@given(st.lists(CELLS, max_size=6), st.lists(st.tuples(CELLS, st.sampled_from(["{}", "'{}'", '"{}"', "`{}`", "{!r}"]))))
@example(["2026-02-30"], [("2026-02-30", "'{}'")])
@example(["\U00018d09", "2026-02-30"], [("0", "'{}'")])
@example(["0"], [("\u241f", "'{}'")])
@example(["x", "2026-02-30"], [("'x'", '"{}"'), ("'2026-02-30'", '"{}"')])
@example(["it's\n", 'a "b'], [("it's\n", "{!r}"), ('a "b', "{!r}")])
def test_what_a_row_holds_is_masked_wherever_its_problem_says_it(cells: list[str], said: list[tuple[str, str]]) -> None:
    detail = " and ".join(form.format(cell) for cell, form in said)
    document: dict[str, Any] = {"detail": detail, "errors": [{"detail": detail, "code": "x"}], "code": "kept"}
    found = without_cells(document, cells)
    for shown in (found["detail"], found["errors"][0]["detail"]):
        for cell in {cell.strip() for cell in cells}:
            if len(cell) >= 3 and not is_no_day(cell) and cell.isalpha():
                assert not re.search(rf"(?<!\w){re.escape(cell)}(?!\w)", shown)
        assert len(shown) <= len(detail) or "…" in shown
    assert found["detail"] == plainly(detail, cells)
    assert (found["code"], found["errors"][0]["code"]) == ("kept", "x")
