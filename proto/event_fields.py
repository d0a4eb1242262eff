"""The forms of the fields of events. Each carries its limits, so that decoding checks them and OpenAPI shows them."""

from typing import Annotated, Literal

from msgspec import Meta

from proto.ids import (
    DID_PATTERN,
    HEX_256_PATTERN,
    KEY_ID_PATTERN,
    ORIGIN_PATTERN,
    URI_PATTERN,
    AchievementUri,
    Commitment,
    CredentialId,
    Did,
    EventId,
    KeyId,
    Origin,
)
from proto.keys import PUBLIC_KEY_PATTERN, PublicKey
from proto.moment import MOMENT_PATTERN, Moment
from proto.p256 import P256_KEY_LENGTH, P256_KEY_PATTERN

INTEGER_MAX = 2**53 - 1

DidField = Annotated[Did, Meta(pattern=DID_PATTERN, max_length=240)]
KeyIdField = Annotated[KeyId, Meta(pattern=KEY_ID_PATTERN, max_length=300)]
PublicKeyField = Annotated[PublicKey, Meta(pattern=PUBLIC_KEY_PATTERN, max_length=48)]
AnyPublicKeyField = Annotated[
    PublicKey, Meta(pattern=rf"{PUBLIC_KEY_PATTERN}|{P256_KEY_PATTERN}", max_length=P256_KEY_LENGTH)
]
OriginField = Annotated[Origin, Meta(pattern=ORIGIN_PATTERN, max_length=200)]
MomentField = Annotated[Moment, Meta(pattern=MOMENT_PATTERN, max_length=24)]
CredentialIdField = Annotated[CredentialId, Meta(pattern=HEX_256_PATTERN, max_length=64)]
CommitmentField = Annotated[Commitment, Meta(pattern=HEX_256_PATTERN, max_length=64)]
EventIdField = Annotated[EventId, Meta(pattern=HEX_256_PATTERN, max_length=64)]
HashField = Annotated[str, Meta(pattern=HEX_256_PATTERN, max_length=64)]
UriField = Annotated[str, Meta(pattern=URI_PATTERN, max_length=500)]
AchievementField = Annotated[AchievementUri, Meta(pattern=URI_PATTERN, max_length=500)]
UriPrefixField = Annotated[str, Meta(pattern=r"^https?://[!-~]{1,300}/\Z", max_length=310)]
CountryField = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", max_length=2)]
NameField = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=200)]
NonceField = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z", max_length=36)
]
EctsField = Annotated[int, Meta(ge=0, le=100_000, description="ECTS credits in hundredths: 350 is 3.5 ECTS")]
EqfField = Annotated[int, Meta(ge=1, le=8, description="EQF level, 1 to 8")]

Reason = Literal["error", "superseded", "withdrawn", "invalidated", "legal-order", "key-compromise"]
Purpose = Literal["event", "assertion", "recovery"]
KeyPurpose = Literal["event", "assertion", "recovery", "form"]
"""What a key of a ring may be for; `form` from rules version 2 on (DESIGN 9)."""
