"""Parameters in paths that several routes share."""

from typing import Annotated

from msgspec import Meta

from proto.ids import HEX_256_PATTERN, CredentialId
from proto.wire.ledger import Body


class CredentialPath(Body, frozen=True, kw_only=True):
    """A credential id."""

    credential_id: Annotated[CredentialId, Meta(pattern=HEX_256_PATTERN, max_length=64)]
