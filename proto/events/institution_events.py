"""What the registrar says of the log and of institutions, and what is said of keys."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proto.event_fields import INTEGER_MAX, CountryField, DidField, KeyIdField, MomentField, NameField, UriPrefixField
from proto.events.records import (
    Accreditation,
    EventBase,
    KeyRecord,
    KeyRecordV2,
    Parameters,
    Predecessor,
    Scope,
)


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


class RulesActivated(EventBase, frozen=True, kw_only=True, tag="rules-activated.v1"):
    """From index `from_index` on, entries are judged by rules `version`."""

    version: Annotated[int, Meta(ge=2, le=1_000_000)]
    from_index: Annotated[int, Meta(ge=1, le=INTEGER_MAX)]
