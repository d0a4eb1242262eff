"""What is known of the evidence of many applications, put together from what was read at once. Reads nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from proto.ids import ApplicationId
from services.issuer_gateway.applications.precedents import NOT_ASKED, FoundPrecedents
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence
from services.issuer_gateway.store.like_cases import EvidencePlace, LikeCase


class KnownEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence with what was decided on it and on like cases."""

    item: SealedEvidence
    made: Sequence[EvidenceDecision]
    like: Sequence[LikeCase]
    public: FoundPrecedents


def place_of(of: SealedEvidence | EvidenceDecision) -> EvidencePlace:
    """Return which piece of evidence something is about, or is."""
    return of.application_id, of.number


def by_application(
    items: Sequence[SealedEvidence],
    made: Sequence[EvidenceDecision],
    like: Mapping[EvidencePlace, Sequence[LikeCase]],
    public: Mapping[EvidencePlace, FoundPrecedents],
) -> dict[ApplicationId, list[KnownEvidence]]:
    """Return the evidence of each application, in its order."""
    decided: dict[EvidencePlace, list[EvidenceDecision]] = {}
    for each in made:
        decided.setdefault(place_of(each), []).append(each)
    found: dict[ApplicationId, list[KnownEvidence]] = {}
    for item in items:
        place = place_of(item)
        evidence = KnownEvidence(
            item=item, made=decided.get(place, ()), like=like.get(place, ()), public=public.get(place, NOT_ASKED)
        )
        found.setdefault(item.application_id, []).append(evidence)
    return found
