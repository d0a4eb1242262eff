"""Offline bundles: what shows, without asking anybody, that a credential is authentic. The form only, read strictly.

A bundle holds the entry that issued a credential and every entry that this one rests on: the log's opening, the
admission of the issuer, the addition of the keys, the parts of a stack; and what the log had said against any of it by
then. Each comes with its inclusion proof against one and the same signed checkpoint. Where the log continues others,
each of those has a part of its own, under its own last checkpoint. `proto.bundles.scope` says which entries belong into
it, `proto.bundles.check` what it proves.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto.base64_strict import decode_base64, encode_base64
from proto.canonical import DECODE_ERRORS, canonical_struct
from proto.event_fields import CredentialIdField
from proto.events import invalid
from proto.ids import LeafIndex
from proto.log.entry import ENTRY_BYTES_MAX, Entry
from proto.log.merkle import HASH_BYTES, Hash
from proto.log.note import NOTE_BYTES_MAX, parse_note
from proto.log.receipt import Receipt
from proto.problem import InvalidProblem, MalformedProblem

MediaType = Literal["application/vnd.credentify.bundle.v1+json"]
MEDIA_TYPE: MediaType = "application/vnd.credentify.bundle.v1+json"
BUNDLE_BYTES_MAX = 8 * 1024 * 1024
BUNDLE_ENTRIES_MAX = 2048
BUNDLE_PREDECESSORS_MAX = 8
PROOF_HASHES_MAX = 63
HashText = Annotated[str, Meta(min_length=44, max_length=44, description="32 bytes in base64")]
CheckpointText = Annotated[str, Meta(max_length=NOTE_BYTES_MAX, description="A signed note (C2SP tlog-checkpoint)")]


class BundledEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the log and its inclusion proof (RFC 6962 section 2.1.1), the sibling first."""

    entry: Entry
    proof: Annotated[tuple[HashText, ...], Meta(max_length=PROOF_HASHES_MAX)]

    @property
    def index(self) -> LeafIndex:
        """The leaf index that the entry says it has."""
        return self.entry.index

    @property
    def data(self) -> bytes:
        """The exact bytes of the entry, as the log stores and hashes them."""
        return canonical_struct(self.entry)

    @property
    def hashes(self) -> tuple[Hash, ...]:
        """The proof as hashes; raises `MalformedProblem` for bad base64, which `decode` has excluded."""
        return tuple(Hash(decode_base64(text, length=HASH_BYTES)) for text in self.proof)


class BundlePart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What belongs into a bundle of the entries of one earlier log, in its order, under its last checkpoint."""

    checkpoint: CheckpointText
    entries: Annotated[tuple[BundledEntry, ...], Meta(min_length=1, max_length=BUNDLE_ENTRIES_MAX)]


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bundle about one credential; entries in the order of the log. Nothing of it is verified by being here.

    `latest` is the last entry of the checkpoint's tree where it is not among `entries`: proven to be there and no more,
    so that a log without witnesses says how late it is by its own word. `predecessors` are the logs that this one
    continues, oldest first; absent where there are none.
    """

    media_type: MediaType
    credential_id: CredentialIdField
    predecessors: (
        Annotated[tuple[BundlePart, ...], Meta(min_length=1, max_length=BUNDLE_PREDECESSORS_MAX)] | UnsetType
    ) = UNSET
    checkpoint: CheckpointText
    entries: Annotated[tuple[BundledEntry, ...], Meta(min_length=1, max_length=BUNDLE_ENTRIES_MAX)]
    latest: BundledEntry | UnsetType = UNSET

    @property
    def all_entries(self) -> tuple[BundledEntry, ...]:
        """The entries on the log itself, and the latest one of the tree where it is given."""
        return (*self.entries, self.latest) if self.latest else self.entries

    @property
    def earlier(self) -> tuple[BundlePart, ...]:
        """The parts of earlier logs, oldest first; empty where the log continues none."""
        return self.predecessors or ()

    @property
    def entry_count(self) -> int:
        """How many entries of all logs the credential rests on; the latest of the tree is not one of them."""
        return len(self.entries) + sum(len(part.entries) for part in self.earlier)

    def receipt(self, index: LeafIndex) -> Receipt:
        """Return the tlog-proof of one of the log's own entries; raises `KeyError` where there is no such entry."""
        found = {item.index: item for item in self.all_entries}[index]
        return Receipt(index=index, proof=found.hashes, note=parse_note(self.checkpoint.encode()))


_DECODER = msgspec.json.Decoder(Bundle)


def bundled(entry: Entry, proof: list[Hash]) -> BundledEntry:
    """Return an entry with its inclusion proof, as a bundle holds it."""
    return BundledEntry(entry=entry, proof=tuple(map(encode_base64, proof)))


def encode_bundle(bundle: Bundle) -> bytes:
    """Return the canonical bytes of a bundle (RFC 8785); raises `MalformedProblem` where they exceed 8 MiB."""
    data = canonical_struct(bundle)
    if len(data) > BUNDLE_BYTES_MAX:
        raise MalformedProblem(f"The bundle would have {len(data)} bytes; at most {BUNDLE_BYTES_MAX} are read")
    return data


def decode_bundle(data: bytes) -> Bundle:
    """Return the bundle in `data`, if it is written exactly as `encode_bundle` writes it.

    Raises `MalformedProblem` or `InvalidProblem` (with a JSON pointer). One file has one spelling, so that no byte of
    it can be altered without being noticed.
    """
    if len(data) > BUNDLE_BYTES_MAX:
        raise MalformedProblem(f"The bundle has {len(data)} bytes; at most {BUNDLE_BYTES_MAX} are read")
    try:
        bundle = _DECODER.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(error, within="bundle") from error
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"The bundle is not JSON: {error}") from error
    if canonical_struct(bundle) != data:
        raise MalformedProblem("The bundle is not canonical JSON (RFC 8785): keep the file exactly as it was fetched")
    _check_all_entries(bundle)
    return bundle


def _check_all_entries(bundle: Bundle) -> None:
    for number, part in enumerate(bundle.earlier):
        _check_entries(part.entries, f"/predecessors/{number}/entries")
    _check_entries(bundle.all_entries, "/entries")
    if bundle.entry_count > BUNDLE_ENTRIES_MAX:
        raise InvalidProblem(f"A bundle has at most {BUNDLE_ENTRIES_MAX} entries, of all logs", pointer="/predecessors")


def _check_entries(entries: Sequence[BundledEntry], pointer: str) -> None:
    indices = [item.index for item in entries]
    if indices != sorted(set(indices)):
        raise InvalidProblem("The entries of a bundle are distinct and in the order of the log", pointer=pointer)
    for place, item in enumerate(entries):
        if len(item.data) > ENTRY_BYTES_MAX:
            raise InvalidProblem(f"An entry has at most {ENTRY_BYTES_MAX} bytes", pointer=f"{pointer}/{place}/entry")
        for text in item.proof:
            decode_base64(text, length=HASH_BYTES)
