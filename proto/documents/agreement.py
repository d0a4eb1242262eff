"""Whether a document and the issue on the log say the same of a credential. Pure; knows no wording for people."""

from collections.abc import Sequence
from typing import Literal, Protocol

from proto.documents.open_badge_claims import DocumentClaims
from proto.events import CredentialStacked, CredentialStackedV2, Record
from proto.events import Issue as IssueEvent
from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment

Field = Literal["issuer", "achievement", "credits", "EQF level", "valid from", "valid until", "components"]
"""What both of them say, by its name."""


class IssueTerms(Protocol):
    """What an issue says of its credential: a life that followed from it, or `issue_of` its event."""

    @property
    def issuer(self) -> Did:
        """Who issued it."""

    @property
    def achievement(self) -> AchievementUri:
        """What was achieved."""

    @property
    def ects_hundredths(self) -> int:
        """Its credits."""

    @property
    def eqf_level(self) -> int | None:
        """Its level."""

    @property
    def valid_from(self) -> Moment:
        """When it begins."""

    @property
    def valid_until(self) -> Moment | None:
        """The first moment at which it holds no more."""

    @property
    def components(self) -> Sequence[CredentialId]:
        """The parts of a stack."""


class StatedTerms(Record, frozen=True, kw_only=True):
    """What the event of an issue says of its credential."""

    issuer: Did
    achievement: AchievementUri
    ects_hundredths: int
    eqf_level: int | None
    valid_from: Moment
    valid_until: Moment | None
    components: tuple[CredentialId, ...]


def issue_of(event: IssueEvent) -> StatedTerms:
    """Return what an event says of each credential that it issues."""
    return StatedTerms(
        issuer=event.issuer,
        achievement=event.achievement,
        ects_hundredths=event.ects_hundredths,
        eqf_level=event.eqf_level or None,
        valid_from=event.valid_from,
        valid_until=event.valid_until or None,
        components=event.components if isinstance(event, CredentialStacked | CredentialStackedV2) else (),
    )


def differences(claimed: DocumentClaims, issue: IssueTerms) -> list[Field]:
    """Return the names of what document and issue say differently; none if they agree."""
    pairs: dict[Field, tuple[object, object]] = {
        "issuer": (claimed.issuer, issue.issuer),
        "achievement": (claimed.achievement, issue.achievement),
        "credits": (claimed.ects_hundredths, issue.ects_hundredths),
        "EQF level": (claimed.eqf_level, issue.eqf_level),
        "valid from": (claimed.valid_from, issue.valid_from),
        "valid until": (claimed.valid_until, issue.valid_until),
        "components": (tuple(sorted(claimed.components)), tuple(sorted(issue.components))),
    }
    return [name for name, (in_document, on_log) in pairs.items() if in_document != on_log]
