"""A run of entries, judged: leaf hashes, form, chain, order, rules, signatures. Fetches and stores nothing.

`hash_chunk` comes first; what it returns is proven against a signed checkpoint before any of the rest, so that whatever
is found here was signed by the log itself.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from proto import events
from proto.envelope import Opened, open_envelope
from proto.events import UnknownEventTypeProblem
from proto.ids import LeafIndex, Origin
from proto.keys import PublicKey, decode_public_key, is_signature
from proto.lifecycle import (
    RULES_VERSIONS_KNOWN,
    Book,
    Refusal,
    Stamp,
    UnknownPredecessorProblem,
    UnknownRulesProblem,
    decide,
    evolve,
    signing_key,
)
from proto.log import entry as entries
from proto.log.entry import Entry
from proto.log.merkle import Frontier, Hash, leaf_hash
from proto.moment import Moment
from proto.problem import Problem
from services.follow.entry_proofs import ReadEntries
from services.follow.interface import (
    Applied,
    ClockBehindProblem,
    FaultKind,
    FaultyLogProblem,
    LogEvidence,
    Position,
)

Stop = FaultyLogProblem | UnknownRulesProblem | ClockBehindProblem


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An entry whose form, place and chain are right; rules and signature are still to be judged."""

    line: bytes
    leaf_hash: Hash
    entry: Entry
    opened: Opened


class SignatureCheck(msgspec.Struct, frozen=True):
    """A signature still to be checked: 32 bytes of key, the message, 64 bytes of signature."""

    public_key: bytes
    message: bytes
    signature: bytes


class ProvenChunk(msgspec.Struct, frozen=True, kw_only=True):
    """A run of entries that was proven to be on the log: what is well formed of it, and what stops there, if anything.

    `after` is the position behind the whole run, were it all admitted. Where `is_untimely`, the last candidate is the
    one that `stop` is about: judged like all, so that what else is wrong with it prevails, and not applied.
    """

    candidates: list[Candidate]
    stop: Stop | None
    read: ReadEntries
    is_untimely: bool = False
    now: Moment
    after: Position


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """How far the rules carried: one stamp and one signature check per admitted entry, and what stopped it, if any."""

    stamps: list[Stamp]
    checks: list[SignatureCheck]
    stop: Stop | None


def hash_chunk(tree: Frontier, lines: Sequence[bytes]) -> tuple[list[Hash], Frontier]:
    """Return the leaf hashes of these entries, and the tree after them."""
    leaves = [leaf_hash(line) for line in lines]
    return leaves, tree.extend(leaves)


def open_chunk(
    position: Position, origin: Origin, lines: Sequence[bytes], leaves: Sequence[Hash], *, now: Moment
) -> tuple[list[Candidate], Stop | None]:
    """Return the entries up to the first that is not well formed, in its place and chained, and what is wrong there."""
    previous = position.last_leaf_hash or entries.first_previous(origin)
    received_at = position.last_received_at
    found: list[Candidate] = []
    for offset, (line, leaf) in enumerate(zip(lines, leaves, strict=True)):
        index = LeafIndex(position.size + offset)
        try:
            entry = entries.decode(line)
            opened = open_envelope(entry.envelope)
        except UnknownEventTypeProblem as problem:
            return found, UnknownRulesProblem(f"Entry {index}: {problem.detail}. Use a newer version of this software")
        except Problem as problem:
            return found, _fault("entry", index, line, now, problem.detail)
        if index == 0 and (stop := _other_beginning(opened.event, position)) is not None:
            return found, stop
        fault = _misplaced(entry, index, previous, received_at)
        if fault is not None:
            kind, detail = fault
            return found, _fault(kind, index, line, now, detail)
        found.append(Candidate(line=line, leaf_hash=leaf, entry=entry, opened=opened))
        previous, received_at = leaf, entry.received_at
    return found, None


def _other_beginning(event: events.Event, position: Position) -> UnknownRulesProblem | None:
    """Return why nothing can be judged: the log continues another one than the projection began with."""
    named = event.predecessor or None if isinstance(event, events.LogOpened) else None
    if named == position.inherited:
        return None
    if named is None:
        return UnknownRulesProblem("The log continues no other, but this projection began with one: begin anew")
    return UnknownRulesProblem(
        f"The log continues {named.origin} from its {named.size} entries: this projection has to begin with that log. "
        "Name it among the predecessors, and begin with an empty projection"
    )


def _misplaced(
    entry: Entry, index: LeafIndex, previous: bytes, received_at: Moment | None
) -> tuple[FaultKind, str] | None:
    if entry.index != index:
        return "order", f"it says of itself that it is entry {entry.index}"
    if entry.previous != previous.hex():
        return "chain", f"it names {entry.previous} as the entry before it, which is {previous.hex()}"
    if received_at is not None and entry.received_at < received_at:
        return "order", f"it was received at {entry.received_at}, before the entry before it ({received_at})"
    return None


def judge(book: Book, origin: Origin, candidates: Sequence[Candidate], *, now: Moment) -> Verdicts:
    """Decide each entry in turn and evolve the book, up to the first that breaks a rule (DESIGN 3.6).

    The book must hold what `needs` asks for. Signatures are not checked here but returned, in the same order.
    """
    verdicts = Verdicts(stamps=[], checks=[], stop=None)
    for candidate in candidates:
        try:
            stamp, check = _judge_one(book, origin, candidate)
        except UnknownRulesProblem as problem:
            return msgspec.structs.replace(verdicts, stop=problem)
        except Refusal as refusal:
            fault = _fault("rule", candidate.entry.index, candidate.line, now, f"{refusal.rule}: {refusal.detail}")
            return msgspec.structs.replace(verdicts, stop=fault)
        verdicts.stamps.append(stamp)
        verdicts.checks.append(check)
    return verdicts


class _OpeningRefusal(Refusal):
    """The log does not begin as a log begins."""

    slug = "opening"
    rule = "general.opening"


def _judge_one(book: Book, origin: Origin, candidate: Candidate) -> tuple[Stamp, SignatureCheck]:
    entry, opened = candidate.entry, candidate.opened
    _check_rules_version(book, opened.event, entry.index)
    if (entry.index == 0) != isinstance(opened.event, events.LogOpened) or opened.event.log != origin:
        raise _OpeningRefusal(f"Entry 0, and no other, opens the log {origin}, and every event is meant for it")
    try:
        key = signing_key(book, opened, received_at=entry.received_at)
        decide(book, opened, index=entry.index, received_at=entry.received_at)
    except UnknownPredecessorProblem as problem:
        raise UnknownRulesProblem(f"{problem.detail}: this projection has to begin with that log") from problem
    stamp = evolve(book, opened, index=entry.index, received_at=entry.received_at)
    return stamp, SignatureCheck(_raw_key(key.public_key), opened.pae, opened.signature)


def _check_rules_version(book: Book, event: events.Event, index: LeafIndex) -> None:
    """Stop at rules that this version does not know, rather than judge by others."""
    version = book.log.rules_version_at(index) if book.log else None
    if isinstance(event, events.LogOpened):
        version = event.rules_version
    if version is not None and version not in RULES_VERSIONS_KNOWN:
        raise UnknownRulesProblem(
            f"From entry {index} on, the log is judged by rules version {version}; known here are "
            f"{sorted(RULES_VERSIONS_KNOWN)}. Use a newer version of this software"
        )


@lru_cache(maxsize=4096)
def _raw_key(public_key: PublicKey) -> bytes:
    return decode_public_key(public_key)


def first_bad(checks: Sequence[SignatureCheck]) -> int | None:
    """Return the place of the first signature that does not verify, or None; libsodium releases the GIL meanwhile."""
    for place, check in enumerate(checks):
        if not is_signature(check.public_key, check.message, check.signature):
            return place
    return None


def signature_fault(candidate: Candidate, *, now: Moment, public_key: bytes | None = None) -> FaultyLogProblem:
    """Return what is wrong with an entry whose signature does not verify under the 32 bytes of that key."""
    detail = f"the signature was not made by {candidate.opened.key_id} over these bytes"
    found = _fault("signature", candidate.entry.index, candidate.line, now, detail)
    return FaultyLogProblem(msgspec.structs.replace(found.evidence, public_key=public_key))


def signature_fault_of(
    candidates: Sequence[Candidate], verdicts: Verdicts, place: int, *, now: Moment
) -> FaultyLogProblem:
    """Return what is wrong with the entry at a place, whose signature does not verify under the key of its verdict."""
    return signature_fault(candidates[place], now=now, public_key=verdicts.checks[place].public_key)


def applied(candidates: Sequence[Candidate], stamps: Sequence[Stamp]) -> list[Applied]:
    """Return what a sink stores of the entries that were admitted."""
    return [
        Applied(
            index=candidate.entry.index,
            entry_bytes=candidate.line,
            leaf_hash=candidate.leaf_hash,
            opened=candidate.opened,
            stamp=stamp,
        )
        for candidate, stamp in zip(candidates, stamps, strict=False)  # stamps end where the rules stopped
    ]


def moved(position: Position, applied: Sequence[Applied]) -> Position:
    """Return the position after these entries, at least one; checkpoint and times stay, for the log may show more."""
    tree = position.tree().extend([item.leaf_hash for item in applied])
    return msgspec.structs.replace(
        position,
        size=tree.size,
        root_hash=tree.root(),
        frontier=tree.hashes,
        last_leaf_hash=applied[-1].leaf_hash,
        last_received_at=applied[-1].stamp.received_at,
    )


def _fault(kind: FaultKind, index: LeafIndex, line: bytes, now: Moment, detail: str) -> FaultyLogProblem:
    words = f"Entry {index} of the log is under a checkpoint that the log signed, and is wrong: {detail}"
    return FaultyLogProblem(
        LogEvidence(kind=kind, detail=words, found_at=now, is_conclusive=True, index=index, entry=line)
    )
