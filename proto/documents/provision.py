"""Who provides an achievement, what is learned with, what it entitles to, and what shows that it was earned.

The Council Recommendation of 16 June 2022 (2022/C 243/02) names the kinds of providers. Knows no achievement and no
award; `proto.documents.credential` has these records in its own.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from proto.documents.fields import AnyUri, LongText, ShortText, Text, Title
from proto.documents.vocabulary import ProviderType
from proto.event_fields import CountryField, UriField
from proto.events import Record

MEMBERS = ("learningResource", "entitlement", "provider", "providerType")
"""Members of a document's achievement that say this; the evidence of an award is Open Badges' own `evidence`."""


class LearningResource(Record, frozen=True, kw_only=True):
    """Something that one learns with, such as a book, a data set or a course page."""

    title: Title
    url: UriField | None = None


class Entitlement(Record, frozen=True, kw_only=True):
    """What a successful learner may do or claim by it, such as enter a programme or use a title."""

    title: Text
    url: UriField | None = None


class Provider(Record, frozen=True, kw_only=True):
    """Who teaches it, where that is not, or not only, the institution that awards it."""

    name: ShortText
    country: CountryField | None = None
    url: UriField | None = None


class Evidence(Record, frozen=True, kw_only=True):
    """What shows that an award was earned: where it can be seen, in words, or both; and which kind it is of."""

    url: AnyUri | None = None
    text: LongText | None = None
    kind: Annotated[ShortText, Meta(description="Which kind of evidence, such as portfolio or artefact")] | None = None

    def __post_init__(self) -> None:
        if self.url is None and self.text is None:
            raise ValueError("Evidence has an address (url), a text, or both")


def provision_part(
    resources: Sequence[LearningResource],
    entitlements: Sequence[Entitlement],
    providers: Sequence[Provider],
    provider_type: ProviderType | None,
) -> dict[str, Any]:
    """Return what a document's achievement says of these, by the names in `MEMBERS`."""
    said = (
        [_titled("LearningResource", item) for item in resources],
        [_titled("LearningEntitlementSpecification", item) for item in entitlements],
        [_provider(item) for item in providers],
        provider_type.value if provider_type else None,
    )
    return dict(zip(MEMBERS, said, strict=True))


def evidence_part(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Return the evidence of an award as OB 3.0 Evidence, whose `genre` is the kind."""
    return [
        _stated({"id": item.url, "type": ["Evidence"], "narrative": item.text, "genre": item.kind}) for item in evidence
    ]


def _titled(kind: str, item: LearningResource | Entitlement) -> dict[str, Any]:
    title = {tag.lower(): text for tag, text in item.title.items()}
    return _stated({"type": [kind], "titleByLanguage": title, "url": item.url})


def _provider(item: Provider) -> dict[str, Any]:
    address = {"type": ["Address"], "addressCountryCode": item.country} if item.country else None
    return _stated({"type": ["Profile"], "name": item.name, "url": item.url, "address": address})


def _stated(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
