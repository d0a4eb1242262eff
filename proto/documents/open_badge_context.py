"""The JSON-LD contexts that our documents name, and the IRIs of the EU terms, which no published context defines.

Terms take the IRIs of the European Learning Model v3 where it has them; what nobody has defined stands under
`urn:credentify:term:`. Data, no behaviour. Checkers of others take no context that stands inside of a document, so ours
name published ones only, and write the EU terms as IRIs (`open_badge_names`). No IRI here is a term of those contexts:
readers would look for it under that term, and refuse it under its IRI.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

VC_CONTEXT = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES_CONTEXT = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
OPEN_BADGES_EXTENSIONS = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
OPEN_BADGES_CONTEXT_PREFIX = "https://purl.imsglobal.org/spec/ob/v3p0/context"
OPEN_BADGES_SCHEMA = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
SCHEMA_TYPE = "1EdTechJsonSchemaValidator2019"

_ELM = "http://data.europa.eu/snb/model/elm/"
_OWN = "urn:credentify:term:"
_DCT = "http://purl.org/dc/terms/"
_SKOS = "http://www.w3.org/2004/02/skos/core#"
_XSD = "http://www.w3.org/2001/XMLSchema#"
_FOAF = "http://xmlns.com/foaf/0.1/"


def _set(iri: str) -> dict[str, str]:
    return {"@id": iri, "@container": "@set"}


def _by_language(iri: str) -> dict[str, str]:
    return {"@id": iri, "@container": "@language"}


def _reference(iri: str) -> dict[str, str]:
    return {"@id": iri, "@type": "@id"}


EU_TERMS: Mapping[str, Any] = MappingProxyType(
    {
        # Other names of the credential; of an institution and of an achievement they are a term of Open Badges.
        "otherIdentifier": _set("http://www.w3.org/ns/adms#identifier"),
        # The days of validity as they were written; validFrom and validUntil are moments.
        "validFromDay": {"@id": _OWN + "validFromDay", "@type": _XSD + "date"},
        "validUntilDay": {"@id": _OWN + "validUntilDay", "@type": _XSD + "date"},
        # Where it can be checked, by its issuer: a hint, which proves nothing and is trusted by nobody.
        "verifiedAt": _reference("http://www.w3.org/2000/01/rdf-schema#seeAlso"),
        # What its claims were hashed to, one by one (rules version 2).
        "claimsRoot": _OWN + "claimsRoot",
        # The learner (element 1). Open Badges has these names for a Profile only, which some readers take from a
        # subject that is an AchievementSubject as well.
        "givenName": _FOAF + "givenName",
        "familyName": _FOAF + "familyName",
        "dateOfBirth": {"@id": _ELM + "dateOfBirth", "@type": _XSD + "date"},
        # Texts in several languages (elements 2 and 6).
        "titleByLanguage": _by_language(_DCT + "title"),
        "descriptionByLanguage": _by_language(_DCT + "description"),
        "criteriaByLanguage": _by_language(_OWN + "criteria"),
        "prerequisites": _by_language(_ELM + "entryRequirement"),
        "furtherInformation": _by_language(_ELM + "additionalNote"),
        "LearningOutcome": _ELM + "LearningOutcome",
        "learningOutcome": _set(_ELM + "learningOutcome"),
        "relatedESCOSkill": {"@id": _ELM + "relatedESCOSkill", "@type": "@id", "@container": "@set"},
        # Workload and credits (element 7): hours are not credits.
        "CreditPoint": _ELM + "CreditPoint",
        "creditPoint": _ELM + "creditPoint",
        "framework": _reference(_ELM + "framework"),
        "point": _ELM + "point",
        "workloadHours": {"@id": _OWN + "workloadHours", "@type": _XSD + "integer"},
        "volumeOfLearning": {"@id": _ELM + "volumeOfLearning", "@type": _XSD + "duration"},
        # Level and cycle (element 8).
        "eqfLevel": _reference(_ELM + "EQFLevel"),
        "cycle": _OWN + "cycle",
        "NationalLevel": _OWN + "NationalLevel",
        "nationalLevel": _OWN + "nationalLevel",
        "frameworkName": _OWN + "frameworkName",
        # Concepts of controlled vocabularies (elements 9 to 11, supervision, stackability, field of education).
        "Concept": _SKOS + "Concept",
        "notation": _SKOS + "notation",
        "assessmentType": _set(_OWN + "assessmentType"),
        "participationMode": _set(_ELM + "mode"),
        "Accreditation": _ELM + "Accreditation",
        "qualityAssurance": _set(_ELM + "accreditation"),
        "qualityAssuranceType": _DCT + "type",
        "supervision": _ELM + "idVerification",
        "stackability": _OWN + "stackability",
        "iscedF": {"@id": _ELM + "ISCEDFCode", "@type": "@id", "@container": "@set"},
        # What one learns with, what it entitles to, and who provides it.
        "LearningResource": _OWN + "LearningResource",
        "learningResource": _set(_OWN + "learningResource"),
        "LearningEntitlementSpecification": _ELM + "LearningEntitlementSpecification",
        "entitlement": _set(_ELM + "entitlesTo"),
        "provider": _set(_ELM + "providedBy"),
        "providerType": _OWN + "providerType",
        # The parts of a stack.
        "ComponentCredential": _OWN + "ComponentCredential",
        "component": _set(_OWN + "component"),
        "credentialId": _OWN + "credentialId",
        "componentAchievement": _reference(_OWN + "componentAchievement"),
        "componentIssuer": _reference(_OWN + "componentIssuer"),
    }
)


def contexts() -> list[Any]:
    """Return a new `@context` of a document of ours: VC 2.0, Open Badges 3.0.3, and the extensions of the latter."""
    return [VC_CONTEXT, OPEN_BADGES_CONTEXT, OPEN_BADGES_EXTENSIONS]


ISSUED_CONTEXT_DIGESTS: frozenset[str] = frozenset(
    {
        "6d35aa834eeb21029dc3e0d67347dbbd7c8ab26e38edd1a18974959e83cfd3d2",
        "03849a01f762666bffcf6717ed7ffa1a49051be33d4888e6d067cce32f03f778",  # with days as they were written
        "ee81f0027f5b383ad4d889a663759679d23e21160ea510b88f1f54acaa018f6a",  # with resources, entitlements, providers
    }
)
"""SHA-256 (hexadecimal) of the canonical JSON of every inline context that a document of ours ever carried.

Under a proof over RDF no other inline context is read, since it could give names another meaning than readers give
them. Documents of ours carry none any more; none of these is ever taken away.
"""
