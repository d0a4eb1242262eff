"""What can be said on the log: one frozen record per event type, its limits, encoding and strict decoding.

Knows the form of an event and nothing of who may say it when (that is `proto.lifecycle`). No field holds personal data,
and none is free text about a person (DESIGN 3.3). Optional fields that are absent are omitted, never null.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.canonical import canonical_struct
from proto.event_days import check_days
from proto.event_fields import (
    INTEGER_MAX,
    AchievementField,
    AnyPublicKeyField,
    CommitmentField,
    CountryField,
    CredentialIdField,
    DidField,
    EctsField,
    EqfField,
    EventIdField,
    HashField,
    KeyIdField,
    KeyPurpose,
    MomentField,
    NameField,
    NonceField,
    OriginField,
    PublicKeyField,
    Purpose,
    Reason,
    UriField,
    UriPrefixField,
)
from proto.expected import in_words
from proto.ids import TreeSize
from proto.problem import InvalidProblem, MalformedProblem

EVENT_BYTES_MAX = 42_000
GROUP_MAX = 256
"""Credentials that one event is about at most."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a record on the log is: immutable, by name only, nothing unknown in it, nothing null in it."""


class KeyRecord(Record, frozen=True, kw_only=True):
    """A public key, its name and what it may be used for."""

    key_id: KeyIdField
    purpose: Purpose
    public_key: PublicKeyField


class KeyRecordV2(Record, frozen=True, kw_only=True):
    """A public key of either kind, its name and what it may be used for (rules version 2)."""

    key_id: KeyIdField
    purpose: KeyPurpose
    public_key: AnyPublicKeyField


class Scope(Record, frozen=True, kw_only=True):
    """What an institution may do on this log; `ects_hundredths_max` bounds one credential."""

    eqf_min: EqfField
    eqf_max: EqfField
    ects_hundredths_max: EctsField
    may_issue: bool
    may_stack: bool
    may_recognise: bool


class Accreditation(Record, frozen=True, kw_only=True):
    """Who answers for the quality of an institution, where that can be read, and until when."""

    body: NameField
    url: UriField
    until: MomentField | msgspec.UnsetType = msgspec.UNSET


class Predecessor(Record, frozen=True, kw_only=True):
    """The final state of the log that this one continues."""

    origin: OriginField
    size: Annotated[TreeSize, Meta(ge=1, le=INTEGER_MAX)]
    root_hash: HashField


class Parameters(Record, frozen=True, kw_only=True):
    """The numbers that the rules use; fixed when the log is opened, so that every follower uses the same."""

    registrar_key_delay_seconds: Annotated[int, Meta(ge=0, le=31_536_000)]
    at_ahead_seconds_max: Annotated[int, Meta(ge=0, le=86_400)]
    at_behind_seconds_max: Annotated[int, Meta(ge=60, le=31_536_000)]
    keys_per_issuer_max: Annotated[int, Meta(ge=2, le=64)]
    transitions_per_credential_max: Annotated[int, Meta(ge=2, le=64)]
    parts_per_stack_max: Annotated[int, Meta(ge=2, le=256)]
    stack_levels_max: Annotated[int, Meta(ge=1, le=3)]


DEFAULT_PARAMETERS = Parameters(
    registrar_key_delay_seconds=7 * 86_400,
    at_ahead_seconds_max=300,
    at_behind_seconds_max=30 * 86_400,
    keys_per_issuer_max=64,
    transitions_per_credential_max=64,
    parts_per_stack_max=256,
    stack_levels_max=3,
)


class EventBase(Record, frozen=True, kw_only=True, tag_field="type"):
    """What every event carries: the log it is meant for, who speaks, the time that the speaker claims, and a nonce."""

    log: OriginField
    issuer: DidField
    at: MomentField
    nonce: NonceField


class LogOpened(EventBase, frozen=True, kw_only=True, tag="log-opened.v1"):
    """Entry 0: the registrar (a did:key) certifies its own keys and the log's parameters."""

    keys: Annotated[tuple[KeyRecord, ...], Meta(min_length=2, max_length=4)]
    rules_version: Annotated[int, Meta(ge=1, le=1_000_000)]
    parameters: Parameters
    predecessor: Predecessor | msgspec.UnsetType = msgspec.UNSET


class IssuerAdmitted(EventBase, frozen=True, kw_only=True, tag="issuer-admitted.v1"):
    """An institution is admitted with its keys, its scope and who accredited it."""

    subject: DidField
    legal_name: NameField
    country: CountryField
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(min_length=1, max_length=16)]
    keys: Annotated[tuple[KeyRecord, ...], Meta(min_length=2, max_length=16)]
    scope: Scope
    accreditation: Accreditation


class IssuerAdmittedV2(EventBase, frozen=True, kw_only=True, tag="issuer-admitted.v2"):
    """As `issuer-admitted.v1`, with keys of either kind, and prefixes that are nobody else's (DESIGN 9)."""

    subject: DidField
    legal_name: NameField
    country: CountryField
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(min_length=1, max_length=16)]
    keys: Annotated[tuple[KeyRecordV2, ...], Meta(min_length=2, max_length=16)]
    scope: Scope
    accreditation: Accreditation


class IssuerScopeChanged(EventBase, frozen=True, kw_only=True, tag="issuer-scope-changed.v1"):
    """What an institution may do changes from now on; what it did before stays."""

    subject: DidField
    scope: Scope
    accreditation: Accreditation | msgspec.UnsetType = msgspec.UNSET


class IssuerKeyAdded(EventBase, frozen=True, kw_only=True, tag="issuer-key-added.v1"):
    """A key is added for an institution or for the registrar (`subject`)."""

    subject: DidField
    key: KeyRecord


class IssuerKeyAddedV2(EventBase, frozen=True, kw_only=True, tag="issuer-key-added.v2"):
    """As `issuer-key-added.v1`, with a key of either kind (DESIGN 9)."""

    subject: DidField
    key: KeyRecordV2


class IssuerKeyRetired(EventBase, frozen=True, kw_only=True, tag="issuer-key-retired.v1"):
    """A key signs no more (`rotated`), or is condemned from `invalid_from` on (`compromised`)."""

    subject: DidField
    key_id: KeyIdField
    reason: Literal["rotated", "compromised"]
    invalid_from: MomentField | msgspec.UnsetType = msgspec.UNSET


class IssuerSuspended(EventBase, frozen=True, kw_only=True, tag="issuer-suspended.v1"):
    """An institution may not issue until it is reinstated."""

    subject: DidField


class IssuerReinstated(EventBase, frozen=True, kw_only=True, tag="issuer-reinstated.v1"):
    """A suspended institution may issue again."""

    subject: DidField


class IssuerClosed(EventBase, frozen=True, kw_only=True, tag="issuer-closed.v1"):
    """An institution speaks no more; a successor, if named, answers for its credentials."""

    subject: DidField
    successor: DidField | msgspec.UnsetType = msgspec.UNSET


class CredentialIssued(EventBase, frozen=True, kw_only=True, tag="credential-issued.v1"):
    """A credential exists; its document stays with the learner."""

    credential_id: CredentialIdField
    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET


class CredentialStacked(EventBase, frozen=True, kw_only=True, tag="credential-stacked.v1"):
    """A credential whose parts are credentials; `components` are sorted and distinct."""

    credential_id: CredentialIdField
    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET
    components: Annotated[tuple[CredentialIdField, ...], Meta(min_length=2, max_length=64)]


class CredentialIssuedV2(EventBase, frozen=True, kw_only=True, tag="credential-issued.v2"):
    """A credential exists; its id follows from the issuer and the commitment (DESIGN 9)."""

    commitment: CommitmentField
    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET


class CredentialStackedV2(EventBase, frozen=True, kw_only=True, tag="credential-stacked.v2"):
    """A credential whose parts are credentials; its id follows from the issuer and the commitment (DESIGN 9)."""

    commitment: CommitmentField
    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET
    components: Annotated[tuple[CredentialIdField, ...], Meta(min_length=2, max_length=64)]


class CredentialsIssued(EventBase, frozen=True, kw_only=True, tag="credentials-issued.v1"):
    """Credentials of one achievement exist, each by a commitment of its own; `commitments` are sorted and distinct."""

    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET
    commitments: Annotated[tuple[CommitmentField, ...], Meta(min_length=2, max_length=GROUP_MAX)]


class CredentialRevoked(EventBase, frozen=True, kw_only=True, tag="credential-revoked.v1"):
    """A credential holds no more, from `effective_at` on, for good."""

    credential_id: CredentialIdField
    reason: Reason
    effective_at: MomentField
    replaced_by: CredentialIdField | msgspec.UnsetType = msgspec.UNSET


class CredentialsRevoked(EventBase, frozen=True, kw_only=True, tag="credentials-revoked.v1"):
    """Credentials of one achievement hold no more, for good; `credential_ids` are sorted and distinct."""

    credential_ids: Annotated[tuple[CredentialIdField, ...], Meta(min_length=2, max_length=GROUP_MAX)]
    reason: Reason
    effective_at: MomentField


class CredentialSuspended(EventBase, frozen=True, kw_only=True, tag="credential-suspended.v1"):
    """A credential does not hold until it is reinstated."""

    credential_id: CredentialIdField
    reason: Reason
    effective_at: MomentField


class CredentialReinstated(EventBase, frozen=True, kw_only=True, tag="credential-reinstated.v1"):
    """A suspended credential holds again."""

    credential_id: CredentialIdField
    reason: Reason
    effective_at: MomentField


class CredentialRecognised(EventBase, frozen=True, kw_only=True, tag="credential-recognised.v1"):
    """An institution counts another's credential towards a programme of its own."""

    credential_id: CredentialIdField
    decision: Literal["full", "partial"]
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    programme: UriField


class RecognitionWithdrawn(EventBase, frozen=True, kw_only=True, tag="recognition-withdrawn.v1"):
    """A recognition, named by its event id, counts no more."""

    recognition: EventIdField


class RulesActivated(EventBase, frozen=True, kw_only=True, tag="rules-activated.v1"):
    """From index `from_index` on, entries are judged by rules `version`."""

    version: Annotated[int, Meta(ge=2, le=1_000_000)]
    from_index: Annotated[int, Meta(ge=1, le=INTEGER_MAX)]


Admission = IssuerAdmitted | IssuerAdmittedV2
KeyAddition = IssuerKeyAdded | IssuerKeyAddedV2
Stack = CredentialStacked | CredentialStackedV2
Issue = CredentialIssued | CredentialIssuedV2 | CredentialsIssued | Stack
Revocation = CredentialRevoked | CredentialsRevoked
Transition = Revocation | CredentialSuspended | CredentialReinstated
Event = (
    LogOpened
    | IssuerAdmitted
    | IssuerAdmittedV2
    | IssuerScopeChanged
    | IssuerKeyAdded
    | IssuerKeyAddedV2
    | IssuerKeyRetired
    | IssuerSuspended
    | IssuerReinstated
    | IssuerClosed
    | CredentialIssued
    | CredentialStacked
    | CredentialIssuedV2
    | CredentialStackedV2
    | CredentialsIssued
    | CredentialRevoked
    | CredentialsRevoked
    | CredentialSuspended
    | CredentialReinstated
    | CredentialRecognised
    | RecognitionWithdrawn
    | RulesActivated
)
EVENT_TYPES: dict[str, type[EventBase]] = {str(kind.__struct_config__.tag): kind for kind in Event.__args__}

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_TYPE_OF = msgspec.defstruct("_TypeOf", [("type", str)])
_TYPE_DECODER = msgspec.json.Decoder(_TYPE_OF)


class UnknownEventTypeProblem(InvalidProblem):
    """An event type that this version of the software does not know; a follower stops here rather than guess."""

    slug = "unknown-event-type"
    title = "The event type is not known to this version"


def encode(event: Event) -> bytes:
    """Return the canonical bytes of an event: the payload that is signed, hashed and stored (DESIGN 3.2)."""
    return canonical_struct(event)


def decode(payload: bytes) -> Event:
    """Return the event in `payload`, with every field within its limits.

    Raises `UnknownEventTypeProblem`, `InvalidProblem` (with a JSON pointer) or `MalformedProblem`. Whether the bytes
    are canonical is for `proto.envelope` to check, by encoding again.
    """
    if len(payload) > EVENT_BYTES_MAX:
        raise MalformedProblem(f"An event has at most {EVENT_BYTES_MAX} bytes; this one has {len(payload)}")
    try:
        event = _DECODER.decode(payload)
    except msgspec.ValidationError as error:
        _refuse_unknown_type(payload)
        raise invalid(error, within="event") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedProblem(f"The event is not JSON: {error}") from error
    except RecursionError as error:
        raise MalformedProblem("The event is nested too deep") from error
    check_days(event)
    return event


def invalid(error: msgspec.ValidationError, *, within: str) -> InvalidProblem:
    """Return msgspec's finding as a problem whose `pointer` is the RFC 6901 pointer to the nearest named parent."""
    sentence, _, path = str(error).partition(" - at `")
    pointer = path.rstrip("`").removeprefix("$").split("[...]")[0].replace(".", "/").replace("[", "/").replace("]", "")
    return InvalidProblem(f"In the {within}: {in_words(sentence)}", pointer=pointer)


def _refuse_unknown_type(payload: bytes) -> None:
    try:
        kind: str = _TYPE_DECODER.decode(payload).type  # type: ignore[attr-defined] # made by defstruct above
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    if kind not in EVENT_TYPES:
        raise UnknownEventTypeProblem(
            f"No event type {kind[:60]!r} is known; known are {', '.join(sorted(EVENT_TYPES))}"
        )
