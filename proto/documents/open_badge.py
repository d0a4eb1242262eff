"""Builds the credential document: W3C VC 2.0, Open Badges 3.0 and the EU standard elements. Signs and stores nothing.

Grade, credits and dates are inside, so whatever signs or hashes the document covers them. Whole numbers are written as
integers, moments in UTC without fractions of seconds (other people's programs write them so again), language tags in
lower case (RDF processors differ otherwise), and what Open Badges has no term for under its IRI (`open_badge_names`).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from proto import days
from proto.documents.credential import (
    Achievement,
    Alignment,
    Award,
    Identifier,
    IssuerProfile,
    Learner,
    LearningOutcome,
)
from proto.documents.open_badge_context import OPEN_BADGES_SCHEMA, SCHEMA_TYPE, contexts
from proto.documents.open_badge_names import IRIS, with_iris
from proto.documents.provision import evidence_part, provision_part
from proto.documents.results import result_descriptions, results
from proto.documents.vocabulary import CONCEPTS, ECTS_FRAMEWORK, eqf_uri, isced_f_uri
from proto.event_fields import CredentialIdField
from proto.events import Record
from proto.ids import AchievementUri, Did
from proto.moment import Moment, as_written
from proto.problem import InvalidProblem
from proto.stacking import ects_text

EQF_TARGET_TYPE = "ext:EQF"
ESCO_TARGET_TYPE = "ext:ESCO"
QUALITY_TARGET_TYPE = "ext:QualityAssurance"
_DOCUMENT_ID = re.compile(r"^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_HUNDREDTHS = 100
OF_THE_PERSON = ("identifier", IRIS["givenName"], IRIS["familyName"], IRIS["dateOfBirth"])
"""The members of a document's subject that say who the learner is (`who`)."""
_LANGUAGE_PARTS = re.compile(r"^([A-Za-z]{2,3})(?:-([A-Za-z]{4}))?(?:-([A-Za-z]{2}|[0-9]{3}))?")


class Component(Record, frozen=True, kw_only=True):
    """One part of a stack, as the stack's document names it."""

    credential_id: CredentialIdField
    achievement: AchievementUri
    issuer: Did
    ects_hundredths: int


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What the documents of all awards of an achievement have in common: members of the document and its subject."""

    context: list[Any]
    issuer: dict[str, Any]
    schema: list[Any]
    achievement: dict[str, Any]

    @property
    def members(self) -> tuple[Any, ...]:
        """All of them."""
        return (self.context, self.issuer, self.schema, self.achievement)


def fixed_of(issuer: IssuerProfile, achievement: Achievement) -> Fixed:
    """Return what the documents of this achievement have in common."""
    return Fixed(
        context=contexts(),
        issuer=_issuer(issuer),
        schema=[{"id": OPEN_BADGES_SCHEMA, "type": SCHEMA_TYPE}],
        achievement=achievement_part(achievement),
    )


class MismatchProblem(InvalidProblem):
    """The award is for another achievement than the one it came with."""

    slug = "award-mismatch"
    title = "Award and achievement do not belong together"


def build_document(
    *,
    document_id: str,
    issuer: IssuerProfile,
    achievement: Achievement,
    award: Award,
    components: Sequence[Component] = (),
    credential_status: Mapping[str, Any] | None = None,
    fixed: Fixed | None = None,
    zone: tzinfo = UTC,
    verifier_url: str | None = None,
) -> dict[str, Any]:
    """Return the document without a proof, as JSON values.

    `document_id` is `urn:uuid:` and a fresh random UUIDv4 (DESIGN 3.1); `components` are the parts of a stack;
    `credential_status` is an entry such as a BitstringStatusListEntry, taken as it is;
    `fixed` is `fixed_of(issuer, achievement)` where that was made before. Days of the award are days in `zone`; the
    document says the moments, in UTC, and the days as they were written. `verifier_url` is where it may be checked, a
    hint that nobody trusts. Raises `MismatchProblem` and `InvalidProblem`.
    """
    if not _DOCUMENT_ID.match(document_id):
        raise InvalidProblem("A document's id is urn:uuid: and a random UUID of version 4", pointer="/id")
    if award.achievement != achievement.uri:
        raise MismatchProblem(f"The award names {award.achievement}, the achievement is {achievement.uri}")
    if fixed is None:
        fixed = fixed_of(issuer, achievement)
    document = {
        "@context": fixed.context,
        "id": document_id,
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": achievement.text_in(achievement.title),
        "issuer": fixed.issuer,
        "awardedDate": _second(award.awarded_in(zone)),
        "validFrom": as_written(award.begins_in(zone)),
        IRIS["validFromDay"]: days.day_of_begin(award.valid_from),
        "validUntil": _second(award.ends_in(zone)),
        IRIS["validUntilDay"]: days.day_of_end(award.valid_until) if award.valid_until else None,
        "credentialSubject": _subject(achievement, award, components, fixed),
        "credentialSchema": fixed.schema,
        "evidence": evidence_part(award.evidence),
        "credentialStatus": dict(credential_status) if credential_status else None,
        IRIS["otherIdentifier"]: _identifiers(award.other_identifiers),
        IRIS["verifiedAt"]: {"id": verifier_url} if verifier_url else None,
    }
    return _stated(document)


def credits_number(hundredths: int) -> int | float:
    """Return credits as JSON writes them: 300 → `3`, 350 → `3.5`."""
    whole, rest = divmod(hundredths, _HUNDREDTHS)
    return hundredths / _HUNDREDTHS if rest else whole


def _second(moment: Moment | None) -> str | None:
    return as_written(moment) if moment else None


def _stated(members: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not stated: None and what is empty."""
    return {key: value for key, value in members.items() if value is not None and value not in ("", [], {})}


def _issuer(issuer: IssuerProfile) -> dict[str, Any]:
    address = {
        "type": ["Address"],
        "addressCountryCode": issuer.country,
        "addressRegion": issuer.region,
        "addressLocality": issuer.locality,
    }
    return _stated(
        {
            "id": issuer.did,
            "type": ["Profile"],
            "name": issuer.legal_name,
            "url": issuer.url,
            "email": issuer.email,
            "address": _stated(address),
            "otherIdentifier": _identifiers(issuer.other_identifiers),
        }
    )


def _identifiers(identifiers: Sequence[Identifier]) -> list[dict[str, str]]:
    return [
        {"type": "IdentifierEntry", "identifier": item.identifier, "identifierType": item.type} for item in identifiers
    ]


def _subject(achievement: Achievement, award: Award, components: Sequence[Component], fixed: Fixed) -> dict[str, Any]:
    return _stated(
        {
            "id": award.learner.uri,
            "type": ["AchievementSubject"],
            **who(award.learner),
            "activityStartDate": _day(award.activity_start),
            "activityEndDate": _day(award.activity_end),
            "creditsEarned": _credits_earned(achievement, award),
            "narrative": award.narrative,
            "result": results(achievement, award),
            "achievement": fixed.achievement,
            IRIS["component"]: with_iris([_component(component) for component in components]),
        }
    )


def who(learner: Learner) -> dict[str, Any]:
    """Return what the subject of a document says of its learner's person, None or empty for what is not known."""
    identities = _identities(name=learner.full_name, email=learner.email)
    said = (identities, learner.given_name, learner.family_name, learner.date_of_birth)
    return dict(zip(OF_THE_PERSON, said, strict=True))


def _credits_earned(achievement: Achievement, award: Award) -> int | float | None:
    """Return the credits of the award, 0 too: a reader takes the achievement's where the award states none."""
    earned = award.earned_hundredths(achievement)
    if not earned and award.ects_hundredths is None:
        return None
    return credits_number(earned)


def _identities(*, name: str, email: str | None) -> list[dict[str, Any]]:
    named = (("name", name), ("emailAddress", email))
    return [
        {"type": "IdentityObject", "hashed": False, "identityHash": value, "identityType": kind}
        for kind, value in named
        if value
    ]


def _day(day: str | None) -> str | None:
    """Return a day as the OB 3.0 schema wants it, which asks for a time where its context says date."""
    return f"{day}T00:00:00Z" if day else None


def _component(component: Component) -> dict[str, Any]:
    return {
        "type": ["ComponentCredential"],
        "credentialId": component.credential_id,
        "componentAchievement": component.achievement,
        "componentIssuer": component.issuer,
        "point": ects_text(component.ects_hundredths),
    }


def achievement_part(achievement: Achievement) -> dict[str, Any]:
    """Return what the documents of all awards of an achievement say of it: `credentialSubject.achievement`."""
    credits_ = achievement.ects_hundredths
    official = {
        "id": achievement.uri,
        "type": ["Achievement"],
        "achievementType": "MicroCredential",
        "name": achievement.text_in(achievement.title),
        "description": achievement.text_in(achievement.description),
        "criteria": _stated(
            {
                "id": achievement.criteria_url,
                "narrative": achievement.text_in(achievement.criteria),
            }
        ),
        "inLanguage": official_language(achievement.language),
        "version": achievement.version,
        "image": {"id": achievement.image, "type": "Image"} if achievement.image else None,
        "creditsAvailable": credits_number(credits_) if credits_ else None,
        "alignment": _alignments(achievement),
        "resultDescription": result_descriptions(achievement),
        "tag": list(achievement.tags),
        "otherIdentifier": _identifiers(achievement.other_identifiers),
    }
    provision = provision_part(
        achievement.learning_resources, achievement.entitlements, achievement.providers, achievement.provider_type
    )
    return _stated(official | with_iris(_stated(_eu_elements(achievement) | provision)))


def achievement_document(achievement: Achievement, issuer: IssuerProfile) -> dict[str, Any]:
    """Return an achievement by itself as Open Badges JSON-LD, as its documents have it, with who offers it."""
    creator = {"id": issuer.did, "type": ["Profile"], "name": issuer.legal_name, "url": issuer.url}
    return {"@context": contexts(), **achievement_part(achievement), "creator": _stated(creator)}


def official_language(tag: str) -> str:
    """Return a BCP 47 tag in the casing and with the parts that OB 3.0 allows: `NL-nl-x` → `nl-NL`."""
    match = _LANGUAGE_PARTS.match(tag)
    language, script, region = match.groups() if match else (tag, None, None)
    parts = (language.lower(), script.title() if script else None, region.upper() if region else None)
    return "-".join(filter(None, parts))


def _eu_elements(achievement: Achievement) -> dict[str, Any]:
    """Return the elements of Annex I that Open Badges has no term for."""
    credits_, hours = achievement.ects_hundredths, achievement.workload_hours
    point = {"type": ["CreditPoint"], "framework": ECTS_FRAMEWORK, "point": ects_text(credits_)}
    return {
        "titleByLanguage": _by_language(achievement.title),
        "descriptionByLanguage": _by_language(achievement.description),
        "criteriaByLanguage": _by_language(achievement.criteria),
        "learningOutcome": [_learning_outcome(outcome) for outcome in achievement.learning_outcomes],
        "creditPoint": point if credits_ else None,
        "workloadHours": hours,
        "volumeOfLearning": f"PT{hours}H" if hours else None,
        "eqfLevel": eqf_uri(achievement.eqf_level) if achievement.eqf_level else None,
        "cycle": achievement.cycle.value if achievement.cycle else None,
        "nationalLevel": _national_level(achievement),
        "assessmentType": [_concept(item) for item in achievement.assessment_types],
        "participationMode": [_concept(item) for item in achievement.participation_modes],
        "qualityAssurance": _quality_assurance(achievement),
        "prerequisites": _by_language(achievement.prerequisites or {}),
        "supervision": _concept(achievement.supervision) if achievement.supervision else None,
        "stackability": achievement.stackability.value if achievement.stackability else None,
        "iscedF": [isced_f_uri(code) for code in achievement.isced_f],
        "furtherInformation": _by_language(achievement.further_information or {}),
    }


def _by_language(texts: Mapping[str, str]) -> dict[str, str]:
    return {tag.lower(): text for tag, text in texts.items()}


def _learning_outcome(outcome: LearningOutcome) -> dict[str, Any]:
    skills = list(outcome.esco_skills)
    title = _by_language(outcome.title)
    return _stated({"type": ["LearningOutcome"], "titleByLanguage": title, "relatedESCOSkill": skills})


def _concept(item: Any) -> dict[str, Any]:
    uri, label = CONCEPTS[item]
    return _stated({"id": uri, "type": ["Concept"], "name": label, "notation": item.value})


def _national_level(achievement: Achievement) -> dict[str, Any] | None:
    level = achievement.national_level
    if level is None:
        return None
    stated = {"type": ["NationalLevel"], "frameworkName": level.framework, "notation": level.level, "url": level.url}
    return _stated(stated)


def _quality_assurance(achievement: Achievement) -> list[dict[str, Any]]:
    return [
        _stated(
            {
                "type": ["Accreditation"],
                "qualityAssuranceType": _concept(item.type),
                "name": item.name,
                "description": item.description,
                "notation": item.code,
                "url": item.url,
            }
        )
        for item in achievement.quality_assurance
    ]


def _alignments(achievement: Achievement) -> list[dict[str, Any]]:
    """Return what readers of Open Badges look for: EQF level, accreditation, ESCO and other frameworks."""
    aligned: list[Alignment] = []
    level = achievement.eqf_level
    if level:
        name = f"EQF level {level}"
        aligned.append(Alignment(name=name, url=eqf_uri(level), code=str(level), framework="EQF", type=EQF_TARGET_TYPE))
    aligned += [
        Alignment(name=item.name, url=item.url, code=item.code, description=item.description, type=QUALITY_TARGET_TYPE)
        for item in achievement.quality_assurance
        if item.url
    ]
    aligned += [
        Alignment(name=item.name, url=item.uri, framework="ESCO", type=ESCO_TARGET_TYPE) for item in achievement.esco
    ]
    return [_alignment(item) for item in [*aligned, *achievement.alignments]]


def _alignment(item: Alignment) -> dict[str, Any]:
    return _stated(
        {
            "type": ["Alignment"],
            "targetType": item.type,
            "targetName": item.name,
            "targetUrl": item.url,
            "targetCode": item.code,
            "targetDescription": item.description,
            "targetFramework": item.framework,
        }
    )
