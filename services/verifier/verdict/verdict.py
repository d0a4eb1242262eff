"""The verdict: what nine checks find about a credential, and what follows from them (DESIGN 4). Pure; never fails open.

Takes everything it rests on as arguments. `valid` is said only if every applicable check is `valid` and none of those
that must apply is missing.
"""

from collections.abc import Iterable

import msgspec

from proto.ids import Origin
from proto.lifecycle import Effective, Life, UnloadedStateError, effective
from proto.wire.verifier import AsOf, CheckName, IssuerFacts, Question, StackNode, Verdict
from services.follow.interface import Health, Position
from services.verifier.verdict import facts
from services.verifier.verdict.checks import nine_checks
from services.verifier.verdict.findings import CheckFinding, Judgement
from services.verifier.verdict.grounds import Grounds
from services.verifier.verdict.staleness import as_far_as_known

MUST_APPLY: frozenset[CheckName] = frozenset({"signature", "inclusion", "issuer", "status", "period", "freshness"})


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
    return _with_facts(judgement, grounds, life, found)


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


def _with_facts(judgement: Judgement, grounds: Grounds, life: Life | None, found: Effective | None) -> Judgement:
    """Add what the log says, as far as the records are complete."""
    book, credential, known_at = grounds.book, grounds.credential, grounds.known_at
    if credential is None or life is None or found is None:
        return msgspec.structs.replace(judgement, issuer=_claimed_issuer(grounds))
    return msgspec.structs.replace(
        judgement,
        credential=facts.credential_facts(credential, life, grounds.written_days(life)),
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
