"""The verdict: what nine checks find about a credential, and what follows from them (DESIGN 4). Pure; never fails open.

Takes everything it rests on as arguments. `valid` is said only if every applicable check is `valid` and none of those
that must apply is missing.
"""

from collections.abc import Iterable

import msgspec

from proto.documents.agreement import differences
from proto.documents.open_badge_claims import DocumentClaims
from proto.ids import CredentialId, Origin
from proto.lifecycle import Effective, Life, UnloadedStateError, effective, profile
from proto.lifecycle import standing as standing_of
from proto.wire.verifier import AsOf, CheckName, IssuerFacts, Question, StackNode, Verdict
from services.follow.interface import Health, Position
from services.verifier.verdict import facts, statement_facts
from services.verifier.verdict.findings import CheckFinding, Judgement, finding
from services.verifier.verdict.grounds import Document, Grounds
from services.verifier.verdict.quality import day_of
from services.verifier.verdict.staleness import as_far_as_known

MUST_APPLY: frozenset[CheckName] = frozenset({"signature", "inclusion", "issuer", "status", "period", "freshness"})
_GONE = ("void", "revoked", "suspended")


def evaluate(grounds: Grounds) -> Judgement:
    """Return the judgement; raises nothing for any grounds."""
    # (1) Is all there that the state rests on? What is missing makes a check unknown, never good or bad.
    life = grounds.life
    found = _effective(grounds) if life else None
    # (2) The nine checks, each by itself.
    by_records = nine_checks(grounds, life, found)
    is_fresh = by_records[-1].result == "valid"
    checks = tuple(as_far_as_known(item, grounds.health, is_fresh=is_fresh) for item in by_records)
    # (3) The verdict, and what the log says, so that a reader can judge too.
    judgement = Judgement(
        verdict=verdict(checks),
        checks=checks,
        question=Question(at=grounds.at, known_at=grounds.known_at),
        as_of=as_of(grounds.origin, grounds.position, grounds.health),
    )
    return _with_facts(judgement, grounds, life, found, is_fresh=is_fresh)


def verdict(checks: Iterable[CheckFinding]) -> Verdict:
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


def _effective(grounds: Grounds) -> Effective | None:
    assert grounds.credential is not None, "there is no life without a credential"
    try:
        return effective(grounds.book, grounds.credential, at=grounds.at, known_at=grounds.known_at)
    except UnloadedStateError:
        return None


def _with_facts(
    judgement: Judgement, grounds: Grounds, life: Life | None, found: Effective | None, *, is_fresh: bool
) -> Judgement:
    """Add what the log says, as far as the records are complete; no state is good by what they may lack."""
    book, credential, known_at = grounds.book, grounds.credential, grounds.known_at
    if credential is None or life is None or found is None:
        return msgspec.structs.replace(judgement, issuer=_claimed_issuer(grounds, is_fresh=is_fresh))
    is_certain = is_fresh and grounds.at <= grounds.now
    return msgspec.structs.replace(
        judgement,
        credential=facts.credential_facts(credential, life, grounds.written_days(life)),
        status=facts.status_facts(book, credential, found, known_at, is_certain=is_certain),
        issuer=grounds.quality.issuer(
            facts.issuer_facts(book, life.issuer, life=life, known_at=known_at, is_certain=is_fresh),
            today=day_of(grounds.now),
        ),
        stack=_stack(grounds, life, is_certain=is_certain),
        recognitions=facts.recognition_facts(book, grounds.recognitions, known_at, is_certain=is_fresh),
        endorsements=statement_facts.endorsement_facts(book, grounds.statements, known_at, is_certain=is_fresh),
        standing_decisions=statement_facts.decision_facts(
            book, grounds.statements, life, at=grounds.at, known_at=known_at, is_certain=is_certain
        ),
    )


def _claimed_issuer(grounds: Grounds, *, is_fresh: bool) -> IssuerFacts | None:
    """Return what the register says of the institution that a document names, where the document is not on record."""
    claims = grounds.document.claims if grounds.document else None
    if claims is None or grounds.book.issuers.get(claims.issuer) is None:
        return None
    found = facts.issuer_facts(grounds.book, claims.issuer, known_at=grounds.known_at, is_certain=is_fresh)
    return grounds.quality.issuer(found, today=day_of(grounds.now))


def _stack(grounds: Grounds, life: Life, *, is_certain: bool) -> StackNode | None:
    if not life.components or grounds.credential is None:
        return None
    try:
        return facts.stack_tree(
            grounds.book,
            grounds.credential.credential_id,
            at=grounds.at,
            known_at=grounds.known_at,
            is_certain=is_certain,
            titles=grounds.titles,
        )
    except UnloadedStateError:
        return None


# The checks, in the order of DESIGN 4. One that cannot be made for want of something is `unknown`.


def nine_checks(grounds: Grounds, life: Life | None, found: Effective | None) -> tuple[CheckFinding, ...]:
    """Return what each check finds; `life` is the issue that is asked about, `found` its state at the asked moment."""
    return (
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


def _document(grounds: Grounds, life: Life | None) -> CheckFinding:
    document = grounds.document
    if document is None:
        return finding("document", "not_applicable", "no-document")
    if document.claims is None or grounds.foreign is not None:
        return _document_of_nobody(grounds, document)
    if grounds.credential is None:
        return _document_not_found(grounds, document.claims)
    if life is None:
        is_later = not grounds.is_issued
        return finding(
            "document",
            "invalid" if is_later else "unknown",
            "document-not-yet-on-log" if is_later else "document-not-found",
        )
    fields = tuple(differences(document.claims, life))
    if fields:
        return finding("document", "invalid", "document-differs", fields=fields)
    return finding("document", "valid", "document-matches")


_WITH_FAULT = frozenset({"document-malformed", "document-names-no-issuer"})


def _document_of_nobody(grounds: Grounds, document: Document) -> CheckFinding:
    if grounds.foreign is not None:
        return finding("document", "unknown", "document-issuer-unknown")
    if document.other is not None:
        values = {"fault": document.fault} if document.other in _WITH_FAULT else {}
        return finding("document", "unknown", document.other, **values)
    return finding("document", "invalid", "document-unreadable", fault=document.fault)


def _proof(grounds: Grounds) -> CheckFinding:
    foreign = grounds.foreign
    if foreign is not None:
        return foreign.proof
    return grounds.document.proof if grounds.document else finding("proof", "not_applicable", "no-document")


def _document_not_found(grounds: Grounds, claims: DocumentClaims) -> CheckFinding:
    issuer = grounds.book.issuers.get(claims.issuer)
    if freshness(grounds.health).result != "valid":
        return finding("document", "unknown", "document-not-found")
    if issuer is None or profile(grounds.book, issuer) is None:
        return finding("document", "unknown", "document-issuer-unknown")
    return finding("document", "invalid", "document-not-on-log")


def _no_entry(grounds: Grounds, name: CheckName, code: str) -> CheckFinding:
    """Return the finding where there is no usable entry: nothing to check, or records that are incomplete."""
    if not grounds.is_issued:
        return finding(name, "not_applicable", "no-entry")
    return finding(name, "unknown", code)


def _signature(grounds: Grounds, life: Life | None) -> CheckFinding:
    if life is None:
        return _no_entry(grounds, "signature", "signature-key-missing")
    return finding("signature", "valid", "signature-verified")


def _inclusion(grounds: Grounds, life: Life | None) -> CheckFinding:
    if life is None:
        return _no_entry(grounds, "inclusion", "inclusion-unknown")
    if grounds.is_included is None or grounds.index_of(life.stamp) >= grounds.position.size:
        return finding("inclusion", "unknown", "inclusion-unknown")
    if not grounds.is_included:
        return finding("inclusion", "invalid", "inclusion-wrong")
    return finding("inclusion", "valid", "inclusion-proven")


def _issuer(grounds: Grounds, life: Life | None) -> CheckFinding:
    """Admitted and in scope when it issued; what the register says later is shown and undoes nothing."""
    book, known_at = grounds.book, grounds.known_at
    if life is None:
        return _no_entry(grounds, "issuer", "issuer-missing")
    issuer = book.issuer(life.issuer)
    if issuer is None:
        return finding("issuer", "unknown", "issuer-missing")
    then = profile(book, issuer, known_at=known_at, before=life.stamp.index)
    if then is None:
        return finding("issuer", "invalid", "issuer-not-admitted")
    scope = then.scope
    is_in_scope = (
        (scope.may_stack if life.components else scope.may_issue)
        and (life.eqf_level is None or scope.eqf_min <= life.eqf_level <= scope.eqf_max)
        and life.ects_hundredths <= scope.ects_hundredths_max
        and life.achievement.startswith(then.uri_prefixes)
    )
    if not is_in_scope:
        return finding("issuer", "invalid", "issuer-out-of-scope", issuer=then.legal_name)
    return finding("issuer", "valid", _issuer_code(grounds, life), issuer=then.legal_name)


def _issuer_code(grounds: Grounds, life: Life) -> str:
    issuer = grounds.book.issuer(life.issuer)
    assert issuer is not None, "the caller found it"
    if facts.is_key_from_registrar(grounds.book, life.stamp):
        return "issuer-key-by-registrar"
    last = standing_of(grounds.book, issuer, known_at=grounds.known_at)
    later = {"suspended": "issuer-since-suspended", "closed": "issuer-since-closed"}
    return later.get(last.kind, "issuer-in-scope") if last else "issuer-in-scope"


def _status(grounds: Grounds, life: Life | None, found: Effective | None) -> CheckFinding:
    """Void, revoked or suspended; period and components are checks of their own."""
    if (foreign := grounds.foreign) is not None:
        return foreign.status
    if life is None:
        return _no_entry(grounds, "status", "status-unknown")
    if found is None:
        return finding("status", "unknown", "status-unknown")
    if found.state in _GONE:
        return finding("status", "invalid", f"status-{found.state}", since=found.since, reason=found.reason or "")
    if grounds.at > grounds.now:
        return finding("status", "unknown", "status-open", at=grounds.at)
    return finding("status", "valid", "status-active")


def _period(grounds: Grounds, life: Life | None) -> CheckFinding:
    if (foreign := grounds.foreign) is not None:
        return foreign.period
    if life is None:
        return _no_entry(grounds, "period", "status-unknown")
    first, last = grounds.written_days(life)
    if grounds.at < life.valid_from:
        return finding("period", "invalid", "period-not-begun", since=first or life.valid_from)
    if life.valid_until is None:
        return finding("period", "valid", "period-open")
    if grounds.at >= life.valid_until:
        return finding("period", "invalid", "period-over", until=last or life.valid_until)
    return finding("period", "valid", "period-within", until=last or life.valid_until)


def _components(grounds: Grounds, life: Life | None, found: Effective | None) -> CheckFinding:
    if life is None:
        return _no_entry(grounds, "components", "components-unknown")
    if not life.components:
        return finding("components", "not_applicable", "components-none")
    try:
        is_all_there = all(grounds.book.credential(part) is not None for part in life.parts)
        nodes = [_part_state(grounds, part) for part in life.components] if is_all_there else []
    except UnloadedStateError:
        nodes = []
    if found is None or not nodes or None in nodes:
        return finding("components", "unknown", "components-unknown")
    fallen = sum(node is not None and node.state != "active" for node in nodes)
    if not fallen and grounds.at > grounds.now:
        return finding("components", "unknown", "components-open", at=grounds.at)
    if not fallen:
        return finding("components", "valid", "components-hold", count=len(nodes))
    remaining = min(life.ects_hundredths, sum(node.credits_remaining for node in nodes if node))
    return finding(
        "components",
        "invalid",
        "components-impaired",
        fallen=fallen,
        count=len(nodes),
        remaining=remaining,
        declared=life.ects_hundredths,
    )


def _part_state(grounds: Grounds, part: CredentialId) -> Effective | None:
    credential = grounds.book.credential(part)
    return effective(grounds.book, credential, at=grounds.at, known_at=grounds.known_at) if credential else None


def freshness(health: Health) -> CheckFinding:
    """Return whether the records are fresh enough to answer from; a log that is faulty or not understood is unknown."""
    if health.state == "faulty":
        return finding("freshness", "unknown", "log-faulty", fault=health.detail)
    if health.state == "unknown_rules":
        return finding("freshness", "unknown", "log-unknown-rules")
    if health.state == "clock_behind":
        return finding("freshness", "unknown", "clock-behind", fault=health.detail)
    if health.age_seconds is None:
        return finding("freshness", "unknown", "never-fresh")
    age = health.age_seconds
    if health.state != "healthy":
        return finding("freshness", "unknown", "stale", age=age)
    code = "fresh-witnessed" if health.time_source == "witnesses" else "fresh-log"
    return finding("freshness", "valid", code, age=age)
