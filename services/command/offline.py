"""The verify answer from three files: a document, its bundle and a policy. Asks nobody: no network and no database.

What the entries in the bundle say is judged by the verifier's own nine checks; what nobody offline can know is said to
be unknown, so that the verdict is never above `indeterminate`.
"""

from collections.abc import Iterator, Mapping, Sequence

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
from proto.wire.verifier import Answer, AsOf, Check, Question, Result, Verdict
from services.command.offline_words import FAULTY, LATER, NEWER, NO_TIME, SIGNED, UNREADABLE
from services.command.stated import HELD, opened, status_by
from services.crypto.rdf_processes import forms_apart
from services.follow import Health, Position
from services.verifier.documents import reader
from services.verifier.documents.reader import ReadDocument
from services.verifier.documents.sent_document import SentDocument
from services.verifier.languages import DEFAULT, ENGLISH, Language
from services.verifier.languages.english import when
from services.verifier.pages.words import WORDS
from services.verifier.verdict.findings import is_proven
from services.verifier.verdict.grounds import Document, Grounds
from services.verifier.verdict.verdict import evaluate

_NOBODY_KNOWS = (
    "The institution issued exactly this. Whether it has been revoked since then, nobody can know without asking: look "
    "it up online before you rely on it."
)
_COLOURS: Mapping[Verdict, str] = {"invalid": "red", "indeterminate": "yellow"}
_NOWHERE = Origin("")
AHEAD_SECONDS_MAX = 60
"""How far this machine's clock may be behind the log's: it is often nobody's who looks after clocks."""
_SECOND_MS = 1000


def verify_offline(
    document: bytes,
    bundle: bytes,
    policy: bytes,
    *,
    now: Moment,
    statement: bytes | None = None,
    language: Language = ENGLISH,
) -> Answer:
    """Return the answer; its verdict is `invalid` or `indeterminate`. Faults of a bundle are told in English as causes.

    A verifier's signed `statement` beside the bundle is named as its word. Raises a `Problem` where document, policy or
    statement cannot be used at all. A bundle that cannot be read is a finding.
    """
    read, trusted = reader.read(SentDocument(document)), parse_policy(policy)
    try:
        found = decode_bundle(bundle)
    except Problem as problem:
        return _unreadable(problem, now, language)
    judged = None if _is_unjudged(read) else read.content
    answer = _answer(read, _by_clock(check_bundle(found, trusted, document=judged), now), now, language)
    if statement is None:
        return answer
    origins = [answer.as_of.origin]
    stated = opened(statement, trusted, credential_id=read.credential_id, origins=origins, now=now)
    checks = tuple(status_by(item, stated, language) for item in answer.checks)
    is_invalid = answer.verdict == "invalid" or any(item.result == "invalid" for item in checks)
    return replace(answer, checks=checks, verdict="invalid" if is_invalid else "indeterminate")


def _by_clock(proven: ProvenBundle, now: Moment) -> ProvenBundle:
    """Return it without a time that is still to come: a log that dates ahead hides what is said until then."""
    is_ahead = proven.time is not None and to_ms(proven.time) - to_ms(now) > AHEAD_SECONDS_MAX * _SECOND_MS
    return replace(proven, time=None) if is_ahead else proven


def heading(answer: Answer, language: Language = ENGLISH) -> str:
    """Return the first line for a person, in rich's markup; in English it begins with what programs look for."""
    if answer.verdict == "invalid":
        return _first("invalid", "INVALID", language)
    if answer.as_of.time is None or any(_is_wrong(item) for item in answer.checks):
        return _first("indeterminate", "INDETERMINATE", language)
    stated = [escape(item.detail) for item in answer.checks if item.code == HELD]
    if language.code != DEFAULT:
        said = language.word("Authentic as of {time}", time=when(answer.as_of.time))
        return " ".join([f"[bold yellow]{escape(said)}.[/]", escape(language.word(_NOBODY_KNOWS)), *stated])
    return (
        f"[bold yellow]AUTHENTIC AS OF {when(answer.as_of.time)}[/] (indeterminate): whether it still holds is not "
        "known offline" + "".join(f". {words}" for words in stated)
    )


def _first(verdict: Verdict, english: str, language: Language) -> str:
    if language.code == DEFAULT:
        more = ": could not be decided; do not rely on it" if verdict == "indeterminate" else ""
        return f"[bold {_COLOURS[verdict]}]{english}[/]{more}"
    return f"[bold {_COLOURS[verdict]}]{escape(language.word(WORDS[verdict]))}[/]"


def _is_wrong(item: Check) -> bool:
    """Tell whether a check is unknown for another reason than that we are offline."""
    return item.result == "unknown" and not item.code.endswith("later-unknown") and item.check != "freshness"


def _is_unjudged(read: ReadDocument) -> bool:
    """Tell whether a document is of another standard or a model to come: no bundle shows that it is false."""
    return read.claims is None and read.other is not None


def _unreadable(problem: Problem, now: Moment, language: Language) -> Answer:
    detail = language.word(UNREADABLE)
    nothing = AsOf(origin=_NOWHERE, size=Position().size, root_hash="", time=None, time_source="log", age_seconds=None)
    return Answer(
        verdict="invalid",
        checks=(
            Check(check="inclusion", result="invalid", code="bundle-malformed", detail=detail, cause=problem.detail),
        ),
        question=Question(at=now),
        as_of=nothing,
    )


def _answer(read: ReadDocument, proven: ProvenBundle, now: Moment, language: Language) -> Answer:
    answer = language.answer(evaluate(_grounds(read, proven, now)))
    checks = tuple(_offline(item, proven, language) for item in answer.checks)
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
        document=Document(claims=read.claims, fault=read.fault, proof=proof, other=read.other),
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


def _offline(item: Check, proven: ProvenBundle, language: Language) -> Check:
    """Return a finding as it can be known offline: faults of the bundle first, then what nobody can know here."""
    faults = [fault for fault in proven.faults if fault.check == item.check]
    if faults:
        result: Result = "unknown" if all(fault.is_unknown for fault in faults) else "invalid"
        said = " ".join(_sentences(faults))
        if language.code == DEFAULT:
            return Check(check=item.check, result=result, code=faults[0].code, detail=said)
        detail = language.word(FAULTY[result])
        return Check(check=item.check, result=result, code=faults[0].code, detail=detail, cause=said)
    if item.check == "freshness":
        return Check(check="freshness", result="unknown", code="offline", detail=_freshness(proven, language))
    if item.code in LATER and proven.time:
        code, sentence = LATER[item.code]
        detail = language.word(sentence, time=when(proven.time))
        return Check(check=item.check, result="unknown", code=code, detail=detail)
    if item.check == "signature" and item.result == "valid":
        return replace(item, detail=language.word(SIGNED))
    return item


def _freshness(proven: ProvenBundle, language: Language) -> str:
    if proven.time is None or proven.checkpoint_time is None:
        return language.word(NO_TIME)
    newer = NEWER[proven.is_time_witnessed]
    return language.word(newer, time=when(proven.time), shown=when(proven.checkpoint_time))


def _sentences(faults: Sequence[BundleFault]) -> Iterator[str]:
    for fault in faults:
        yield fault.detail.rstrip(".") + "."
