"""An award that is ready to be issued: document and signed event belong to each other. Does nothing itself."""

from typing import Any

import msgspec

from proto.documents.credential import Award
from proto.envelope import Opened
from proto.ids import ApiKeyId, Commitment, CredentialId, EventId
from services.issuer_gateway.achievements.document_parts import AchievementPart, with_part, without_part
from services.issuer_gateway.credentials.prerequisites import Asking
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, IssueStatement
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.store import achievements
from services.issuer_gateway.unit_of_work.log_writer import OutboxEvent

_ENCODE = msgspec.json.Encoder().encode


class Sealed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed of a credential: its document without a proof, and what the institution should know of it."""

    document: dict[str, Any]
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    claims_seed: str = ""
    """What the salts of its claims come from, 32 bytes in hexadecimal; "" in a document of rules version 1."""


_DECODE = msgspec.json.Decoder(Sealed).decode


class EncodedSealed(msgspec.Struct, frozen=True):
    """What is sealed of a credential, as it is sealed: made by another process, and read here by few who ask."""

    form: bytes

    def read(self, part: AchievementPart) -> Sealed:
        """Return it with the whole document; `part` is what its document shares with others."""
        sealed = _DECODE(self.form)
        return msgspec.structs.replace(sealed, document=with_part(sealed.document, part.stored))


class PreparedAward(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that is ready to be issued: its document, and what its event says or will say."""

    award: Award
    achievement: achievements.StoredAchievement
    credential_id: CredentialId
    statement: IssueStatement
    commitment: Commitment | None = None
    """What rules version 2 has an event say of it; None by version 1, which says the id."""
    opened: Opened | None
    """The event that issues it; None by version 2 until it is decided who goes out together."""
    kept: Sealed | EncodedSealed
    part: AchievementPart
    place: Given | None
    components: tuple[CredentialId, ...] = ()
    api_key_id: ApiKeyId | None = None
    """The API key that stated the award; None where what it says of the learner are the learner's own words."""
    replaces: tuple[CredentialId, ...] = ()
    """Credentials that it replaces besides those that its award says."""
    revocations: tuple[OutboxEvent, ...] = ()
    """What is said besides: revocations of the credentials that this one replaces."""

    @property
    def event_id(self) -> EventId:
        """The event that issues it; "" until there is one."""
        return EventId("") if self.opened is None else self.opened.event_id

    @property
    def rules_version(self) -> int:
        """The version of the rules that it was prepared by."""
        return 1 if self.commitment is None else COMMITMENTS_FROM

    @property
    def sealed(self) -> Sealed:
        """What is sealed of it, with the whole document."""
        return self.kept if isinstance(self.kept, Sealed) else self.kept.read(self.part)

    @property
    def document(self) -> dict[str, Any]:
        """The document, without a proof."""
        return self.sealed.document

    @property
    def said(self) -> OutboxEvent:
        """The event, in the streams of its credentials, once there is one."""
        assert self.opened is not None, "it was decided on"
        return OutboxEvent(opened=self.opened, stream=self.credential_id)

    @property
    def asking(self) -> Asking:
        """What is asked of its learner."""
        return Asking(award=self.award, achievement=self.achievement)

    def noted(self, notes: tuple[str, ...]) -> "PreparedAward":
        """Return the same with notes for the institution added."""
        if not notes:
            return self
        sealed = msgspec.structs.replace(self.sealed, notes=(*self.sealed.notes, *notes))
        return msgspec.structs.replace(self, kept=sealed)

    def replacing(self, revocations: tuple[OutboxEvent, ...]) -> "PreparedAward":
        """Return the same with revocations of what it replaces."""
        return msgspec.structs.replace(self, revocations=revocations) if revocations else self

    @property
    def to_seal(self) -> bytes:
        """What is sealed under the learner's key: all but what the part, which is stored beside, says."""
        if isinstance(self.kept, EncodedSealed):
            return self.kept.form
        return _ENCODE(msgspec.structs.replace(self.kept, document=without_part(self.kept.document)))
