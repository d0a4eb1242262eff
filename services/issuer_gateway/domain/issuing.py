"""What an event says of a credential that it issues, by rules version 1 or 2, alone or with others. Pure."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from proto import events
from proto.documents.claims_root import CLAIMS_ROOT_TERM, claims_root
from proto.documents.credential import Achievement, Award
from proto.documents.document import document_digest
from proto.ids import AchievementUri, Commitment, CredentialId, Did, commitment, committed_credential_id
from proto.moment import Moment
from services.issuer_gateway.domain.awarding import Common

COMMITMENTS_FROM = 2
"""The version of the rules from which an issue says commitments (DESIGN 9)."""


class IssueStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What an issue says besides whose it is: credentials of which it is equal can be issued by one event."""

    achievement: AchievementUri
    ects_hundredths: int
    eqf_level: int | None
    valid_from: Moment
    valid_until: Moment | None

    def fields(self) -> dict[str, Any]:
        """Return the members of an event by name."""
        return {
            "achievement": self.achievement,
            "ects_hundredths": self.ects_hundredths,
            "eqf_level": self.eqf_level or msgspec.UNSET,
            "valid_from": self.valid_from,
            "valid_until": self.valid_until or msgspec.UNSET,
        }


class CommittedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document with its claims root, and what follows from it for its institution."""

    document: dict[str, Any]
    commitment: Commitment
    credential_id: CredentialId


def statement_of(achievement: Achievement, award: Award, *, zone: tzinfo = UTC) -> IssueStatement:
    """Return what the issue of an award says: credits, level and dates as its document has them, days in `zone`."""
    return IssueStatement(
        achievement=achievement.uri,
        ects_hundredths=award.earned_hundredths(achievement),
        eqf_level=achievement.eqf_level,
        valid_from=award.begins_in(zone),
        valid_until=award.ends_in(zone),
    )


def statement_in(event: events.CredentialsIssued) -> IssueStatement:
    """Return what an event says of each of its credentials."""
    return IssueStatement(
        achievement=event.achievement,
        ects_hundredths=event.ects_hundredths,
        eqf_level=event.eqf_level or None,
        valid_from=event.valid_from,
        valid_until=event.valid_until or None,
    )


def committed(
    document: dict[str, Any], issuer: Did, seed: bytes, *, achievement: bytes | None = None
) -> CommittedDocument:
    """Return a document with the claims root by this seed, its commitment and its credential id (DESIGN 9).

    `achievement` is that claim in canonical JSON, where it was made before.
    """
    root = claims_root(document, seed, achievement=achievement)
    rooted = document | {CLAIMS_ROOT_TERM: root.hex()}
    said = commitment(document_digest(rooted), root)
    return CommittedDocument(document=rooted, commitment=said, credential_id=committed_credential_id(issuer, said))


def issued_event(common: Common, said: IssueStatement, name: CredentialId) -> events.CredentialIssued:
    """Return the event of rules version 1 that issues a credential by this id."""
    return events.CredentialIssued(**common.fields(), **said.fields(), credential_id=name)


def stacked_event(
    common: Common, said: IssueStatement, name: CredentialId, components: Sequence[CredentialId]
) -> events.CredentialStacked:
    """Return the event of rules version 1 that stacks components, which come sorted and distinct."""
    return events.CredentialStacked(
        **common.fields(), **said.fields(), credential_id=name, components=tuple(components)
    )


def committed_event(
    common: Common, said: IssueStatement, commitments: Sequence[Commitment], components: Sequence[CredentialId] = ()
) -> events.CredentialIssuedV2 | events.CredentialStackedV2 | events.CredentialsIssued:
    """Return the event of rules version 2 that issues one credential, stacks one of components, or issues several."""
    fields = common.fields() | said.fields()
    if len(commitments) > 1:
        return events.CredentialsIssued(**fields, commitments=tuple(sorted(commitments)))
    if components:
        return events.CredentialStackedV2(**fields, commitment=commitments[0], components=tuple(components))
    return events.CredentialIssuedV2(**fields, commitment=commitments[0])
