"""Names of things: identifiers that must not be mixed up, and the pure functions that make them. Knows no event."""

import hashlib
import re
from collections.abc import Iterable
from typing import NewType

from proto.problem import InvalidProblem

Did = NewType("Did", str)
KeyId = NewType("KeyId", str)
CredentialId = NewType("CredentialId", str)
Commitment = NewType("Commitment", str)
EventId = NewType("EventId", str)
Origin = NewType("Origin", str)
AchievementUri = NewType("AchievementUri", str)
# What an issuer gateway calls its own: a swap would show one tenant what is another's.
InstitutionId = NewType("InstitutionId", str)
ApiKeyId = NewType("ApiKeyId", str)
AchievementId = NewType("AchievementId", str)
LearnerId = NewType("LearnerId", str)
BatchId = NewType("BatchId", str)
BatchKeyId = NewType("BatchKeyId", str)
RequestId = NewType("RequestId", str)
ApplicationId = NewType("ApplicationId", str)
AgreementId = NewType("AgreementId", str)
ClaimId = NewType("ClaimId", str)
HolderLinkId = NewType("HolderLinkId", str)
# Patterns end in \Z, the end of the text (OpenAPI writes it as $): Python's $ also matches before a final line feed.
LeafIndex = NewType("LeafIndex", int)
TreeSize = NewType("TreeSize", int)

DID_PATTERN = r"^did:(web|key):[A-Za-z0-9.%_:-]{1,220}\Z"
KEY_ID_PATTERN = r"^did:(web|key):[A-Za-z0-9.%_:-]{1,220}#[A-Za-z0-9._-]{1,64}\Z"
HEX_256_PATTERN = r"^[0-9a-f]{64}\Z"
ORIGIN_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.:/_-]{0,199}\Z"
URI_PATTERN = r"^https?://[!-~]{1,490}\Z"

_CREDENTIAL_PREFIX = b"credentify/credential/v1\n"
_COMMITMENT_PREFIX = b"credentify/commitment/v2\n"
_COMMITTED_PREFIX = b"credentify/credential/v2\n"
_HEX_256 = re.compile(HEX_256_PATTERN)


def credential_id(issuer: Did, document_digest: bytes) -> CredentialId:
    """Return the credential id (64 lower-case hex digits) of a document by its issuer and 32-byte digest (DESIGN 3.1).

    Whoever has the document can recompute it. The issuer is inside, so nobody else's document leads to it; but by
    rules version 1 an event states the id itself, and whichever institution puts it on the log first has taken it.
    """
    if len(document_digest) != hashlib.sha256().digest_size:
        raise InvalidProblem("A document digest is 32 bytes of SHA-256")
    hashed = hashlib.sha256(_CREDENTIAL_PREFIX + issuer.encode() + b"\n" + document_digest.hex().encode())
    return CredentialId(hashed.hexdigest())


def commitment(document_digest: bytes, claims_root: bytes) -> Commitment:
    """Return what an issue of rules version 2 says of a document (64 lower-case hex digits; DESIGN 9).

    Both arguments are 32 bytes of SHA-256: the document's digest, and the root of the digests of its claims.
    """
    if not len(document_digest) == len(claims_root) == hashlib.sha256().digest_size:
        raise InvalidProblem("A document digest and a claims root are 32 bytes of SHA-256 each")
    return Commitment(hashlib.sha256(_COMMITMENT_PREFIX + document_digest + claims_root).hexdigest())


def committed_credential_id(issuer: Did, committed: Commitment) -> CredentialId:
    """Return the credential id (64 lower-case hex digits) that follows from an issuer and its commitment (DESIGN 9).

    The rules compute it, so nobody but this issuer can put it on the log by an event of rules version 2.
    """
    return CredentialId(hashlib.sha256(_committed_head(issuer) + committed.encode()).hexdigest())


def committed_credential_ids(issuer: Did, commitments: Iterable[Commitment]) -> tuple[CredentialId, ...]:
    """Return the credential ids that follow from an issuer and several commitments, in their order."""
    head = _committed_head(issuer)
    return tuple([CredentialId(hashlib.sha256(head + each.encode()).hexdigest()) for each in commitments])


def _committed_head(issuer: Did) -> bytes:
    return _COMMITTED_PREFIX + issuer.encode() + b"\n"


def event_id(payload: bytes) -> EventId:
    """Return the event id: the lower-case hex SHA-256 of the payload bytes that were signed (DESIGN 3.4)."""
    return EventId(hashlib.sha256(payload).hexdigest())


def owner_of(key_id: KeyId) -> Did:
    """Return the DID that owns a key: the part of its DID URL before `#` (DESIGN 3.3)."""
    return Did(key_id.partition("#")[0])


def parse_credential_id(text: str) -> CredentialId:
    """Return `text` as a credential id, or raise `InvalidProblem` if it is not 64 lower-case hex digits."""
    if not _HEX_256.match(text):
        raise InvalidProblem("A credential id is 64 lower-case hexadecimal digits: the SHA-256 of issuer and document")
    return CredentialId(text)


def parse_event_id(text: str) -> EventId:
    """Return `text` as an event id, or raise `InvalidProblem` if it is not 64 lower-case hex digits."""
    if not _HEX_256.match(text):
        raise InvalidProblem("An event id is 64 lower-case hexadecimal digits, as the answer to what was said names it")
    return EventId(text)
