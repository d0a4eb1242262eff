"""The verdict: what nine checks find about a credential, and what follows from them (DESIGN 4). Pure; never fails open.

Takes everything it rests on as arguments. `valid` is said only if every applicable check is `valid` and none of those
that must apply is missing.
"""

from collections.abc import Iterable, Sequence

import msgspec

from proto.documents.agreement import differences
from proto.documents.open_badge_claims import DocumentClaims
from proto.ids import CredentialId, Origin
from proto.lifecycle import (
    Book,
    Credential,
    Effective,
    Life,
    Recognition,
    Stamp,
    UnloadedStateError,
    effective,
    is_known,
    life_of,
    profile,
)
from proto.lifecycle import standing as standing_of
from proto.moment import Moment
from proto.stacking import ects_text
from proto.wire.verifier import Answer, AsOf, Check, CheckName, IssuerFacts, Question, Result, StackNode, Verdict
from services.follow.interface import Health, Position
from services.verifier.verdict import facts
from services.verifier.verdict.sentences import FIELDS, REASONS, duration, sentence, when
from services.verifier.verdict.staleness import as_far_as_known

MUST_APPLY: frozenset[CheckName] = frozenset({"signature", "inclusion", "issuer", "status", "period", "freshness"})
_GONE = ("void", "revoked", "suspended")


class ForeignFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What a document shows by itself whose institution is not on the register: proof, dates, status."""

    proof: Check
    period: Check
    status: Check


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a document: its claims, or why it has none (`fault`), and what its own proof is worth.

    `foreign` is there where the institution that it names is not on the register, and then stands for what the log
    would say; a verdict is never `valid` by it, since no entry is there.
    """

    claims: DocumentClaims | None
    fault: str = ""
    proof: Check
    foreign: ForeignFindings | None = None


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verdict rests on.

    `book` holds the credential with all that its state needs; `is_included` is None where the proof could not be made;
    `health` was read before the book, so that the book is never older than it says.
    """

    book: Book
    credential: Credential | None
    recognitions: Sequence[Recognition]
    is_included: bool | None
    document: Document | None
    health: Health
    position: Position
    origin: Origin
    now: Moment
    at: Moment
    known_at: Moment | None

    def index_of(self, stamp: Stamp) -> int:
        """Return the index of an entry on this log; negative for what it inherited from the log that it continues."""
        return stamp.index - (self.book.log.first_stamp if self.book.log else 0)

    @property
    def life(self) -> Life | None:
        """The issue that is asked about, as far as it was known; None also where the records are incomplete."""
        if self.credential is None or not _is_complete(self):
            return None
        return life_of(self.book, self.credential, known_at=self.known_at)

    @property
    def is_issued(self) -> bool:
        """Whether the log had an issue of the credential by the asked moment of knowledge."""
        return self.credential is not None and any(
            is_known(life.stamp, self.known_at) for life in self.credential.lives
        )


def check(name: CheckName, result: Result, code: str, /, **values: object) -> Check:
    """Return what a check found, with the sentence of its code."""
    return Check(check=name, result=result, code=code, detail=sentence(code, **values))


def evaluate(grounds: Grounds) -> Answer:
    """Return the verify answer; raises nothing for any grounds."""
    # (1) Is all there that the state rests on? What is missing makes a check unknown, never good or bad.
    life = grounds.life
    found = _effective(grounds) if life else None
    # (2) The nine checks, each by itself.
    found_checks = (
        _document(grounds, life),
        _proof(grounds),
        _signature(grounds, life),
        _inclusion(grounds, life),
        _issuer(grounds, life),
        _status(grounds, life, found),
        _period(grounds, life),
        _components(grounds, life, found),
        freshness(grounds.health),
    )
    is_fresh = found_checks[-1].result == "valid"
    checks = tuple(as_far_as_known(item, grounds.health, is_fresh=is_fresh) for item in found_checks)
    # (3) The verdict, and what the log says, so that a reader can judge too.
    answer = Answer(
        verdict=verdict(checks),
        checks=checks,
        question=Question(at=grounds.at, known_at=grounds.known_at),
        as_of=as_of(grounds.origin, grounds.position, grounds.health),
    )
    return _with_facts(answer, grounds, life, found)


def verdict(checks: Iterable[Check]) -> Verdict:
    """Return the verdict: undecided where the records are not fresh, else the worst finding; valid only if all is.

    What rests on old records is not decided in either direction: a suspension may have been lifted, a revocation may
    have lapsed. A check that must apply and is not there counts as unknown.
    """
    results = {item.check: item.result for item in checks}
    if results.get("freshness") != "valid":
        return "indeterminate"
    if "invalid" in results.values():
        return "invalid"
    if "unknown" in results.values() or any(results.get(name) != "valid" for name in MUST_APPLY):
        return "indeterminate"
    return "valid"


def as_of(origin: Origin, position: Position, health: Health) -> AsOf:
    """Return which state of which log an answer rests on."""
    return AsOf(
        origin=origin,
        size=position.size,
        root_hash=position.root_hash.hex(),
        time=health.time,
        time_source=health.time_source,
        age_seconds=None if health.age_seconds is None else round(health.age_seconds, 3),
        imported=health.is_imported,
        pinned=health.is_pinned,
    )


def _is_complete(grounds: Grounds) -> bool:
    """Tell whether the records hold the institution, and every key that said something about the credential."""
    book, credential = grounds.book, grounds.credential
    if credential is None or book.log is None:
        return False
    stamps = [stamp for life in credential.lives for stamp in (life.stamp, *(c.stamp for c in life.changes))]
    try:
        registrar = book.issuer(book.log.registrar)
        return registrar is not None and all(book.key(stamp.key_id) is not None for stamp in stamps)
    except UnloadedStateError:
        return False


def _effective(grounds: Grounds) -> Effective | None:
    assert grounds.credential is not None, "there is no life without a credential"
    try:
        return effective(grounds.book, grounds.credential, at=grounds.at, known_at=grounds.known_at)
    except UnloadedStateError:
        return None


# The checks, in the order of DESIGN 4.


def _document(grounds: Grounds, life: Life | None) -> Check:
    document = grounds.document
    if document is None:
        return check("document", "not_applicable", "no-document")
    if document.claims is None or _foreign(grounds) is not None:
        return _document_of_nobody(grounds, document)
    if grounds.credential is None:
        return _document_not_found(grounds, document.claims)
    if life is None:
        is_later = not grounds.is_issued
        return check(
            "document",
            "invalid" if is_later else "unknown",
            "document-not-yet-on-log" if is_later else "document-not-found",
        )
    fields = [FIELDS[name] for name in differences(document.claims, life)]
    if fields:
        return check("document", "invalid", "document-differs", fields=", ".join(fields))
    return check("document", "valid", "document-matches")


def _document_of_nobody(grounds: Grounds, document: Document) -> Check:
    if _foreign(grounds) is not None:
        return check("document", "unknown", "document-issuer-unknown")
    return check("document", "invalid", "document-unreadable", fault=document.fault)


def _proof(grounds: Grounds) -> Check:
    foreign = _foreign(grounds)
    if foreign is not None:
        return foreign.proof
    return grounds.document.proof if grounds.document else check("proof", "not_applicable", "no-document")


def _foreign(grounds: Grounds) -> ForeignFindings | None:
    """Return what the document shows by itself, where the log knows neither it nor its institution."""
    return grounds.document.foreign if grounds.document and grounds.credential is None else None


def _document_not_found(grounds: Grounds, claims: DocumentClaims) -> Check:
    issuer = grounds.book.issuers.get(claims.issuer)
    if freshness(grounds.health).result != "valid":
        return check("document", "unknown", "document-not-found")
    if issuer is None or profile(grounds.book, issuer) is None:
        return check("document", "unknown", "document-issuer-unknown")
    return check("document", "invalid", "document-not-on-log")


def _no_entry(grounds: Grounds, name: CheckName, code: str) -> Check:
    """Return the finding where there is no usable entry: nothing to check, or records that are incomplete."""
    if not grounds.is_issued:
        return check(name, "not_applicable", "no-entry")
    return check(name, "unknown", code)


def _signature(grounds: Grounds, life: Life | None) -> Check:
    if life is None:
        return _no_entry(grounds, "signature", "signature-key-missing")
    return check("signature", "valid", "signature-verified")


def _inclusion(grounds: Grounds, life: Life | None) -> Check:
    if life is None:
        return _no_entry(grounds, "inclusion", "inclusion-unknown")
    if grounds.is_included is None or grounds.index_of(life.stamp) >= grounds.position.size:
        return check("inclusion", "unknown", "inclusion-unknown")
    if not grounds.is_included:
        return check("inclusion", "invalid", "inclusion-wrong")
    return check("inclusion", "valid", "inclusion-proven")


def _issuer(grounds: Grounds, life: Life | None) -> Check:
    """Admitted and in scope when it issued; what the register says later is shown and undoes nothing."""
    book, known_at = grounds.book, grounds.known_at
    if life is None:
        return _no_entry(grounds, "issuer", "issuer-missing")
    issuer = book.issuer(life.issuer)
    if issuer is None:
        return check("issuer", "unknown", "issuer-missing")
    then = profile(book, issuer, known_at=known_at, before=life.stamp.index)
    if then is None:
        return check("issuer", "invalid", "issuer-not-admitted")
    scope = then.scope
    is_in_scope = (
        (scope.may_stack if life.components else scope.may_issue)
        and (life.eqf_level is None or scope.eqf_min <= life.eqf_level <= scope.eqf_max)
        and life.ects_hundredths <= scope.ects_hundredths_max
        and life.achievement.startswith(then.uri_prefixes)
    )
    if not is_in_scope:
        return check("issuer", "invalid", "issuer-out-of-scope", issuer=then.legal_name)
    return check("issuer", "valid", _issuer_code(grounds, life), issuer=then.legal_name)


def _issuer_code(grounds: Grounds, life: Life) -> str:
    issuer = grounds.book.issuer(life.issuer)
    assert issuer is not None, "the caller found it"
    if facts.is_key_from_registrar(grounds.book, life.stamp):
        return "issuer-key-by-registrar"
    last = standing_of(grounds.book, issuer, known_at=grounds.known_at)
    later = {"suspended": "issuer-since-suspended", "closed": "issuer-since-closed"}
    return later.get(last.kind, "issuer-in-scope") if last else "issuer-in-scope"


def _status(grounds: Grounds, life: Life | None, found: Effective | None) -> Check:
    """Void, revoked or suspended; period and components are checks of their own."""
    if (foreign := _foreign(grounds)) is not None:
        return foreign.status
    if life is None:
        return _no_entry(grounds, "status", "status-unknown")
    if found is None:
        return check("status", "unknown", "status-unknown")
    if found.state in _GONE:
        reason = REASONS.get(found.reason or "", found.reason or "")
        return check("status", "invalid", f"status-{found.state}", since=when(found.since), reason=reason)
    if grounds.at > grounds.now:
        return check("status", "unknown", "status-open", at=when(grounds.at))
    return check("status", "valid", "status-active")


def _period(grounds: Grounds, life: Life | None) -> Check:
    if (foreign := _foreign(grounds)) is not None:
        return foreign.period
    if life is None:
        return _no_entry(grounds, "period", "status-unknown")
    first, last = _written_days(grounds, life)
    if grounds.at < life.valid_from:
        return check("period", "invalid", "period-not-begun", since=first or when(life.valid_from))
    if life.valid_until is None:
        return check("period", "valid", "period-open")
    if grounds.at >= life.valid_until:
        return check("period", "invalid", "period-over", until=last or when(life.valid_until))
    return check("period", "valid", "period-within", until=last or when(life.valid_until))


def _written_days(grounds: Grounds, life: Life) -> tuple[str | None, str | None]:
    """Return the first and the last day of validity as the document writes them, where it agrees with the log."""
    claims = grounds.document.claims if grounds.document else None
    if claims is None or (claims.valid_from, claims.valid_until) != (life.valid_from, life.valid_until):
        return None, None
    return claims.valid_from_day, claims.valid_until_day


def _components(grounds: Grounds, life: Life | None, found: Effective | None) -> Check:
    if life is None:
        return _no_entry(grounds, "components", "components-unknown")
    if not life.components:
        return check("components", "not_applicable", "components-none")
    try:
        is_all_there = all(grounds.book.credential(part) is not None for part in life.parts)
        nodes = [_part_state(grounds, part) for part in life.components] if is_all_there else []
    except UnloadedStateError:
        nodes = []
    if found is None or not nodes or None in nodes:
        return check("components", "unknown", "components-unknown")
    fallen = sum(node is not None and node.state != "active" for node in nodes)
    if not fallen:
        return check("components", "valid", "components-hold", count=len(nodes))
    remaining = min(life.ects_hundredths, sum(node.credits_remaining for node in nodes if node))
    return check(
        "components",
        "invalid",
        "components-impaired",
        fallen=fallen,
        count=len(nodes),
        remaining=ects_text(remaining),
        declared=ects_text(life.ects_hundredths),
    )


def _part_state(grounds: Grounds, part: CredentialId) -> Effective | None:
    credential = grounds.book.credential(part)
    return effective(grounds.book, credential, at=grounds.at, known_at=grounds.known_at) if credential else None


def freshness(health: Health) -> Check:
    """Return whether the records are fresh enough to answer from; a log that is faulty or not understood is unknown."""
    if health.state == "faulty":
        return check("freshness", "unknown", "log-faulty", fault=health.detail)
    if health.state == "unknown_rules":
        return check("freshness", "unknown", "log-unknown-rules")
    if health.state == "clock_behind":
        return check("freshness", "unknown", "clock-behind", fault=health.detail)
    if health.age_seconds is None:
        return check("freshness", "unknown", "never-fresh")
    age = duration(health.age_seconds)
    if health.state != "healthy":
        return check("freshness", "unknown", "stale", age=age, fault=health.detail)
    code = "fresh-witnessed" if health.time_source == "witnesses" else "fresh-log"
    return check("freshness", "valid", code, age=age)


def _with_facts(answer: Answer, grounds: Grounds, life: Life | None, found: Effective | None) -> Answer:
    """Add what the log says, as far as the records are complete."""
    book, credential, known_at = grounds.book, grounds.credential, grounds.known_at
    if credential is None or life is None or found is None:
        return msgspec.structs.replace(answer, issuer=_claimed_issuer(grounds))
    return msgspec.structs.replace(
        answer,
        credential=facts.credential_facts(credential, life, _written_days(grounds, life)),
        status=facts.status_facts(book, credential, found, known_at),
        issuer=facts.issuer_facts(book, life.issuer, life=life, known_at=known_at),
        stack=_stack(grounds, life),
        recognitions=facts.recognition_facts(book, grounds.recognitions, known_at),
    )


def _claimed_issuer(grounds: Grounds) -> IssuerFacts | None:
    """Return what the register says of the institution that a document names, where the document is not on record."""
    claims = grounds.document.claims if grounds.document else None
    if claims is None or grounds.book.issuers.get(claims.issuer) is None:
        return None
    return facts.issuer_facts(grounds.book, claims.issuer, known_at=grounds.known_at)


def _stack(grounds: Grounds, life: Life) -> StackNode | None:
    if not life.components or grounds.credential is None:
        return None
    try:
        return facts.stack_tree(
            grounds.book, grounds.credential.credential_id, at=grounds.at, known_at=grounds.known_at
        )
    except UnloadedStateError:
        return None
