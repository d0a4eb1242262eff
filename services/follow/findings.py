"""A follower's evidence as a finding: the file that others check. Knows no HTTP and no file."""

from typing import Any

from proto.base64_strict import encode_base64
from proto.ids import Origin
from proto.log.finding import Finding, ProvenEntry
from proto.log.note_key import VerifierKey
from services.follow.interface import EntryProof, LogEvidence


def finding_of(evidence: LogEvidence, key: VerifierKey, *, witnesses: tuple[VerifierKey, ...] = ()) -> Finding:
    """Return evidence against the log of this key in the form that `credentify evidence` checks."""
    return Finding(
        kind=evidence.kind,
        detail=evidence.detail,
        origin=Origin(key.name),
        verifier_key=key.text,
        found_at=evidence.found_at,
        is_conclusive=evidence.is_conclusive,
        checkpoints=tuple(note.decode("utf-8", "replace") for note in evidence.checkpoints),
        witnesses=tuple(witness.text for witness in witnesses),
        **proof_fields(evidence),
    )


def proof_fields(evidence: LogEvidence) -> dict[str, Any]:
    """Return the fields of a finding that hold what proves it."""
    return {
        "index": evidence.index,
        "entry": None if evidence.entry is None else encode_base64(evidence.entry),
        "proven": evidence.proof and _proven(evidence.proof),
        "previous": evidence.previous and _proven(evidence.previous),
        "public_key": None if evidence.public_key is None else encode_base64(evidence.public_key),
        "proof": tuple(map(encode_base64, evidence.roots)),
    }


def _proven(proof: EntryProof) -> ProvenEntry:
    return ProvenEntry(
        index=proof.index,
        entry=encode_base64(proof.entry),
        size=proof.size,
        root=encode_base64(proof.root_hash),
        inclusion=tuple(map(encode_base64, proof.inclusion)),
        consistency=tuple(map(encode_base64, proof.consistency)),
    )
