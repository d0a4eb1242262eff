"""The verify answer from three files: a document, its bundle and a policy. Asks nobody: no network and no database.

What the entries in the bundle say is judged by the verifier's own nine checks; what nobody offline can know is said to
be unknown, so that the verdict is never above `indeterminate`.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace
from rich.markup import escape

from proto.bundles.bundle import decode_bundle
from proto.bundles.check import ProvenBundle, check_bundle
from proto.bundles.tree import BundleFault
from proto.documents.content import content_of
from proto.ids import Origin
from proto.lifecycle import Book
from proto.log.policy import parse_policy
from proto.moment import Moment, to_ms
from proto.problem import Problem
from proto.wire.verifier import Answer, AsOf, Check, Question, Result
from services.command.stated import HELD, opened, status_by
from services.crypto.rdf_processes import forms_apart
from services.follow import Health, Position
from services.verifier.documents import reader
from services.verifier.documents.reader import ReadDocument
from services.verifier.documents.sent_document import SentDocument
from services.verifier.languages import ENGLISH, Language
from services.verifier.languages.english import when
from services.verifier.verdict.findings import is_proven
from services.verifier.verdict.grounds import Document, Grounds
from services.verifier.verdict.verdict import evaluate

_NOWHERE = Origin("")
_SECOND_MS = 1000
_LATER = {
    "status-stale": (
        "status-later-unknown",
        "Nothing in the bundle was said against the credential by {time}. Whether it was revoked since is unknown.",
    ),
    "components-stale": (
        "components-later-unknown",
        "Nothing in the bundle was said by {time} against the credentials that this one is made of.",
    ),
}


class UsageProblem(Problem):
    """The command was called in a way that it cannot follow."""

    slug = "usage"
    title = "The command is incomplete"


def verify_offline(
    document: bytes,
    bundle: bytes,
    policy: bytes,
    *,
    now: Moment,
    statement: bytes | None = None,
    language: Language = ENGLISH,
) -> Answer:
    """Return the answer; its verdict is `invalid` or `indeterminate`. What only a bundle shows is said in English.

    A verifier's signed `statement` beside the bundle is named as its word. Raises a `Problem` where document, policy or
    statement cannot be used at all. A bundle that cannot be read is a finding.
    """
    read, trusted = reader.read(SentDocument(document)), parse_policy(policy)
    try:
        found = decode_bundle(bundle)
    except Problem as problem:
        return _unreadable(problem, now)
    answer = _answer(read, check_bundle(found, trusted, document=read.content), now, language)
    if statement is None:
        return answer
    origins = [answer.as_of.origin]
    stated = opened(statement, trusted, credential_id=read.credential_id, origins=origins, now=now)
    checks = tuple(status_by(item, stated) for item in answer.checks)
    is_invalid = answer.verdict == "invalid" or any(item.result == "invalid" for item in checks)
    return replace(answer, checks=checks, verdict="invalid" if is_invalid else "indeterminate")


def heading(answer: Answer) -> str:
    """Return the first line for a person, in rich's markup."""
    if answer.verdict == "invalid":
        return "[bold red]INVALID[/]"
    if answer.as_of.time is None or any(_is_wrong(item) for item in answer.checks):
        return "[bold yellow]INDETERMINATE[/]: could not be decided; do not rely on it"
    stated = [escape(item.detail) for item in answer.checks if item.code == HELD]
    return (
        f"[bold yellow]AUTHENTIC AS OF {when(answer.as_of.time)}[/] (indeterminate): whether it still holds is not "
        "known offline" + "".join(f". {words}" for words in stated)
    )


def _is_wrong(item: Check) -> bool:
    """Tell whether a check is unknown for another reason than that we are offline."""
    return item.result == "unknown" and not item.code.endswith("later-unknown") and item.check != "freshness"


def _unreadable(problem: Problem, now: Moment) -> Answer:
    detail = f"The bundle cannot be read: {problem.detail}"
    nothing = AsOf(origin=_NOWHERE, size=Position().size, root_hash="", time=None, time_source="log", age_seconds=None)
    return Answer(
        verdict="invalid",
        checks=(Check(check="inclusion", result="invalid", code="bundle-malformed", detail=detail),),
        question=Question(at=now),
        as_of=nothing,
    )


def _answer(read: ReadDocument, proven: ProvenBundle, now: Moment, language: Language) -> Answer:
    answer = language.answer(evaluate(_grounds(read, proven, now)))
    checks = tuple(_offline(item, proven) for item in answer.checks)
    is_invalid = proven.verdict(now) == "invalid" or any(item.result == "invalid" for item in checks)
    content = content_of(read.content) if is_proven(checks[0], checks[1]) else None
    return replace(answer, checks=checks, verdict="invalid" if is_invalid else "indeterminate", content=content)


def _grounds(read: ReadDocument, proven: ProvenBundle, now: Moment) -> Grounds:
    """Return what the verifier's checks rest on: the replayed book in place of a projection, and nothing fresh."""
    is_same = read.credential_id == proven.bundle.credential_id
    credential, life = (proven.credential, proven.life) if is_same else (None, None)
    book = proven.book if proven.book.log else Book()
    signed = proven.opened.checkpoint if proven.opened else None
    age_ms = None if proven.time is None else max(0, to_ms(now) - to_ms(proven.time))
    proof = reader.check_proofs(read, book, life, now=now, forms=forms_apart)
    return Grounds(
        book=book,
        credential=credential,
        recognitions=(),
        is_included=not any(fault.check == "inclusion" for fault in proven.faults),
        document=Document(claims=read.claims, fault=read.fault, proof=proof),
        health=Health(
            state="stale",
            detail="offline",
            age_seconds=None if age_ms is None else age_ms / _SECOND_MS,
            time=proven.time,
            time_source="log",
            is_pinned=proven.is_pinned,
        ),
        position=Position(size=signed.size, root_hash=signed.root_hash) if signed else Position(),
        origin=signed.origin if signed else _NOWHERE,
        now=now,
        at=now,
        known_at=None,
    )


def _offline(item: Check, proven: ProvenBundle) -> Check:
    """Return a finding as it can be known offline: faults of the bundle first, then what nobody can know here."""
    faults = [fault for fault in proven.faults if fault.check == item.check]
    if faults:
        result: Result = "unknown" if all(fault.is_unknown for fault in faults) else "invalid"
        return Check(check=item.check, result=result, code=faults[0].code, detail=" ".join(_sentences(faults)))
    time = when(proven.time) if proven.time else "an unknown time"
    if item.check == "freshness":
        source = "by the word of its witnesses" if proven.is_time_witnessed else "by the log's own word"
        shown = when(proven.checkpoint_time) if proven.checkpoint_time else "an unknown time"
        detail = (
            f"Nothing newer than {time} is known of the credential offline. The bundle shows the log of {shown} "
            f"({source}), and what was said in between may have been left out of it: ask a verifier whether it still "
            "holds."
        )
        return Check(check="freshness", result="unknown", code="offline", detail=detail)
    if item.code in _LATER:
        code, sentence = _LATER[item.code]
        return Check(check=item.check, result="unknown", code=code, detail=sentence.format(time=time))
    if item.check == "signature" and item.result == "valid":
        return replace(item, detail="The institution's signature and the keys that it rests on were checked here.")
    return item


def _sentences(faults: Sequence[BundleFault]) -> Iterator[str]:
    for fault in faults:
        yield fault.detail.rstrip(".") + "."
