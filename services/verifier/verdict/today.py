"""How a credential stands today, in short: what comes first wherever another moment is asked about. Pure."""

from collections.abc import Iterable

from proto.wire.verifier import Answer, Check, Result, Today, Verdict


def today_of(answer: Answer) -> Today:
    """Return what an answer about now says, in short: what comes before an answer about another moment."""
    status = answer.status
    return Today(
        verdict=answer.verdict,
        at=answer.question.at,
        state=status.state if status else None,
        since=status.since if status else None,
        reason=status.reason if status else None,
        replaced_by=status.replaced_by if status else None,
        checks=decisive(answer.verdict, answer.checks),
    )


def decisive(found: Verdict, checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks by which a verdict is not `valid`; none where it is."""
    if found == "valid":
        return ()
    wanted: Result = "invalid" if found == "invalid" else "unknown"
    return tuple(item for item in checks if item.result == wanted)
