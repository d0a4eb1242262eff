"""What was found, before it is put into words: codes and values, the same in every language. Pure; judges nothing."""

from collections.abc import Mapping
from typing import Any

import msgspec

from proto.ids import CredentialId
from proto.moment import Moment
from proto.wire.content import Content
from proto.wire.statements import EndorsementFacts, StandingDecisionFacts
from proto.wire.verifier import (
    AsOf,
    Check,
    CheckName,
    CredentialFacts,
    IssuerFacts,
    Question,
    RecognitionFacts,
    Result,
    ShownState,
    StackNode,
    Status,
    Verdict,
)


class CheckFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found: a result, a stable code, and the values that the code's sentence holds.

    Values are as they were found: moments, seconds, hundredths of credits, names of fields, codes of reasons.
    """

    check: CheckName
    result: Result
    code: str
    values: Mapping[str, Any] = {}


def finding(name: CheckName, result: Result, code: str, /, **values: Any) -> CheckFinding:
    """Return what a check found."""
    return CheckFinding(check=name, result=result, code=code, values=values)


def is_proven(document: CheckFinding | Check, proof: CheckFinding | Check) -> bool:
    """Tell whether a document may be shown as its institution's: it is on the log, and no proof of it is wrong."""
    return document.code == "document-matches" and proof.result != "invalid"


class JudgedToday(msgspec.Struct, frozen=True, kw_only=True):
    """What holds now, in short; `checks` are those that decide the verdict, none where it is `valid`."""

    verdict: Verdict
    at: Moment
    state: ShownState | None
    since: Moment | None
    reason: str | None
    replaced_by: CredentialId | None
    checks: tuple[CheckFinding, ...]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The verify answer (DESIGN 4) but for its words: `languages` puts the checks into sentences.

    Where another moment is asked about, `today` says how it stands now. `content` is what a proven document says.
    """

    verdict: Verdict
    checks: tuple[CheckFinding, ...]
    question: Question
    as_of: AsOf
    credential: CredentialFacts | None = None
    status: Status | None = None
    issuer: IssuerFacts | None = None
    stack: StackNode | None = None
    recognitions: tuple[RecognitionFacts, ...] = ()
    endorsements: tuple[EndorsementFacts, ...] = ()
    standing_decisions: tuple[StandingDecisionFacts, ...] = ()
    today: JudgedToday | None = None
    content: Content | None = None
