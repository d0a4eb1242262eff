"""Documents of outside as they are sent: described for whoever writes a client, and never decoded by these types.

Their members are those that every reader looks at; a document has others, and keeps them.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from proto.wire.ledger import Body

_CONTEXT = {"context": "@context", "verifiable_credential": "verifiableCredential"}


class CredentialDocument(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename=_CONTEXT
    | {
        "credential_subject": "credentialSubject",
        "credential_status": "credentialStatus",
        "valid_from": "validFrom",
        "valid_until": "validUntil",
    },
):
    """A credential as it was handed out, whole: a W3C Verifiable Credential, as Open Badges 3.0 is one."""

    context: Annotated[Any, Meta(description="What its terms mean (JSON-LD)")] = UNSET
    id: Annotated[Any, Meta(description="Its own name, a URI")] = UNSET
    type: Annotated[Any, Meta(description="VerifiableCredential, and what more it is")] = UNSET
    issuer: Annotated[Any, Meta(description="Who issued it, a DID, or an object whose `id` is one")] = UNSET
    credential_subject: Annotated[Any, Meta(description="Whom it is about, and what it says of them")] = UNSET
    credential_status: Annotated[Any, Meta(description="Where its status is published")] = UNSET
    valid_from: Annotated[Any, Meta(description="When it begins to be valid, RFC 3339")] = UNSET
    valid_until: Annotated[Any, Meta(description="When it is valid no more, RFC 3339")] = UNSET
    proof: Annotated[Any, Meta(description="Its Data Integrity proof, or several")] = UNSET


class AchievementDocument(msgspec.Struct, frozen=True, kw_only=True, rename=_CONTEXT):
    """An achievement as Open Badges 3.0 has it, by itself, with its JSON-LD context."""

    context: Annotated[Any, Meta(description="What its terms mean (JSON-LD)")]
    id: Annotated[str, Meta(description="Its URI")]
    type: list[str]
    name: str
    description: str
    criteria: dict[str, Any]
    creator: Annotated[dict[str, Any], Meta(description="The institution that offers it")]


class PresentationDocument(msgspec.Struct, frozen=True, kw_only=True, rename=_CONTEXT):
    """A W3C Verifiable Presentation: credentials that a holder shows together; each has an answer of its own."""

    context: Annotated[Any, Meta(description="What its terms mean (JSON-LD)")] = UNSET
    type: Annotated[Any, Meta(description="VerifiablePresentation, and what more it is")]
    verifiable_credential: Annotated[Any, Meta(description="One credential, or a list of them")]


class DocumentWithStatusLists(Body, frozen=True, kw_only=True):
    """One document, and the status lists that it names, as its issuer signed them: nothing is fetched."""

    document: CredentialDocument
    status_lists: list[CredentialDocument]


class WrappedCredential(Body, frozen=True, kw_only=True):
    """A European Digital Credential in the wrapper of its upload; what stands beside it is listed in `unmapped`."""

    credential: CredentialDocument


class SealedCredential(Body, frozen=True, kw_only=True):
    """A European Digital Credential in a JAdES signature in JSON (RFC 7515 section 7.2), which is not judged here."""

    payload: Annotated[str, Meta(description="The credential in base64url")]
    signatures: Annotated[list[Any], Meta(description="Its signatures")]


class MicroHeMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """The flat metadata of a MicroHE credential: one object, whose members are named as MicroHE names them."""
