"""How a credential stands today, in short: what comes first wherever another moment is asked about. Pure."""

from collections.abc import Iterable
from typing import TypeVar

from proto.wire.verifier import Check, Result, Verdict
from services.verifier.verdict.findings import CheckFinding, JudgedToday, Judgement

_Checked = TypeVar("_Checked", CheckFinding, Check)


def today_of(judgement: Judgement) -> JudgedToday:
    """Return what a judgement about now says, in short: what comes before an answer about another moment."""
    status = judgement.status
    return JudgedToday(
        verdict=judgement.verdict,
        at=judgement.question.at,
        state=status.state if status else None,
        since=status.since if status else None,
        reason=status.reason if status else None,
        replaced_by=status.replaced_by if status else None,
        checks=decisive(judgement.verdict, judgement.checks),
    )


def decisive(found: Verdict, checks: Iterable[_Checked]) -> tuple[_Checked, ...]:
    """Return the checks by which a verdict is not `valid`; none where it is."""
    if found == "valid":
        return ()
    wanted: Result = "invalid" if found == "invalid" else "unknown"
    return tuple(item for item in checks if item.result == wanted)
