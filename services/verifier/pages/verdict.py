"""What stands around a verdict's word: what decided it, and what to do next. Pure."""

from proto.wire.verifier import Answer, Check, Today, Verdict
from services.edge.check_words import CHECK_RESULTS
from services.verifier.pages.words import HOLDS, NEXT, NOT_CHECKED
from services.verifier.verdict.today import decisive

_NOTHING_TO_CHECK = frozenset({"no-document", "no-entry"})


def is_fresh(answer: Answer) -> bool:
    """Tell whether the records were recent enough to rely on."""
    return any(check.check == "freshness" and check.result == "valid" for check in answer.checks)


def next_step(verdict: Verdict, answer: Answer) -> str:
    """Return what to do where the verdict is not `valid`."""
    if verdict == "valid":
        return ""
    if not is_fresh(answer):
        return NEXT["old"]
    if verdict == "indeterminate":
        return NEXT["unsure"]
    wrong = {check.check for check in answer.checks if check.result == "invalid"}
    return NEXT["altered" if wrong & {"document", "proof"} else "fallen"]


def lead(first: Answer | Today, answer: Answer) -> list[str]:
    """Return the sentences under the verdict's word: what decided it."""
    if first.verdict == "valid":
        codes = {check.check: check.code for check in answer.checks if check.check in {"document", "proof"}}
        if codes.get("document") != "document-matches":
            return [HOLDS["record"]]
        if codes.get("proof") == "proof-absent":
            return [HOLDS["unsigned"]]
        return [HOLDS["document"]]
    return [check.detail for check in decisive(first.verdict, first.checks)]


def result_words(check: Check) -> str:
    """Return a check's result in words: what was not there to be checked is not said not to apply."""
    return NOT_CHECKED if check.code in _NOTHING_TO_CHECK else CHECK_RESULTS[check.result]
