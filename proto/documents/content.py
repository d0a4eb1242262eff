"""What a document says, in the order in which people ask: whose, what, how much, how well. Proves nothing of it.

Total: what is missing, or of another form than documents of ours have, is left out, so that any document may be read.
What concerns the achievement alone is the same in many documents: it is read once, and kept by its own bytes. Nothing
of a holder is kept.
Texts that exist in several languages come as `{language tag: text}`.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from proto.documents.open_badge_names import NamedTwiceProblem, with_names
from proto.documents.vocabulary import is_isced_f, isced_f_uri
from proto.ids import CredentialId
from proto.wire.content import (
    ComponentContent,
    Content,
    EvidenceContent,
    HolderContent,
    LevelContent,
    OutcomeContent,
    ProviderContent,
    QualityContent,
    ReferenceContent,
    ResultContent,
    Texts,
    TitledContent,
)

_HUNDREDTHS = 100
_ITEMS_MAX = 64
_TEXT_MAX = 10_000
_ESCO = "ext:ESCO"
_EQF = "http://data.europa.eu/snb/eqf/"
_NOT_READ = frozenset({"@context", "credentialSubject", "proof", "credentialSchema", "credentialStatus"})
_KEPT_MAX = 256
_KEPT_BYTES_MAX = 16_384
"""Achievements that are read once, and how long they may be: together some 10 MB at the most."""
_ENCODE = msgspec.json.Encoder().encode
_NO_SCHEME = ResultContent()


class _AchievementContent(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says of its achievement alone: the same for everybody who earned it, and nothing personal."""

    content: Content
    schemes: Mapping[str, ResultContent]
    """By the id of a result description: the scheme, without a result."""
    available: Any


def content_of(document: Mapping[str, Any]) -> Content:
    """Return what a credential document says of its holder, its achievement and its result."""
    subject = _object(document.get("credentialSubject"))
    known = _known(_object(subject.get("achievement")))
    own = _named({name: document[name] for name in document.keys() - _NOT_READ})
    subject = _named({name: subject[name] for name in subject.keys() - {"achievement"}})
    return replace(
        known.content,
        title=known.content.title or _plain(own.get("name"), known.content.language),
        holder=_holder(subject),
        issuer_name=_text(_object(own.get("issuer")).get("name")),
        awarded_at=_text(own.get("awardedDate")),
        valid_from=_text(own.get("validFromDay")) or _text(own.get("validFrom")),
        valid_until=_text(own.get("validUntilDay")) or _text(own.get("validUntil")),
        ects_hundredths=_credits(subject.get("creditsEarned"), known.available),
        results=tuple(_results(subject, known.schemes)),
        narrative=_text(subject.get("narrative")),
        evidence=tuple(_evidence(own.get("evidence"))),
        components=tuple(_component(item) for item in _objects(subject.get("component"))),
    )


def _known(achievement: Mapping[str, Any]) -> _AchievementContent:
    """Return what is said of an achievement, read once for many documents where it is not too long to be kept."""
    try:
        encoded = _ENCODE(achievement)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return _read(achievement)
    return _kept(encoded) if len(encoded) <= _KEPT_BYTES_MAX else _read(achievement)


@lru_cache(maxsize=_KEPT_MAX)
def _kept(encoded: bytes) -> _AchievementContent:
    return _read(msgspec.json.decode(encoded))


def _read(achievement: Mapping[str, Any]) -> _AchievementContent:
    achievement = _named(achievement)
    language = _text(achievement.get("inLanguage")) or "und"
    content = Content(
        language=language,
        title=_texts(achievement, "title", "name", language),
        description=_texts(achievement, "description", "description", language),
        holder=HolderContent(),
        achievement=_text(achievement.get("id")),
        learning_outcomes=tuple(_outcome(item, language) for item in _objects(achievement.get("learningOutcome"))),
        skills=tuple(_skills(achievement)),
        workload_hours=_whole(achievement.get("workloadHours")),
        level=_level(achievement),
        criteria=_criteria(achievement, language),
        assessments=_names(achievement.get("assessmentType")),
        participation=_names(achievement.get("participationMode")),
        supervision=next(iter(_names(achievement.get("supervision"))), None),
        quality_assurance=tuple(_quality(item) for item in _objects(achievement.get("qualityAssurance"))),
        prerequisites=_texts(achievement, "prerequisites", "", language),
        learning_resources=tuple(_titled(achievement.get("learningResource"), language)),
        entitlements=tuple(_titled(achievement.get("entitlement"), language)),
        providers=tuple(_providers(achievement.get("provider"))),
        provider_type=_text(achievement.get("providerType")),
        further_information=_texts(achievement, "furtherInformation", "", language),
        isced_f=tuple(_fields_of_education(achievement.get("iscedF"))),
    )
    return _AchievementContent(
        content=content, schemes=dict(_schemes(achievement)), available=achievement.get("creditsAvailable")
    )


def _named(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an object under the short names; what says one thing under two names is read as it stands."""
    try:
        named: Mapping[str, Any] = with_names(node)
    except NamedTwiceProblem:
        return node
    return named


def _fields_of_education(value: Any) -> Iterator[str]:
    """Yield the ISCED-F codes of addresses that name one."""
    for item in (value if isinstance(value, list) else [value])[:_ITEMS_MAX]:
        named = _text(item.get("id") if isinstance(item, Mapping) else item) or ""
        code = named.rpartition("/")[2]
        if is_isced_f(code) and named == isced_f_uri(code):
            yield code


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, or the one that stands where a list is usual."""
    for item in (value if isinstance(value, list) else [value])[:_ITEMS_MAX]:
        if isinstance(item, Mapping):
            yield item


def _text(value: Any) -> str | None:
    return value[:_TEXT_MAX] if isinstance(value, str) and value.strip() else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _plain(value: Any, language: str) -> Texts:
    text = _text(value)
    return {language: text} if text else {}


def _texts(holder: Mapping[str, Any], name: str, plain: str, language: str) -> Texts:
    """Return the texts of an element by language; where there is but one, under the language of the achievement."""
    by_language = holder.get(f"{name}ByLanguage", holder.get(name) if not plain else None)
    found = {
        tag[:35]: text
        for tag, value in list(_object(by_language).items())[:_ITEMS_MAX]
        if (text := _text(value)) and tag.replace("-", "").isalnum()
    }
    return found or _plain(holder.get(plain), language)


def _holder(subject: Mapping[str, Any]) -> HolderContent:
    given, family = _text(subject.get("givenName")), _text(subject.get("familyName"))
    return HolderContent(
        name=" ".join(filter(None, (given, family))) or _identity(subject, "name"),
        date_of_birth=_text(subject.get("dateOfBirth")),
        identifier=_text(subject.get("id")),
    )


def _identity(subject: Mapping[str, Any], kind: str) -> str | None:
    for item in _objects(subject.get("identifier")):
        if item.get("identityType") == kind and item.get("hashed") is False:
            return _text(item.get("identityHash"))
    return _text(subject.get(kind))


def _outcome(item: Mapping[str, Any], language: str) -> OutcomeContent:
    skills = item.get("relatedESCOSkill")
    return OutcomeContent(
        title=_texts(item, "title", "name", language),
        skills=tuple(text for skill in (skills if isinstance(skills, list) else [skills]) if (text := _text(skill))),
    )


def _skills(achievement: Mapping[str, Any]) -> Iterator[ReferenceContent]:
    for item in _objects(achievement.get("alignment")):
        name = _text(item.get("targetName"))
        if item.get("targetType") == _ESCO and name:
            yield ReferenceContent(name=name, url=_text(item.get("targetUrl")))


def _credits(*said: Any) -> int | None:
    """Return the first of these numbers of credits that is one, in hundredths."""
    for value in said:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _TEXT_MAX:
            return round(value * _HUNDREDTHS)
    return None


def _level(achievement: Mapping[str, Any]) -> LevelContent:
    eqf, national = _text(achievement.get("eqfLevel")) or "", _object(achievement.get("nationalLevel"))
    number = eqf.removeprefix(_EQF)
    return LevelContent(
        eqf=int(number) if eqf.startswith(_EQF) and number in set("12345678") else None,
        framework=_text(national.get("frameworkName")),
        national=_text(national.get("notation")),
        cycle=_text(achievement.get("cycle")),
    )


def _schemes(achievement: Mapping[str, Any]) -> Iterator[tuple[str, ResultContent]]:
    for item in _objects(achievement.get("resultDescription")):
        if isinstance(name := item.get("id"), str):
            yield (
                name,
                ResultContent(
                    scheme=_text(item.get("name")),
                    lowest=_text(item.get("valueMin")),
                    highest=_text(item.get("valueMax")),
                    required=_text(item.get("requiredValue")) or _text(item.get("requiredLevel")),
                ),
            )


def _results(subject: Mapping[str, Any], schemes: Mapping[str, ResultContent]) -> Iterator[ResultContent]:
    for item in _objects(subject.get("result")):
        named = item.get("resultDescription")
        scheme = schemes.get(named, _NO_SCHEME) if isinstance(named, str) else _NO_SCHEME
        yield replace(scheme, value=_text(item.get("value")), status=_text(item.get("status")))


def _criteria(achievement: Mapping[str, Any], language: str) -> Texts:
    found = _texts(achievement, "criteria", "", language) if "criteriaByLanguage" in achievement else {}
    return found or _plain(_object(achievement.get("criteria")).get("narrative"), language)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(text for item in _objects(value) if (text := _text(item.get("name")) or _text(item.get("notation"))))


def _quality(item: Mapping[str, Any]) -> QualityContent:
    return QualityContent(
        type=next(iter(_names(item.get("qualityAssuranceType"))), None),
        name=_text(item.get("name")),
        code=_text(item.get("notation")),
        url=_text(item.get("url")),
    )


def _titled(value: Any, language: str) -> Iterator[TitledContent]:
    for item in _objects(value):
        title, url = _texts(item, "title", "name", language), _text(item.get("url"))
        if title or url:
            yield TitledContent(title=title, url=url)


def _providers(value: Any) -> Iterator[ProviderContent]:
    for item in _objects(value):
        name = _text(item.get("name"))
        if name:
            country = _text(_object(item.get("address")).get("addressCountryCode"))
            yield ProviderContent(name=name, country=country, url=_text(item.get("url")))


def _evidence(value: Any) -> Iterator[EvidenceContent]:
    """Yield what is shown as evidence; documents of ours say it in words under `narrative`."""
    for item in _objects(value):
        url, kind = _text(item.get("id")), _text(item.get("genre"))
        text = next(filter(None, (_text(item.get(name)) for name in ("narrative", "description", "name"))), None)
        if url or text:
            yield EvidenceContent(url=url, text=text, kind=kind)


def _component(item: Mapping[str, Any]) -> ComponentContent:
    return ComponentContent(
        credential_id=CredentialId(_text(item.get("credentialId")) or ""),
        achievement=_text(item.get("componentAchievement")),
        ects=_text(item.get("point")),
    )
