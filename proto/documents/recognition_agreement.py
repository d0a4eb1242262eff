"""Agreements of two institutions that what one awards counts at the other: what both sign, and what ends one. Pure.

An agreement is no event and is on no log: it is a DSSE envelope whose payload both parties have signed, each with an
assertion key that the log has in its ring. So each shows the other's consent to anybody, whichever gateway serves them.
"""

import hashlib
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto.base64_strict import decode_base64, encode_base64
from proto.canonical import DECODE_ERRORS, canonical_struct
from proto.documents.fields import IscedField
from proto.event_fields import (
    AchievementField,
    DidField,
    EctsField,
    EqfField,
    HashField,
    KeyIdField,
    MomentField,
    NonceField,
    OriginField,
    UriField,
)
from proto.events import Decision, Record
from proto.ids import AgreementId, Did, KeyId, owner_of
from proto.keys import SIGNATURE_BYTES, Sign
from proto.problem import InvalidProblem, MalformedProblem

PAYLOAD_TYPE = "application/vnd.credentify.agreement+json"
TERMS_MAX = 32
ACHIEVEMENTS_MAX = 64
_PAYLOAD_CHARACTERS_MAX = 262_144


class AgreementTerm(Record, frozen=True, kw_only=True):
    """What counts: credentials that one party awards for these achievements, at the other, towards one programme of it.

    Without `achievements` all count that are of the field of education `isced_f` (or within it) and of `eqf_level`,
    whichever of the two is said. In full counts what a credential carries; in part `ects_hundredths`, where it carries
    more. `ects_hundredths_total_max` is the most that counts for one applicant in one application.
    """

    awarded_by: DidField
    recogniser: DidField
    programme: UriField
    achievements: Annotated[tuple[AchievementField, ...], Meta(max_length=ACHIEVEMENTS_MAX)] = ()
    isced_f: IscedField | UnsetType = UNSET
    eqf_level: EqfField | UnsetType = UNSET
    decision: Decision
    ects_hundredths: EctsField | UnsetType = UNSET
    ects_hundredths_min: EctsField | UnsetType = UNSET
    eqf_level_min: EqfField | UnsetType = UNSET
    ects_hundredths_total_max: EctsField | UnsetType = UNSET


class RecognitionAgreement(Record, frozen=True, kw_only=True, tag_field="type", tag="recognition-agreement.v1"):
    """What both sign. It holds from `valid_from` up to before `valid_until`; `at` is when it was proposed."""

    log: OriginField
    proposer: DidField
    accepter: DidField
    at: MomentField
    nonce: NonceField
    valid_from: MomentField
    valid_until: MomentField
    terms: Annotated[tuple[AgreementTerm, ...], Meta(min_length=1, max_length=TERMS_MAX)]

    @property
    def parties(self) -> tuple[Did, Did]:
        """Who agrees, the proposer first."""
        return self.proposer, self.accepter

    def other(self, party: Did) -> Did:
        """Return with whom a party agrees."""
        return self.accepter if party == self.proposer else self.proposer


class AgreementEnding(Record, frozen=True, kw_only=True, tag_field="type", tag="agreement-ended.v1"):
    """One party ends the agreement of this id from `at` on, or takes back or declines what was proposed.

    That party's signature ends it. The other's, if there is one, says that it has the ending; it consents to nothing.
    """

    log: OriginField
    agreement: HashField
    party: DidField
    at: MomentField


class ConsentSignature(Record, frozen=True, kw_only=True):
    """The signature of one party: `keyid` is the key's DID URL, `sig` 64 bytes in base64."""

    keyid: KeyIdField
    sig: Annotated[str, Meta(min_length=88, max_length=88)]


class ConsentEnvelope(Record, frozen=True, kw_only=True):
    """A DSSE v1 envelope of an agreement, signed by one party or by both, or of an ending."""

    payload: Annotated[str, Meta(min_length=4, max_length=_PAYLOAD_CHARACTERS_MAX)]
    payload_type: Annotated[str, Meta(pattern=r"^application/vnd\.credentify\.agreement\+json\Z")] = msgspec.field(
        name="payloadType"
    )
    signatures: Annotated[tuple[ConsentSignature, ...], Meta(min_length=1, max_length=2)]


class OpenedConsent(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope whose form was checked; the signatures were not. `digest` is the SHA-256 of the payload, in hex."""

    statement: RecognitionAgreement | AgreementEnding
    digest: AgreementId
    payload: bytes
    signatures: dict[Did, tuple[KeyId, bytes]]


_DECODE = msgspec.json.Decoder(RecognitionAgreement | AgreementEnding).decode


def encoded(statement: RecognitionAgreement | AgreementEnding) -> bytes:
    """Return the canonical bytes that are signed."""
    return canonical_struct(statement)


def decoded(payload: bytes) -> RecognitionAgreement | AgreementEnding:
    """Return what canonical bytes say; raises `MalformedProblem` for others, `InvalidProblem` for a wrong field."""
    try:
        statement: RecognitionAgreement | AgreementEnding = _DECODE(payload)
    except msgspec.ValidationError as error:
        raise InvalidProblem("The payload is no agreement and no ending of one, in its fields", pointer="") from error
    except DECODE_ERRORS as error:
        raise MalformedProblem("The payload is no JSON") from error
    if encoded(statement) != payload:
        raise MalformedProblem("The payload is not canonical JSON (RFC 8785): sort keys, no spaces, no repeated keys")
    return statement


def digest_of(payload: bytes) -> AgreementId:
    """Return the id of an agreement: the SHA-256 of what both sign, in lower-case hex."""
    return AgreementId(hashlib.sha256(payload).hexdigest())


def signed_bytes(payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding, which is what a signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def signature_by(payload: bytes, key_id: KeyId, sign: Sign) -> tuple[KeyId, bytes]:
    """Return the consent of whoever owns a key."""
    return key_id, sign(signed_bytes(payload))


def envelope_of(payload: bytes, signatures: list[tuple[KeyId, bytes]]) -> ConsentEnvelope:
    """Return the envelope, to be handed to the other party."""
    return ConsentEnvelope(
        payload=encode_base64(payload),
        payload_type=PAYLOAD_TYPE,
        signatures=tuple(ConsentSignature(keyid=key_id, sig=encode_base64(made)) for key_id, made in signatures),
    )


def opened(envelope: ConsentEnvelope) -> OpenedConsent:
    """Check the form of an envelope; whether the signatures hold is for whoever knows the keys.

    Raises `MalformedProblem` and `InvalidProblem`, also for a signature of somebody who is no party, and for an ending
    that nobody has signed who ends it. Who is the other party of an ending is for whoever knows the agreement.
    """
    payload = decode_base64(envelope.payload)
    statement = decoded(payload)
    parties = statement.parties if isinstance(statement, RecognitionAgreement) else None
    signatures: dict[Did, tuple[KeyId, bytes]] = {}
    for number, each in enumerate(envelope.signatures):
        key_id = KeyId(each.keyid)
        party = owner_of(key_id)
        if party in signatures or (parties is not None and party not in parties):
            raise InvalidProblem("Each party signs once, and nobody else", pointer=f"/signatures/{number}/keyid")
        signatures[party] = key_id, decode_base64(each.sig, length=SIGNATURE_BYTES)
    if isinstance(statement, AgreementEnding) and statement.party not in signatures:
        raise InvalidProblem("Whoever ends an agreement signs its ending", pointer="/signatures/0/keyid")
    return OpenedConsent(statement=statement, digest=digest_of(payload), payload=payload, signatures=signatures)
