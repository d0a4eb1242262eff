"""What is known of the evidence of many applications, put together from what was read at once. Reads nothing."""

from collections.abc import Mapping, Sequence

import msgspec

from proto.ids import ApplicationId
from services.issuer_gateway.applications.precedents import NOT_ASKED, FoundPrecedents
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence
from services.issuer_gateway.store.like_cases import EvidencePlace, LikeCase
from services.issuer_gateway.store.published_decisions import PublishedDecision


class KnownEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of evidence with what was decided on it and on like cases, and what of that is `published`."""

    item: SealedEvidence
    made: Sequence[EvidenceDecision]
    like: Sequence[LikeCase]
    public: FoundPrecedents
    published: Sequence[PublishedDecision]


def place_of(of: SealedEvidence | EvidenceDecision) -> EvidencePlace:
    """Return which piece of evidence something is about, or is."""
    return of.application_id, of.number


def by_application(
    items: Sequence[SealedEvidence],
    made: Sequence[EvidenceDecision],
    like: Mapping[EvidencePlace, Sequence[LikeCase]],
    public: Mapping[EvidencePlace, FoundPrecedents],
    published: Mapping[EvidencePlace, Sequence[PublishedDecision]],
) -> dict[ApplicationId, list[KnownEvidence]]:
    """Return the evidence of each application, in its order."""
    decided: dict[EvidencePlace, list[EvidenceDecision]] = {}
    for each in made:
        decided.setdefault(place_of(each), []).append(each)
    found: dict[ApplicationId, list[KnownEvidence]] = {}
    for item in items:
        place = place_of(item)
        evidence = KnownEvidence(
            item=item,
            made=decided.get(place, ()),
            like=like.get(place, ()),
            public=public.get(place, NOT_ASKED),
            published=published.get(place, ()),
        )
        found.setdefault(item.application_id, []).append(evidence)
    return found
