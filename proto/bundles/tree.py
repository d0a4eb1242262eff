"""Whether the entries of a bundle lie in the trees that their logs signed, chained and in the order of time. Pure.

What they say is `proto.bundles.check`'s.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from proto.bundles.bundle import Bundle, BundledEntry
from proto.ids import LeafIndex, Origin
from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, parse_checkpoint
from proto.log.merkle import ProofProblem, check_inclusion, leaf_hash
from proto.log.note import parse_note
from proto.log.policy import NO_QUORUM, Policy, open_under_policy
from proto.problem import Problem
from proto.wire.verifier import CheckName


class BundleFault(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong in a bundle: which check it fails, a stable code, words, and the entry where it is one.

    `log` names the log of that entry where it is an earlier one than the checkpoint's. `is_unknown`: what is at hand
    (this version of the software, this policy) cannot judge it, which makes it neither good nor bad.
    """

    check: CheckName
    code: str
    detail: str
    index: LeafIndex | None = None
    log: Origin | None = None
    is_unknown: bool = False


class LogShare(msgspec.Struct, frozen=True, kw_only=True):
    """One log's share of a bundle; `checkpoint` is what its note says, None where it cannot be read."""

    entries: tuple[BundledEntry, ...]
    latest: BundledEntry | None
    checkpoint: Checkpoint | None
    is_earlier: bool

    @property
    def all_entries(self) -> tuple[BundledEntry, ...]:
        """The entries, and the latest one of the tree where it is given."""
        return (*self.entries, self.latest) if self.latest else self.entries


def parts_of(
    bundle: Bundle, policy: Policy, faults: list[BundleFault]
) -> tuple[list[LogShare], OpenedCheckpoint | None]:
    """Return what there is of each log, oldest first, and the verified checkpoint of the last one."""
    parts = []
    for part in bundle.earlier:
        checkpoint = _earlier_checkpoint(part.checkpoint.encode(), policy, faults)
        parts.append(LogShare(entries=part.entries, latest=None, checkpoint=checkpoint, is_earlier=True))
    opened, checkpoint = _open_checkpoint(bundle, policy, faults)
    latest = bundle.latest or None
    return [*parts, LogShare(entries=bundle.entries, latest=latest, checkpoint=checkpoint, is_earlier=False)], opened


def _earlier_checkpoint(note: bytes, policy: Policy, faults: list[BundleFault]) -> Checkpoint | None:
    """Return what an earlier log's checkpoint says. No quorum is asked for: the next log's opening names the tree."""
    try:
        checkpoint = parse_checkpoint(parse_note(note).text)
    except Problem as problem:
        detail = f"The last checkpoint of an earlier log cannot be read: {problem.detail}"
        faults.append(BundleFault(check="inclusion", code=problem.slug, detail=detail))
        return None
    if not any(log.key.name == checkpoint.origin for log in policy.logs):
        detail = (
            f"The log continues {checkpoint.origin}, of which the policy has no key: add the line `log VKEY` with the "
            "verifier key that was published for it"
        )
        faults.append(
            BundleFault(
                check="inclusion", code="earlier-log-unknown", detail=detail, log=checkpoint.origin, is_unknown=True
            )
        )
        return checkpoint
    try:
        open_under_policy(note, replace(policy, quorum=NO_QUORUM))
    except Problem as problem:
        detail = f"The last checkpoint of {checkpoint.origin} cannot be trusted: {problem.detail}"
        faults.append(BundleFault(check="inclusion", code=problem.slug, detail=detail, log=checkpoint.origin))
    return checkpoint


def _open_checkpoint(
    bundle: Bundle, policy: Policy, faults: list[BundleFault]
) -> tuple[OpenedCheckpoint | None, Checkpoint | None]:
    """Return the verified checkpoint, and what it says even where nobody may be believed to have said it."""
    note = bundle.checkpoint.encode()
    try:
        opened = open_under_policy(note, policy)
    except Problem as problem:
        detail = f"The checkpoint cannot be trusted: {problem.detail}"
        faults.append(BundleFault(check="inclusion", code=problem.slug, detail=detail))
    else:
        return opened, opened.checkpoint
    try:
        return None, parse_checkpoint(parse_note(note).text)
    except Problem:
        return None, None


def of_part(part: LogShare, faults: Iterator[BundleFault]) -> Iterator[BundleFault]:
    """Say of which log the faults are, where it is an earlier one."""
    origin = part.checkpoint.origin if part.checkpoint else None
    for fault in faults:
        is_said = not part.is_earlier or origin is None
        yield fault if is_said else replace(fault, log=origin, detail=f"{fault.detail} (on {origin})")


def _inclusion_faults(part: LogShare) -> Iterator[BundleFault]:
    checkpoint = part.checkpoint
    if checkpoint is None:
        return
    for item in part.all_entries:
        try:
            check_inclusion(item.index, checkpoint.size, leaf_hash(item.data), item.hashes, checkpoint.root_hash)
        except ProofProblem as problem:
            yield BundleFault(check="inclusion", code="not-included", detail=problem.detail, index=item.index)
    if part.latest and part.latest.index + 1 != checkpoint.size:
        detail = f"Entry {part.latest.index} is not the latest of the {checkpoint.size} entries"
        yield BundleFault(check="inclusion", code="not-latest", detail=detail, index=part.latest.index)


def _chain_faults(part: LogShare) -> Iterator[BundleFault]:
    for earlier, later in pairwise(part.all_entries):
        if later.entry.received_at < earlier.entry.received_at:
            detail = f"Entry {later.index} was received before entry {earlier.index}: time goes back"
            yield BundleFault(check="inclusion", code="order", detail=detail, index=later.index)
        is_next = later.index == earlier.index + 1
        if is_next and later.entry.previous != leaf_hash(earlier.data).hex():
            detail = f"Entry {later.index} does not name entry {earlier.index} as the one before it"
            yield BundleFault(check="inclusion", code="chain", detail=detail, index=later.index)


def _order_faults(parts: Sequence[LogShare]) -> Iterator[BundleFault]:
    for earlier, later in pairwise(parts):
        last, first = earlier.all_entries[-1].entry, later.all_entries[0].entry
        if first.received_at < last.received_at:
            detail = f"Entry {first.index} was received before the log that it continues ended: time goes back"
            yield BundleFault(check="inclusion", code="order", detail=detail, index=first.index)


def tree_faults(parts: Sequence[LogShare]) -> Iterator[BundleFault]:
    """Yield what is wrong: entries under another root, out of their chain, or received before what they follow."""
    for part in parts:
        yield from of_part(part, _inclusion_faults(part))
        yield from of_part(part, _chain_faults(part))
    yield from _order_faults(parts)
