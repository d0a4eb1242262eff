"""Questions and what may be answered to none: for which moments is asked, and how far the records hold. Pure."""

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from proto.documents.content import content_of
from proto.ids import CredentialId, Origin
from proto.moment import Moment
from proto.problem import NotFoundProblem
from services.follow import Health, Position
from services.verifier.verdict.findings import Judgement, is_proven
from services.verifier.verdict.grounds import Grounds
from services.verifier.verdict.quality import day_of


class UnknownCredentialProblem(NotFoundProblem):
    """No credential of this id is on the log, as far as this verifier knows."""

    slug = "unknown-credential"
    title = "No such credential is on record"


class UnknownIssuerProblem(NotFoundProblem):
    """No institution of this DID is on the log, as far as this verifier knows."""

    slug = "unknown-issuer"
    title = "No such institution is on record"


class NotAStackProblem(NotFoundProblem):
    """The credential is not made of other credentials."""

    slug = "not-a-stack"
    title = "The credential is not a stack"


class NoCheckpointProblem(NotFoundProblem):
    """This verifier knows no checkpoint of the log yet."""

    slug = "no-checkpoint"
    title = "Nothing is known of the log yet"


class Moments(msgspec.Struct, frozen=True, kw_only=True):
    """For when is asked (`at`), and by the knowledge of when (`known_at`; None: all that is known)."""

    at: Moment | None = None
    known_at: Moment | None = None


class TimedQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to one question: its moments, the health read before the records, and the time of asking."""

    moments: Moments
    health: Health
    now: Moment

    @property
    def is_about_now(self) -> bool:
        """Whether no other moment is asked about than now, by all that is known."""
        return self.moments == Moments()

    @property
    def today(self) -> "TimedQuestion":
        """The same question about now."""
        return msgspec.structs.replace(self, moments=Moments())

    def after(self, position: Position) -> "TimedQuestion":
        """Return the question as of now by these records, which may be newer than the health that was read before."""
        return msgspec.structs.replace(self, now=now_after(self.now, self.health, position))


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with what it rests on; `credential_id` is what was asked about, or what the document makes.

    `document` is what was sent, for this one answer only.
    """

    judgement: Judgement
    grounds: Grounds
    credential_id: CredentialId | None
    document: Mapping[str, Any] | None = None

    @property
    def with_content(self) -> Judgement:
        """The judgement, with what the document says where it is proven."""
        if self.document is None or not is_proven(*self.judgement.checks[:2]):
            return self.judgement
        content = self.grounds.quality.content(content_of(self.document), today=day_of(self.grounds.now))
        return msgspec.structs.replace(self.judgement, content=content)


class HealthSource(Protocol):
    """Who knows how far the records can be relied on: the follower of this process, or of another."""

    @property
    def origin(self) -> Origin:
        """The name of the log."""

    def health(self) -> Health:
        """Return how far the records can be relied on now; what is read after this is at least as new."""


def now_after(now: Moment, health: Health, position: Position | None) -> Moment:
    """Return a clock's time, never before what the log or its witnesses have shown."""
    shown = [moment for moment in (health.shown_at, position.last_received_at if position else None) if moment]
    return max(now, *shown) if shown else now
