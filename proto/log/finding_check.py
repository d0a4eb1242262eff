"""Checks evidence against a log from its file and the log's key alone. Pure; believes nothing that the file says.

What comes out has three grades. *Proven*: the log itself signed what contradicts. *Signed*: the log signed the entry,
and whether it breaks the rule is judged with the entries before it, which everybody can read; or witnesses contradict
its time whom only the file names, or who had merely not been shown it. *Unproven*: neither.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from proto import envelope as envelopes
from proto.base64_strict import decode_base64
from proto.events import UnknownEventTypeProblem
from proto.ids import Origin
from proto.keys import is_signature
from proto.log import entry as entries
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.entry import Entry
from proto.log.finding import Finding, ProvenEntry
from proto.log.merkle import HASH_BYTES, Hash, ProofProblem, check_consistency, check_inclusion, leaf_hash
from proto.log.note_key import VerifierKey, parse_vkey
from proto.log.policy import NO_QUORUM, Policy
from proto.log.receipt import parse_receipt
from proto.moment import SECONDS_MAX, from_ms, to_ms
from proto.problem import InvalidProblem, Problem

Grade = Literal["proven", "signed", "unproven"]
_FORK_CHECKPOINTS, _KEY_BYTES, _SECOND_MS = 2, 32, 1000
_WITNESSED_SECONDS_MIN = 3_600
"""How far an entry's time must lie from a cosignature's to contradict it, whatever clocks drift."""
_WHOSE_WORD = (
    "Only the file names those witnesses, and anybody can cosign a checkpoint with a key of his own: check again with "
    "a policy that names witnesses whom you know"
)
_UNSEEN = (
    "A witness says what it was shown, not what the log held: one that could not publish for so long looks the same. "
    "Ask the log's operator, and those who followed it then"
)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What evidence is worth, the steps that led there in words, and what remains to be done by whoever doubts."""

    grade: Grade
    steps: tuple[str, ...]
    remains: str = ""


class _UnshownProblem(InvalidProblem):
    """The file does not show what it says."""

    slug = "evidence"
    title = "The evidence does not hold"


class _Misdated(msgspec.Struct, frozen=True):
    """How an entry's time contradicts what witnesses saw: they had seen it before, or not seen it after."""

    words: str
    is_back: bool


def check_finding(finding: Finding, *, key: VerifierKey | None = None, policy: Policy | None = None) -> Checked:
    """Return what a finding is worth; `key` is the log's by whoever checks, and must be the one in the file.

    Whose times are believed, `policy` says: without it whoever wants to slander a log cosigns its checkpoints himself.
    """
    steps: list[str] = []
    try:
        own = parse_vkey(finding.verifier_key)
        if key is not None and key != own:
            raise _UnshownProblem("The evidence is about a log of another key than the one given")
        if own.name != finding.origin:
            raise _UnshownProblem("The key in the file is not of the log that the file names")
        return _checked(finding, own, policy, steps)
    except Problem as problem:
        return Checked(grade="unproven", steps=tuple(steps), remains=problem.detail)


def _checked(finding: Finding, key: VerifierKey, policy: Policy | None, steps: list[str]) -> Checked:
    witnesses = policy.witness_keys if policy else tuple(parse_vkey(text) for text in finding.witnesses)
    notes = finding.checkpoints[1:] if finding.kind == "succession" else finding.checkpoints
    opened = [open_checkpoint(text.encode(), key, witnesses) for text in notes]
    if opened:
        sizes = " and ".join(str(each.checkpoint.size) for each in opened)
        steps.append(f"{key.name} signed the checkpoint{'s' if len(opened) > 1 else ''} of {sizes} entries")
    if finding.kind == "fork":
        return _fork(finding, opened, steps)
    if finding.entry is None and finding.proven is None:
        raise _UnshownProblem("It is what the log served to whoever found it; nobody else can see that from a file")
    if not opened:
        raise _UnshownProblem("The file holds no checkpoint that the log signed")
    data = _entry(finding, opened[-1], key, steps)
    return _judged(finding, data, opened, policy, steps)


def _fork(finding: Finding, opened: Sequence[OpenedCheckpoint], steps: list[str]) -> Checked:
    if len(opened) != _FORK_CHECKPOINTS:
        raise _UnshownProblem("A fork is shown by two checkpoints")
    smaller, larger = sorted((each.checkpoint for each in opened), key=lambda found: found.size)
    if smaller.size == larger.size:
        if smaller.root_hash == larger.root_hash:
            raise _UnshownProblem("The two checkpoints are of one tree")
        steps.append(f"The two trees of {smaller.size} entries have different roots")
        return Checked(grade="proven", steps=tuple(steps))
    if not finding.proof:
        raise _UnshownProblem(
            "The checkpoints are of different sizes, and nothing shows that the larger did not grow from the smaller: "
            "compare with the log's own proof"
        )
    root, *proof = (Hash(decode_base64(text, length=HASH_BYTES)) for text in finding.proof)
    check_consistency(smaller.size, larger.size, root, larger.root_hash, proof)
    steps.append(
        f"The tree of {larger.size} entries grew from one of {smaller.size} entries with the root {root.hex()}"
    )
    if root == smaller.root_hash:
        raise _UnshownProblem("That is the root of the smaller checkpoint: the log only grew")
    steps.append(f"The log signed another root for {smaller.size} entries: {smaller.root_hash.hex()}")
    return Checked(grade="proven", steps=tuple(steps))


def _entry(finding: Finding, newest: OpenedCheckpoint, key: VerifierKey, steps: list[str]) -> bytes:
    """Return the accused entry once it is shown to be one that the log signed."""
    if finding.proven is not None:
        data = _proven(finding.proven, newest)
        if finding.index != finding.proven.index or (finding.entry and decode_base64(finding.entry) != data):
            raise _UnshownProblem("The proof is of another entry than the accused")
    elif finding.receipt is not None and finding.entry is not None:
        receipt, data = parse_receipt(finding.receipt.encode()), decode_base64(finding.entry)
        signed = open_checkpoint(receipt.note.encode(), key).checkpoint
        check_inclusion(receipt.index, signed.size, leaf_hash(data), receipt.proof, signed.root_hash)
        if receipt.index != finding.index:
            raise _UnshownProblem("The receipt is of another entry than the accused")
    else:
        raise _UnshownProblem("Nothing in the file shows that the log signed this entry")
    steps.append(f"Entry {finding.index} is under the checkpoint of {newest.checkpoint.size} entries")
    return data


def _proven(proven: ProvenEntry, newest: OpenedCheckpoint) -> bytes:
    data, root = decode_base64(proven.entry), Hash(decode_base64(proven.root, length=HASH_BYTES))
    inclusion = [Hash(decode_base64(text, length=HASH_BYTES)) for text in proven.inclusion]
    consistency = [Hash(decode_base64(text, length=HASH_BYTES)) for text in proven.consistency]
    check_inclusion(proven.index, proven.size, leaf_hash(data), inclusion, root)
    signed = newest.checkpoint
    if proven.size == signed.size:
        if root != signed.root_hash:
            raise ProofProblem("The entry's tree is not the one that the log signed")
        return data
    check_consistency(proven.size, signed.size, root, signed.root_hash, consistency)
    return data


def _judged(
    finding: Finding, data: bytes, opened: Sequence[OpenedCheckpoint], policy: Policy | None, steps: list[str]
) -> Checked:
    """Judge what can be judged of a signed entry by itself, or with the one before it."""
    try:
        entry = entries.decode(data)
        sealed = envelopes.open_envelope(entry.envelope)
    except UnknownEventTypeProblem:
        return _signed(steps, "It is of an event type that this version does not know: check with a newer one")
    except Problem as problem:
        steps.append(f"It is no entry of a log: {problem.detail}")
        return Checked(grade="proven", steps=tuple(steps))
    wrong = _misplaced(finding, entry)
    if wrong is None and (dated := _misdated(finding, entry, opened, policy)) is not None:
        steps.append(dated.words)
        remains = _UNSEEN if dated.is_back else "" if policy else _WHOSE_WORD
        return Checked(grade="signed" if remains else "proven", steps=tuple(steps), remains=remains)
    if wrong is None and finding.kind == "signature" and finding.public_key is not None:
        public_key = decode_base64(finding.public_key, length=_KEY_BYTES)
        if not is_signature(public_key, sealed.pae, sealed.signature):
            steps.append(f"Its signature does not verify under the key in the file, said to be {sealed.key_id}")
            return _signed(steps, "That this is the key of that name stands in an earlier entry: look it up on the log")
    if wrong is not None:
        steps.append(wrong)
        return Checked(grade="proven", steps=tuple(steps))
    return _signed(
        steps,
        f"Whether it breaks a rule ({finding.detail}) follows from the entries before it: read them with "
        "`credentify audit`, which stops at this entry if it does",
    )


def _signed(steps: list[str], remains: str) -> Checked:
    return Checked(grade="signed", steps=tuple(steps), remains=remains)


def _misplaced(finding: Finding, entry: Entry) -> str | None:
    """Return how an entry contradicts its place, or the entry before it, if that is shown too."""
    if entry.index != finding.index:
        return f"It says of itself that it is entry {entry.index}"
    if entry.index == 0:
        first = entries.first_previous(Origin(finding.origin)).hex()
        return None if entry.previous == first else "It does not begin this log's chain"
    before = finding.previous
    if before is None or before.index != entry.index - 1:
        return None
    data = _proven(before, open_checkpoint(finding.checkpoints[-1].encode(), parse_vkey(finding.verifier_key)))
    if entry.previous != leaf_hash(data).hex():
        return f"It names another entry before it than entry {before.index}, which is under the same checkpoint"
    earlier = entries.decode(data)
    if entry.received_at < earlier.received_at:
        return f"It was received at {entry.received_at}, before the entry before it ({earlier.received_at})"
    return None


def _misdated(
    finding: Finding, entry: Entry, opened: Sequence[OpenedCheckpoint], policy: Policy | None
) -> _Misdated | None:
    """Return how an entry's time contradicts what witnesses had seen and dated, all that cosigned the checkpoint.

    Where there is a policy, those of it, and only where they are its quorum.
    """
    received_ms = to_ms(entry.received_at)
    for each in opened:
        times = {witness.name: seconds for witness, seconds in each.cosigned_at.items()}
        is_quorum = policy is None or (policy.quorum != NO_QUORUM and policy.is_quorum(each.cosigned_at))
        if not times or finding.kind != "time" or not is_quorum:
            continue
        size, names = each.checkpoint.size, ", ".join(sorted(times))
        earliest, latest = min(times.values()), min(max(times.values()), SECONDS_MAX)
        if entry.index < size and received_ms > (latest + _WITNESSED_SECONDS_MIN) * _SECOND_MS:
            seen_at = from_ms(latest * _SECOND_MS)
            return _Misdated(f"It is dated {entry.received_at}; {names} had seen it by {seen_at}", is_back=False)
        if entry.index >= size and received_ms < (earliest - _WITNESSED_SECONDS_MIN) * _SECOND_MS:
            seen_at = from_ms(min(earliest, SECONDS_MAX) * _SECOND_MS)
            return _Misdated(
                f"It is dated {entry.received_at}; {names} saw the log without it at {seen_at}", is_back=True
            )
    return None
