"""What institutions say of credentials of others: recognised, and withdrawn."""

from typing import Literal

import msgspec

from proto.event_fields import CredentialIdField, EctsField, EqfField, EventIdField, UriField
from proto.events.records import EventBase

Decision = Literal["full", "partial"]


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
