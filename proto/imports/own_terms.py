"""The terms for the EU elements that our own documents define inline, read back. Knows nothing of who signed them.

A document of ours that another institution of ours imports loses nothing of its achievement by it. What has another
form than ours, whoever wrote it, stays where it is and is listed.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from proto.documents.credential import LearningOutcome, NationalLevel, QualityAssurance
from proto.documents.fields import WORKLOAD_HOURS_MAX, AnyUri, CodeText, EscoField, LongText, ShortText, Text, Title
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem
from proto.documents.provision import Entitlement, Evidence, LearningResource, Provider
from proto.documents.vocabulary import (
    CONCEPTS,
    ECTS_FRAMEWORK,
    AssessmentType,
    Cycle,
    ParticipationMode,
    ProviderType,
    QualityAssuranceType,
    Stackability,
    Supervision,
    is_isced_f,
    isced_f_uri,
)
from proto.event_fields import CountryField, UriField
from proto.imports.imported import converted
from proto.imports.json_reader import Reader
from proto.imports.ornaments import Ornaments, fits
from proto.stacking import ects_text

_OUTCOMES_MAX, _SKILLS_MAX, _LISTED_MAX, _KINDS_MAX, _RESOURCES_MAX = 64, 32, 16, 8, 32
_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)
_K = TypeVar("_K", AssessmentType, ParticipationMode, QualityAssuranceType, Supervision)


class OwnTerms:
    """Reads one achievement: members are taken where they have the form that our documents give them."""

    def __init__(self, read: Ornaments, source: Reader) -> None:
        self._read = read
        self._source = source

    def fields(self) -> dict[str, Any]:
        """Return fields of an achievement; those of texts by language are `texts`."""
        return {
            "learning_outcomes": self._listed("learningOutcome", self._outcome, _OUTCOMES_MAX),
            "workload_hours": self._hours(),
            "cycle": self._value("cycle", Cycle),
            "national_level": self._one("nationalLevel", self._level),
            "quality_assurance": self._listed("qualityAssurance", self._quality, _LISTED_MAX),
            "prerequisites": self.texts("prerequisites", Text),
            "stackability": self._value("stackability", Stackability),
            "isced_f": self._isced(),
            "learning_resources": self._listed("learningResource", self._resource, _RESOURCES_MAX),
            "entitlements": self._listed("entitlement", self._entitlement, _LISTED_MAX),
            "providers": self._listed("provider", self._provider, _LISTED_MAX),
            "provider_type": self._value("providerType", ProviderType),
            "further_information": self.texts("furtherInformation", Text),
        }

    def texts(self, name: str, kind: Any, source: Reader | None = None) -> dict[str, str] | None:
        """Take texts by language."""
        source = source or self._source
        stated = source.value.get(name)
        if not isinstance(stated, Mapping) or not all(fits(text, str) for text in stated.values()):
            return None
        found: dict[str, str] | None = self._read.field(source, name, kind)
        if found is not None and len({tag.lower() for tag in found}) != len(found):
            source.leave(name)
            return None
        return dict(found) if found else None

    def kinds(self, name: str, kind: type[_K]) -> list[_K]:
        """Take the concepts of one vocabulary."""
        found = self._listed(name, lambda item: self._concept(item, kind), _KINDS_MAX)
        return list(dict.fromkeys(found))

    def take_credits(self, hundredths: int) -> None:
        """Take the ECTS credits, where they are those that were read otherwise."""
        point = self._one("creditPoint", lambda item: item)
        if point is None or point.value.get("framework") != ECTS_FRAMEWORK:
            return
        if point.value.get("point") == ects_text(hundredths):
            point.only("type", "CreditPoint")
            point.take("framework")
            point.take("point")

    def has_credits(self) -> bool:
        """Tell whether the document says that its credits are of the ECTS."""
        point = self._source.value.get("creditPoint")
        return isinstance(point, Mapping) and point.get("framework") == ECTS_FRAMEWORK

    def _one(self, name: str, read: Callable[[Reader], _T | None]) -> _T | None:
        found = self._source.objects(name)
        return self._read.whole(found[0], lambda: read(found[0])) if len(found) == 1 else None

    def _listed(self, name: str, read: Callable[[Reader], _T | None], count_max: int) -> list[_T]:
        return self._read.all(self._source.objects(name), read, count_max)

    def _value(self, name: str, kind: type[_E]) -> _E | None:
        stated = self._source.value.get(name)
        if not isinstance(stated, str) or not fits(stated, kind):
            return None
        self._source.take(name)
        return kind(stated)

    def _concept(self, item: Reader, kind: type[_K]) -> _K | None:
        stated = [item.value.get("notation"), item.value.get("id")]
        found = next((each for each in kind if each.value == stated[0]), None)
        found = found or next((each for each in kind if CONCEPTS[each].uri and CONCEPTS[each].uri == stated[1]), None)
        if found is None:
            return None
        item.only("type", "Concept")
        item.only("notation", found.value)
        item.only("id", CONCEPTS[found].uri)
        item.only("name", CONCEPTS[found].label)
        return found

    def _outcome(self, item: Reader) -> LearningOutcome | None:
        title = self.texts("titleByLanguage", Text, item)
        if title is None:
            return None
        item.only("type", "LearningOutcome")
        skills = self._read.texts(item, "relatedESCOSkill", EscoField, _SKILLS_MAX)
        return LearningOutcome(title=title, esco_skills=tuple(skills))

    def _hours(self) -> int | None:
        source = self._source
        hours = source.value.get("workloadHours")
        if not isinstance(hours, int) or isinstance(hours, bool) or not 0 < hours <= WORKLOAD_HOURS_MAX:
            return None
        source.take("workloadHours")
        source.only("volumeOfLearning", f"PT{hours}H")
        return hours

    def _level(self, item: Reader) -> NationalLevel:
        item.only("type", "NationalLevel")
        fields = {
            "framework": item.needed_text("frameworkName"),
            "level": item.needed_text("notation"),
            "url": self._read.address(item, "url", UriField),
        }
        return converted(fields, NationalLevel, pointer=item.pointer, refusal=NotAnOpenBadgeProblem)

    def _quality(self, item: Reader) -> QualityAssurance | None:
        concept = item.child("qualityAssuranceType")
        kind = self._concept(concept, QualityAssuranceType) if concept is not None else None
        name = self._read.short(item, "name", 300) if kind is not None else None
        if kind is None or name is None:
            return None
        item.only("type", "Accreditation")
        return QualityAssurance(
            type=kind,
            name=name,
            description=self._read.field(item, "description", LongText),
            code=self._read.code(item, "notation", CodeText),
            url=self._read.address(item, "url", UriField),
        )

    def _isced(self) -> list[str]:
        stated = self._source.value.get("iscedF")
        found: list[str] = []
        for index, uri in enumerate(stated if isinstance(stated, list) else []):
            code = str(uri).rpartition("/")[2]
            if is_isced_f(code) and uri == isced_f_uri(code) and len(found) < _KINDS_MAX:
                self._source.take_at(f"{self._source.at('iscedF')}/{index}")
                found.append(code)
        return found

    def _resource(self, item: Reader) -> LearningResource | None:
        title = self.texts("titleByLanguage", Title, item)
        if title is None:
            return None
        item.only("type", "LearningResource")
        return LearningResource(title=title, url=self._read.address(item, "url", UriField))

    def _entitlement(self, item: Reader) -> Entitlement | None:
        title = self.texts("titleByLanguage", Text, item)
        if title is None:
            return None
        item.only("type", "LearningEntitlementSpecification")
        return Entitlement(title=title, url=self._read.address(item, "url", UriField))

    def _provider(self, item: Reader) -> Provider | None:
        name = self._read.field(item, "name", ShortText)
        if name is None:
            return None
        item.only("type", "Profile")
        address = item.child("address")
        country = None
        if address is not None:
            address.only("type", "Address")
            country = self._read.field(address, "addressCountryCode", CountryField)
        return Provider(name=name, country=country, url=self._read.address(item, "url", UriField))


def evidence_of(read: Ornaments, item: Reader) -> Evidence | None:
    """Take one piece of Open Badges' evidence: its address, what it says of itself as one text, and its genre."""
    url = read.address(item, "id", AnyUri)
    texts = [text for name in ("name", "description", "narrative") if (text := read.field(item, name, LongText))]
    if not fits("\n".join(texts) or "-", LongText):
        read.doubt(item.pointer, "Its texts are longer than can be kept together; the last is")
        for name in ("name", "description", "narrative"):
            if item.value.get(name) != texts[-1]:
                item.leave(name)
        texts = texts[-1:]
    text = "\n".join(texts) or None
    if url is None and text is None:
        return None
    item.only("type", "Evidence")
    return Evidence(url=url, text=text, kind=read.field(item, "genre", ShortText))
