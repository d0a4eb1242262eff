"""Bundles of a `World`: made as a ledger makes them, from the world's own book, entries and tree."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from typing import Any

import msgspec
import nacl.bindings
import pytest

from proto import events
from proto.bundles.bundle import MEDIA_TYPE, Bundle, BundledEntry, BundlePart, bundled, decode_bundle
from proto.bundles.check import check_bundle
from proto.bundles.scope import by_log, entries_about
from proto.documents.claims_root import SEED_BYTES
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import claims
from proto.ids import CredentialId, LeafIndex, TreeSize, commitment
from proto.lifecycle import Stamp
from proto.log import entry as entries
from proto.log.checkpoint import cosign, with_cosignatures
from proto.log.merkle import inclusion_proof
from proto.log.note import parse_note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.policy import Policy, parse_policy
from proto.problem import Problem
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, committed
from tests.support.documents import ISSUER, full_document
from tests.support.statements import Party, secret_key
from tests.support.worlds import World

WITNESS = SignerKey(name="witness.example", kind=KeyKind.COSIGNATURE, secret=secret_key("witness"))
WITNESSED_AT = 1_800_000_000


def log_policy(world: World) -> Policy:
    """Return the policy that trusts the world's log and no witness."""
    return policy_of(world.log_key.verifier.text)


def policy_of(*vkeys: str) -> Policy:
    """Return the policy that trusts these logs and no witness."""
    logs = "".join(f"log {vkey}\n" for vkey in vkeys)
    return parse_policy(f"{logs}quorum none\n".encode())


def witness_policy_text(world: World) -> str:
    """Return the policy that also wants the one witness's cosignature."""
    return f"log {world.log_key.verifier.text}\nwitness w {WITNESS.verifier.text}\nquorum w\n"


def cosigned(world: World, size: int | None = None, *, at: int = WITNESSED_AT) -> str:
    """Return the world's checkpoint with the witness's cosignature of that time."""
    note = parse_note(world.checkpoint(size))
    line = cosign(note, WITNESS, at)
    return with_cosignatures(note, line.text, WITNESS.verifier).encode().decode()


def bundle_of(
    world: World, credential_id: CredentialId, *, checkpoint: str | None = None, before: Sequence[World] = ()
) -> Bundle:
    """Return the bundle about a credential under the world's checkpoint of all its entries, or under another.

    `before` are the worlds that this one continues, oldest first.
    """
    firsts = list(accumulate((each.size for each in before), initial=0))
    openings = [
        Stamp(
            index=LeafIndex(first),
            event_id=each.opened[0].event_id,
            key_id=each.opened[0].key_id,
            received_at=each.received_at(0),
        )
        for first, each in zip(firsts, before, strict=False)
    ]
    found = entries_about(world.book, credential_id, TreeSize(firsts[-1] + world.size), openings=openings)
    *earlier, indices = by_log(found, firsts)
    latest = LeafIndex(world.size - 1)
    parts = tuple(
        BundlePart(checkpoint=each.checkpoint().decode(), entries=tuple(bundled_entry(each, index) for index in places))
        for each, places in zip(before, earlier, strict=True)
    )
    return Bundle(
        media_type=MEDIA_TYPE,
        credential_id=credential_id,
        predecessors=parts or msgspec.UNSET,
        checkpoint=checkpoint or world.checkpoint().decode(),
        entries=tuple(bundled_entry(world, index) for index in indices),
        latest=msgspec.UNSET if latest in indices else bundled_entry(world, latest),
    )


def bundled_entry(world: World, index: int) -> BundledEntry:
    """Return an entry with its inclusion proof in the world's whole tree."""
    proof = inclusion_proof(LeafIndex(index), world.size, world.read_node)
    return bundled(entries.decode(world.entries[index]), proof)


def without(bundle: Bundle, *indices: int) -> Bundle:
    """Return the bundle without some of its entries."""
    kept = tuple(item for item in bundle.entries if item.index not in indices)
    return msgspec.structs.replace(bundle, entries=kept)


class DocumentParty(Party):
    """The institution that awards `tests.support.documents.full_document`."""

    def __init__(self) -> None:
        super().__init__("nadmorska", ISSUER.did)
        self.url = "https://nadmorska.example/"


def issue_document(world: World, **other: Any) -> tuple[dict[str, Any], CredentialId]:
    """Admit the documents' institution where it is not, issue its full document (without components) and return it."""
    party = world.parties.get(ISSUER.did)
    if party is None:
        party = DocumentParty()
        world.parties[party.did] = party
        world.say(world.admission(party))
    document = full_document(components=[], **other)
    said = claims(document)
    fields: dict[str, Any] = {
        "achievement": said.achievement,
        "ects_hundredths": said.ects_hundredths,
        "eqf_level": said.eqf_level if said.eqf_level is not None else msgspec.UNSET,
        "valid_from": said.valid_from,
        "valid_until": said.valid_until or msgspec.UNSET,
    }
    if world.rules_version >= COMMITMENTS_FROM:  # in company
        made = committed(document, party.did, bytes(SEED_BYTES))
        commitments = tuple(sorted([made.commitment, *(commitment(bytes([n]) * 32, bytes(32)) for n in range(3))]))
        world.say(world.make(events.CredentialsIssued, party, **fields, commitments=commitments))
        return made.document, made.credential_id
    credential_id = credential_id_of(document, said.issuer)
    event = world.issue(party, credential_id=credential_id, **fields)
    assert isinstance(event, events.CredentialIssued)
    world.say(event)
    return document, credential_id


def assert_every_byte_counts(data: bytes, policy: Policy) -> None:
    """Change each byte of a bundle in turn: it cannot be read then, or a fault is found."""
    with pytest.MonkeyPatch.context() as patched:  # all signatures but one are those of the bundle before
        patched.setattr(nacl.bindings, "crypto_sign_open", cache(nacl.bindings.crypto_sign_open))
        for at in range(len(data)):
            changed = data[:at] + bytes([data[at] ^ (0x20 if chr(data[at]).isalpha() else 1)]) + data[at + 1 :]
            try:
                found = check_bundle(decode_bundle(changed), policy)
            except Problem:
                continue
            assert found.faults, f"byte {at} of the bundle was altered and nobody noticed"
