"""How a learner who claims a credential shows that a DID is theirs: what is signed, and the check. Pure."""

import hashlib
from typing import Annotated

from msgspec import Meta

from proto.base64_strict import decode_base64
from proto.events import Record
from proto.ids import Did
from proto.keys import PublicKey, decode_public_key, is_signature
from proto.problem import InvalidProblem, MalformedProblem

_HEADER = "credentify/claim/v1"
_METHOD = "did:key:"

HolderDid = Annotated[
    str,
    Meta(
        pattern=r"^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}\Z",
        max_length=56,
        description="did:key of the learner's Ed25519 key; it becomes the id of the credential's subject",
    ),
]
SignatureField = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9+/]{86}==\Z", max_length=88, description="Ed25519 signature in base64")
]


class Holder(Record, frozen=True, kw_only=True):
    """A DID to which the credential is bound, and the signature of its key over `claim_message`."""

    did: HolderDid
    signature: SignatureField


class HolderProofProblem(InvalidProblem):
    """The signature is not the one of this DID's key over this claim."""

    slug = "holder-proof"
    title = "The DID was not shown to be the learner's"


def claim_message(secret: str, did: str) -> bytes:
    """Return what the holder's key signs: the header, SHA-256 of the link's secret in hex, and the DID, a line each."""
    return f"{_HEADER}\n{hashlib.sha256(secret.encode()).hexdigest()}\n{did}\n".encode()


def check_holder(holder: Holder, secret: str) -> Did:
    """Return the holder's DID; raises `HolderProofProblem` where its key did not sign this claim."""
    try:
        key = decode_public_key(PublicKey(holder.did.removeprefix(_METHOD)))
    except InvalidProblem as problem:
        raise HolderProofProblem(problem.detail, pointer="/holder/did") from problem
    try:
        signature = decode_base64(holder.signature)
    except MalformedProblem as problem:
        raise HolderProofProblem(problem.detail, pointer="/holder/signature") from problem
    if not is_signature(key, claim_message(secret, holder.did), signature):
        detail = (
            "Sign the lines `credentify/claim/v1`, SHA-256 of the link's last part in hex, and the DID with its key"
        )
        raise HolderProofProblem(detail, pointer="/holder/signature")
    return Did(holder.did)
