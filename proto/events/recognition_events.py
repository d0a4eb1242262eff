"""What institutions say of what others award: recognised, once for a credential or for an achievement; withdrawn."""

from typing import Literal

import msgspec

from proto.event_fields import (
    AchievementField,
    CredentialIdField,
    DidField,
    EctsField,
    EqfField,
    EventIdField,
    HashField,
    MomentField,
    UriField,
)
from proto.events.records import EventBase

Decision = Literal["full", "partial"]


class CredentialRecognised(EventBase, frozen=True, kw_only=True, tag="credential-recognised.v1"):
    """An institution counts another's credential towards a programme of its own."""

    credential_id: CredentialIdField
    decision: Decision
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    programme: UriField


class CredentialRecognisedV2(EventBase, frozen=True, kw_only=True, tag="credential-recognised.v2"):
    """As `credential-recognised.v1`; `under` a standing decision, in place of a recognition that it `replaces`.

    Both are named by their event ids (DESIGN 9).
    """

    credential_id: CredentialIdField
    decision: Decision
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    programme: UriField
    under: EventIdField | msgspec.UnsetType = msgspec.UNSET
    replaces: EventIdField | msgspec.UnsetType = msgspec.UNSET


class RecognitionWithdrawn(EventBase, frozen=True, kw_only=True, tag="recognition-withdrawn.v1"):
    """A recognition, named by its event id, counts no more."""

    recognition: EventIdField


class AchievementRecognised(EventBase, frozen=True, kw_only=True, tag="achievement-recognised.v1"):
    """A standing decision: an institution counts what another awards for an achievement, towards a programme.

    `ects_hundredths_min` and `eqf_level_min` are what a credential has to have; `description_digest` says which
    description of the achievement was meant (DESIGN 9).
    """

    achievement_issuer: DidField
    achievement: AchievementField
    decision: Decision
    ects_hundredths: EctsField
    eqf_level: EqfField | msgspec.UnsetType = msgspec.UNSET
    programme: UriField
    valid_from: MomentField
    valid_until: MomentField
    ects_hundredths_min: EctsField | msgspec.UnsetType = msgspec.UNSET
    eqf_level_min: EqfField | msgspec.UnsetType = msgspec.UNSET
    description_digest: HashField | msgspec.UnsetType = msgspec.UNSET


class AchievementRecognitionWithdrawn(EventBase, frozen=True, kw_only=True, tag="achievement-recognition-withdrawn.v1"):
    """A standing decision, named by its event id, is made no more; what was decided under it stays."""

    recognition: EventIdField
