"""What institutions say of credentials: issued, stacked, revoked, suspended, reinstated; alone or many together."""

from typing import Annotated

import msgspec
from msgspec import Meta

from proto.event_fields import (
    AchievementField,
    CommitmentField,
    CredentialIdField,
    EctsField,
    EqfField,
    MomentField,
    Reason,
)
from proto.events.records import EventBase

GROUP_MAX = 256
"""Credentials that one event is about at most."""

Components = Annotated[tuple[CredentialIdField, ...], Meta(min_length=2, max_length=64)]


class IssueBase(EventBase, frozen=True, kw_only=True):
    """What every issue says of a credential; no event of its own."""

    achievement: AchievementField
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    valid_from: MomentField
    valid_until: MomentField | msgspec.UnsetType = msgspec.UNSET


class CredentialIssued(IssueBase, frozen=True, kw_only=True, tag="credential-issued.v1"):
    """A credential exists; its document stays with the learner."""

    credential_id: CredentialIdField


class CredentialStacked(IssueBase, frozen=True, kw_only=True, tag="credential-stacked.v1"):
    """A credential whose parts are credentials; `components` are sorted and distinct."""

    credential_id: CredentialIdField
    components: Components


class CredentialIssuedV2(IssueBase, frozen=True, kw_only=True, tag="credential-issued.v2"):
    """A credential exists; its id follows from the issuer and the commitment (DESIGN 9)."""

    commitment: CommitmentField


class CredentialStackedV2(IssueBase, frozen=True, kw_only=True, tag="credential-stacked.v2"):
    """A credential whose parts are credentials; its id follows from the issuer and the commitment (DESIGN 9)."""

    commitment: CommitmentField
    components: Components


class CredentialsIssued(IssueBase, frozen=True, kw_only=True, tag="credentials-issued.v1"):
    """Credentials of one achievement exist, each by a commitment of its own; `commitments` are sorted and distinct."""

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
