"""A verifier's dated word beside an offline bundle: checked, held against the document, and named as its word."""

from collections.abc import Sequence

from proto.bundles.statement import Stated, open_statement
from proto.ids import CredentialId, Origin
from proto.log.policy import Policy
from proto.moment import Moment
from proto.problem import InvalidProblem, Problem
from proto.wire.verifier import Check
from services.command.offline_words import STATED
from services.verifier.languages import Language
from services.verifier.languages.english import STATES, when

HELD = "stated-later-unknown"


class StatementProblem(InvalidProblem):
    """A statement cannot be taken beside this bundle."""

    slug = "statement"
    title = "The statement cannot be used"


def opened(
    data: bytes, policy: Policy, *, credential_id: CredentialId | None, origins: Sequence[Origin], now: Moment
) -> Stated:
    """Return a statement of a verifier that the policy names; raises `StatementProblem` with what is wrong."""
    if not policy.verifiers:
        raise StatementProblem("The policy names no verifier whose word counts: add the line `verifier VKEY`")
    try:
        found = open_statement(data, policy.verifiers)
    except Problem as problem:
        raise StatementProblem(f"No verifier of the policy has stated this: {problem.detail}") from problem
    said = found.statement
    if said.credential != credential_id or said.origin not in origins:
        raise StatementProblem("The statement is about another credential, or another log, than document and bundle")
    if said.at > now:
        raise StatementProblem(f"The statement is dated {said.at}, which is still to come: check this machine's clock")
    return found


def status_by(item: Check, stated: Stated, language: Language) -> Check:
    """Return what the check of the status found, with a verifier's word: it makes nothing valid that was not."""
    said = stated.statement
    if item.check != "status" or item.result == "invalid":
        return item
    is_invalid = said.verdict == "invalid"
    state = language.word(STATES[said.state])
    sentence = STATED["invalid" if is_invalid else "valid"]
    detail = language.word(sentence, verifier=stated.by, time=when(said.at), state=state)
    if is_invalid:
        return Check(check="status", result="invalid", code="stated-invalid", detail=detail)
    return Check(check="status", result="unknown", code=HELD, detail=detail)
