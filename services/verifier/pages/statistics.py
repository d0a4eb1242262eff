"""The counts as a page shows them: bars and the words of a group. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from proto.stacking import ects_text
from proto.wire.verifier import Dimension, StatisticsAnswer, StatisticsRow
from services.verifier.languages import Language

BARS_MAX = 60
"""More groups are in the table only."""


def bars(answer: StatisticsAnswer, language: Language) -> list[dict[str, Any]]:
    """Return the rows as bars: a label, how many credentials, and the width in per cent of the longest."""
    shown = answer.rows[:BARS_MAX]
    longest = max((row.credential_count + row.stack_count for row in shown), default=0) or 1
    return [
        {
            "label": label_of(row, answer.by, language=language),
            "count": row.credential_count + row.stack_count,
            "width": round((row.credential_count + row.stack_count) / longest * 100, 2),
        }
        for row in shown
    ]


def cells_of(row: StatisticsRow) -> tuple[int | str, ...]:
    """Return the numbers of a row, in the order of the page's columns."""
    return (
        row.credential_count,
        ects_text(row.ects_hundredths),
        row.stack_count,
        row.revocation_count,
        row.suspension_count,
        row.reinstatement_count,
        row.recognition_count,
        row.withdrawal_count,
    )


def label_of(row: StatisticsRow, by: Sequence[Dimension], *, language: Language) -> str:
    """Return a group in words: `NL, EQF 6, 2026-11`."""
    return ", ".join(_WORDS_OF[name](row, language.word) for name in by) or language.word("all")


_WORDS_OF: Mapping[Dimension, Callable[[StatisticsRow, Callable[..., str]], str]] = {
    "issuer": lambda row, _: str(row.legal_name or row.issuer),
    "country": lambda row, word: str(row.country or word("country not stated")),
    "eqf_level": lambda row, word: (
        word("EQF {level}", level=row.eqf_level) if row.eqf_level else word("EQF not stated")
    ),
    "month": lambda row, _: str(row.month),
}
