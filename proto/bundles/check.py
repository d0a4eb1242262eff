"""What a bundle proves: every step recomputed from its bytes, every fault named. Pure; knows no clock.

The few entries are replayed into a book by the very rules by which the log admitted them (`proto.lifecycle`), as far as
those can be judged without the rest of the log. A bundle over several logs is gone through log by log, oldest first:
the opening of each names the tree that the one before ended with, and that tree is what the entries there are under.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proto import events
from proto.bundles import scope
from proto.bundles.bundle import Bundle, BundledEntry
from proto.bundles.concerned import concerned
from proto.bundles.tree import BundleFault, LogShare, of_part, parts_of, tree_faults
from proto.documents.agreement import differences
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import claims
from proto.envelope import Opened, open_envelope
from proto.events import UnknownEventTypeProblem
from proto.ids import CredentialId, LeafIndex, Origin, TreeSize
from proto.keys import decode_public_key, is_signature
from proto.lifecycle import (
    Book,
    Credential,
    Effective,
    Life,
    Needs,
    Refusal,
    Stamp,
    UnknownRulesProblem,
    decide,
    effective,
    evolve,
    life_of,
    needs,
    signing_key,
)
from proto.log.checkpoint import OpenedCheckpoint
from proto.log.entry import first_previous
from proto.log.pin import is_pinned, unmet
from proto.log.policy import Policy
from proto.moment import SECONDS_MAX, Moment, from_ms
from proto.problem import Problem
from proto.wire.verifier import Verdict

_ROUNDS_MAX = 8
_SECOND_MS = 1000


class ProvenBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle shows: the verified checkpoint (None if it is not trusted), the replayed states, every fault.

    `time` is that of the newest thing that was said of the credential itself, which the log would not have admitted had
    it been revoked by then. Whatever else was said before the checkpoint may have been left out of the bundle, so the
    time of that (`checkpoint_time`: the newest by which the witness quorum had cosigned, or, without a quorum, when the
    log says that it received the latest of the entries) says nothing of the credential. `is_pinned` says that the log's
    beginning was held against a pin of the policy.
    """

    bundle: Bundle
    opened: OpenedCheckpoint | None
    book: Book
    faults: tuple[BundleFault, ...]
    time: Moment | None
    checkpoint_time: Moment | None
    is_time_witnessed: bool
    is_pinned: bool

    @property
    def credential(self) -> Credential | None:
        """What the entries say of the credential, or None where none of them holds up as its issue."""
        return self.book.credentials.get(self.bundle.credential_id)

    @property
    def life(self) -> Life | None:
        """The issue that counts."""
        return life_of(self.book, self.credential) if self.credential else None

    def state(self, at: Moment) -> Effective | None:
        """Return the credential's state at a moment, by what is in the bundle: nothing is known of what came later."""
        return effective(self.book, self.credential, at=at) if self.credential else None

    def verdict(self, at: Moment) -> Verdict:
        """Return `invalid` where something is wrong or was said against the credential, else `indeterminate`.

        Never more: nobody offline can know what came after `time`. Faults that this software cannot judge leave it
        undecided.
        """
        found = self.state(at)
        is_wrong = any(not fault.is_unknown for fault in self.faults)
        if self.opened is None or is_wrong or (found is not None and found.state != "active"):
            return "invalid"
        return "indeterminate"


class FaultyBundleProblem(Problem):
    """A bundle that does not prove what it should; `members` carries every fault."""

    slug = "bundle-faulty"
    title = "The bundle does not prove what it should"
    status = 422


def require_faultless(proven: ProvenBundle) -> None:
    """Raise `FaultyBundleProblem` if anything in the bundle is wrong or cannot be judged."""
    if proven.faults:
        listed = [msgspec.to_builtins(fault) for fault in proven.faults]
        raise FaultyBundleProblem(proven.faults[0].detail, members={"faults": listed})


def check_bundle(bundle: Bundle, policy: Policy, *, document: Mapping[str, Any] | None = None) -> ProvenBundle:
    """Recompute all that a bundle claims, under the caller's policy; never raises, every fault is in the answer.

    With a document (decoded JSON), also that it is the one that the credential's issue is about.
    """
    faults: list[BundleFault] = []
    # (1) The checkpoints: a log of the policy signed each, and its quorum of witnesses cosigned the current one.
    parts, opened = parts_of(bundle, policy, faults)
    # (2) Every entry is under its checkpoint; what lies side by side is chained, and time never goes back.
    faults += tree_faults(parts)
    # (3) Forms, signatures and rules, replayed in the order of the logs, each of which begins where the last one ended.
    book, openings = Book(), list[Stamp | None]()
    about = concerned(bundle.credential_id, bundle.all_entries)
    for number, part in enumerate(parts):
        stamp = _replay_part(book, part, about, faults)
        openings.append(stamp)
        if number and stamp is not None:
            faults += _succession_faults(book, parts[number - 1])
    faults += _pin_faults(book, policy, openings)
    # (4) The credential is there, and nothing that does not belong to it.
    faults += _scope_faults(book, bundle.credential_id, parts, openings, is_unknown=any(f.is_unknown for f in faults))
    # (5) The document makes the credential's id, and says what its issue says.
    if document is not None:
        faults += _document_faults(book, bundle, document)
    checkpoint_time, is_witnessed = _checkpoint_time(bundle, opened, policy)
    return ProvenBundle(
        bundle=bundle,
        opened=opened,
        book=book,
        faults=tuple(faults),
        time=_time(book, bundle.credential_id, checkpoint_time),
        checkpoint_time=checkpoint_time,
        is_time_witnessed=is_witnessed,
        is_pinned=bool(policy.pins),
    )


def _pin_faults(book: Book, policy: Policy, openings: Sequence[Stamp | None]) -> Iterator[BundleFault]:
    """Where the policy has pins, the log, or one that it continues, begins as one of them says."""
    last = openings[-1]
    if not policy.pins or book.log is None or last is None:
        return  # without an opening that holds up there is a fault already
    if not is_pinned(policy.pins, book.log.registrar, (stamp.event_id for stamp in openings if stamp)):
        detail = unmet(policy.pins, book.log.registrar, f"the event {last.event_id}")
        yield BundleFault(check="issuer", code="registrar-not-pinned", detail=detail, index=LeafIndex(0))


def _replay_part(book: Book, part: LogShare, about: frozenset[CredentialId], faults: list[BundleFault]) -> Stamp | None:
    """Replay one log's entries for the credentials in `about`; return the stamp of its opening where that holds up."""
    opening = None
    origin = part.checkpoint.origin if part.checkpoint else None
    for item in part.entries:
        stamp = None
        found = _replay(book, item, origin, about)
        if isinstance(found, BundleFault):
            faults += of_part(part, iter((found,)))
        else:
            stamp = found
        if item.index == 0:
            opening = stamp
    return opening


def _succession_faults(book: Book, earlier: LogShare) -> Iterator[BundleFault]:
    """The opening that was replayed last names the tree that the log before ended with."""
    named, ended = book.opened_log().predecessor, earlier.checkpoint
    if named is None or ended is None:
        return  # a log without a predecessor opens nothing after another; an unreadable checkpoint is a fault already
    if (named.origin, named.size, named.root_hash) != (ended.origin, ended.size, ended.root_hash.hex()):
        detail = (
            f"The log continues {named.origin} after {named.size} entries with the root {named.root_hash}; the "
            f"checkpoint is of {ended.origin}, {ended.size} entries and the root {ended.root_hash.hex()}"
        )
        yield BundleFault(check="inclusion", code="other-predecessor", detail=detail, index=LeafIndex(0))


def _replay(
    book: Book, item: BundledEntry, origin: Origin | None, about: frozenset[CredentialId]
) -> Stamp | BundleFault:
    """Open, verify, decide and evolve one entry, and return its stamp; what is wrong with it is not evolved."""
    index, entry = item.index, item.entry
    try:
        opened = open_envelope(entry.envelope)
    except UnknownEventTypeProblem as problem:
        return BundleFault(check="issuer", code=problem.slug, detail=problem.detail, index=index, is_unknown=True)
    except Problem as problem:
        return BundleFault(check="signature", code=problem.slug, detail=f"Entry {index}: {problem.detail}", index=index)
    fault = _opening_fault(item, opened, origin) or _signature_fault(book, item, opened)
    if fault is not None:
        return fault
    try:
        decide(book, opened, index=index, received_at=entry.received_at, about=about)
    except UnknownRulesProblem as problem:
        return BundleFault(check="issuer", code=problem.slug, detail=problem.detail, index=index, is_unknown=True)
    except Refusal as refusal:
        detail = f"Entry {index} breaks the rule {refusal.rule}: {refusal.detail}"
        return BundleFault(check="issuer", code=refusal.slug, detail=detail, index=index)
    return evolve(book, opened, index=index, received_at=entry.received_at, about=about)


def _opening_fault(item: BundledEntry, opened: Opened, origin: Origin | None) -> BundleFault | None:
    """The opening is entry 0 and no other, chained to the name of the log, and everything is meant for this log."""
    is_opening = isinstance(opened.event, events.LogOpened)
    is_right = is_opening == (item.index == 0) and (origin is None or opened.event.log == origin)
    if is_opening and is_right:
        is_right = item.entry.previous == first_previous(opened.event.log).hex()
    if is_right:
        return None
    detail = f"Entry {item.index} is not of this log: the log opens with entry 0, and every event is meant for it"
    return BundleFault(check="issuer", code="wrong-log", detail=detail, index=item.index)


def _signature_fault(book: Book, item: BundledEntry, opened: Opened) -> BundleFault | None:
    _close(book, opened)
    try:
        key = signing_key(book, opened, received_at=item.entry.received_at)
        is_good = is_signature(decode_public_key(key.public_key), opened.pae, opened.signature)
    except UnknownRulesProblem as problem:
        detail = f"Entry {item.index}: {problem.detail}"
        return BundleFault(check="issuer", code=problem.slug, detail=detail, index=item.index, is_unknown=True)
    except Problem as problem:
        detail = f"Entry {item.index} cannot have been signed by {opened.key_id}: {problem.detail}"
        return BundleFault(check="signature", code=problem.slug, detail=detail, index=item.index)
    if is_good:
        return None
    detail = f"The signature of entry {item.index} was not made by {opened.key_id} over these bytes"
    return BundleFault(check="signature", code="bad-signature", detail=detail, index=item.index)


def _close(book: Book, opened: Opened) -> None:
    """Mark as absent what a decision reads and the bundle does not hold: the bundle is all that is known here."""
    for _ in range(_ROUNDS_MAX):
        missing = needs(book, (opened,))
        if missing.is_empty:
            return
        _mark_absent(book, missing)
    raise AssertionError("what is marked absent names nothing further")


def _mark_absent(book: Book, missing: Needs) -> None:
    book.events.update(dict.fromkeys(missing.events))
    book.issuers.update(dict.fromkeys(missing.issuers))
    book.public_keys.update(dict.fromkeys(missing.public_keys))
    book.credentials.update(dict.fromkeys(missing.credentials))
    book.recognitions.update(dict.fromkeys(missing.recognitions))
    book.recognised.update(dict.fromkeys(missing.recognised))
    book.overlapping.update(dict.fromkeys(missing.prefixes))
    book.statements.update(dict.fromkeys(missing.statements))
    book.groups.update(dict.fromkeys(missing.groups))


def _scope_faults(
    book: Book,
    credential_id: CredentialId,
    parts: Sequence[LogShare],
    openings: Sequence[Stamp | None],
    *,
    is_unknown: bool,
) -> Iterator[BundleFault]:
    """The credential is there, and no entry that its bundle would not have; `openings` are those of the parts."""
    stamps = [stamp for stamp in openings if stamp is not None]
    if book.log is None or book.credentials.get(credential_id) is None or len(stamps) != len(parts):
        detail = f"No entry that holds up issued the credential {credential_id}"
        yield BundleFault(check="document", code="not-issued", detail=detail, is_unknown=is_unknown)
        return
    size = TreeSize(stamps[-1].index + parts[-1].entries[-1].index + 1)
    belonging = scope.entries_about(book, credential_id, size, openings=stamps)
    wanted = scope.by_log(belonging, [stamp.index for stamp in stamps])
    for part, indices in zip(parts, wanted, strict=True):
        yield from of_part(part, _strangers(part, set(indices)))


def _strangers(part: LogShare, belonging: set[LeafIndex]) -> Iterator[BundleFault]:
    for item in part.entries:
        if item.index not in belonging:
            detail = f"Entry {item.index} does not belong into a bundle about this credential"
            yield BundleFault(check="document", code="does-not-belong", detail=detail, index=item.index)


def _document_faults(book: Book, bundle: Bundle, document: Mapping[str, Any]) -> Iterator[BundleFault]:
    try:
        claimed = claims(document)
        credential_id = credential_id_of(document, claimed.issuer)
    except Problem as problem:
        yield BundleFault(check="document", code=problem.slug, detail=f"The document cannot be read: {problem.detail}")
        return
    if credential_id != bundle.credential_id:
        detail = (
            f"The document is the credential {credential_id}; the bundle is about {bundle.credential_id}: the document "
            "was altered, or the bundle belongs to another one"
        )
        yield BundleFault(check="document", code="other-document", detail=detail)
        return
    credential = book.credentials.get(credential_id)
    life = life_of(book, credential) if credential else None
    if life is not None and (fields := differences(claimed, life)):
        detail = f"The document and the institution's own entry disagree about: {', '.join(fields)}"
        yield BundleFault(check="document", code="document-differs", detail=detail)


def _time(book: Book, credential_id: CredentialId, checkpoint_time: Moment | None) -> Moment | None:
    credential = book.credentials.get(credential_id)
    if credential is None or checkpoint_time is None:
        return None
    said = [stamp.received_at for life in credential.lives for stamp in (life.stamp, *(c.stamp for c in life.changes))]
    return min(max(said), checkpoint_time)


def _checkpoint_time(bundle: Bundle, opened: OpenedCheckpoint | None, policy: Policy) -> tuple[Moment | None, bool]:
    if opened is None:
        return None, False
    seconds = policy.quorum_at(opened.cosigned_at, latest=SECONDS_MAX)
    if seconds is not None:
        return from_ms(seconds * _SECOND_MS), True
    return bundle.all_entries[-1].entry.received_at, False
