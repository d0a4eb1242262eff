"""What events hold: records within them, the log's parameters, and what every event carries. Knows no kind of event."""

from typing import Annotated

import msgspec
from msgspec import Meta

from proto.event_fields import (
    INTEGER_MAX,
    AnyPublicKeyField,
    DidField,
    EctsField,
    EqfField,
    HashField,
    KeyIdField,
    KeyPurpose,
    MomentField,
    NameField,
    NonceField,
    OriginField,
    PublicKeyField,
    Purpose,
    UriField,
)
from proto.ids import TreeSize


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
