"""Small documents of other systems, for any test of imports: an Open Badge and a European Learning Model credential."""

from typing import Any

Json = dict[str, Any]
_SNB = "http://data.europa.eu/snb/"
_DATE = "Tue Jun 30 2020 02:00:00 GMT+0200 (Central European Summer Time)"
PROTOTYPE_RECORD: Json = {
    "$schema": "https://microhe.example/schema.json",
    "$evidence": "https://microhe.example/evidence/7",
    "name": "MICRO-42",
    "description": "How ledgers are kept, and why.",
    "image": "https://microhe.example/badge.png",
    "identifier": "MHE-42",
    "refLanguage": "en",
    "title": "Ledgers",
    "altLabel": "Bookkeeping I",
    "definition": "An introduction.",
    "learningOutcomeDesc": "Judges which ledger fits.",
    "field": "Accounting",
    "EQFLevel": "6",
    "NQFLevel": "DQR 6",
    "creditSystem": "European Credit Transfer and Accumulation System",
    "creditSysTitle": "ECTS",
    "creditSysDef": "Credits of work",
    "creditSysValue": "25 hours",
    "creditSysIssuer": "European Commission",
    "canConsistOf": "Modules",
    "creditSysRefNum": "EC-1",
    "numCreditPoints": 5,
    "ECTSCreditPoints": "5",
    "volumeOfLearning": "PT125H",
    "isPartialQual": "true",
    "consistsOf": "Module A",
    "waysToAcquire": "By study",
    "eduCredType": "Course",
    "entryReq": "Arithmetic",
    "learningOutcome": "Explains ledgers\nBuilds one",
    "relatedOccupation": "Bookkeeper",
    "recognition": "Counts towards the bachelor",
    "awardingBody": "Knowledge College",
    "awardingActivity": "Ceremony",
    "awardingMethod": "On paper",
    "gradeScheme": "1 to 10",
    "modeOfStudy": "Online",
    "publicKey": "0xkey",
    "assesmentMethod": "Oral exam",
    "accreditation": "NVAO 4711",
    "homePage": "https://microhe.example/",
    "landingPage": "https://microhe.example/42",
    "supplDoc": "https://microhe.example/42.pdf",
    "dateIssued": _DATE,
    "dateModified": "Wed Jul 01 2020 11:12:13 GMT+0200 (CEST)",
    "changeNote": "Second edition",
    "historyNote": "Since 2018",
    "additionalNote": "Taught in the evenings.",
    "status": "final",
    "replaces": "MHE-41",
    "replacedBy": "MHE-43",
    "owner": "0xowner",
    "creator": "0xcreator",
    "publisher": "Knowledge Press",
    "holder": "Zoë Ó Briain",
    "dateOfBirth": "Sun Mar 08 1998 01:00:00 GMT+0100 (CET)",
    "studentId": "s-4711",
    "grade": 8.5,
    "creditsAwarded": "4.5",
    "uniqueId": "award-1",
    "credential": "Certificate",
    "expiryPeriod": "Fri Jun 30 2023 02:00:00 GMT+0200 (Central European Summer Time)",
    "cheating": "none",
}
"""A record of the old prototype with all of its 63 fields."""


def open_badge(**subject: Any) -> Json:
    """Return an Open Badges 3.0 document of Maria Jansen, without a proof; `subject` are further members about her."""
    return nameless_badge(**{"givenName": "Maria", "familyName": "Jansen"} | subject)


def nameless_badge(**subject: Any) -> Json:
    """Return an Open Badges 3.0 document without a proof, whose subject says nothing of itself but `subject`."""
    return {
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "id": "urn:uuid:11111111-1111-4111-8111-111111111111",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": "https://badges.example/issuers/7", "type": ["Profile"], "name": "Zuidzee College"},
        "validFrom": "2025-05-02T10:00:00Z",
        "name": "Soil",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "achievement": {
                "id": "https://badges.example/achievements/soil",
                "type": ["Achievement"],
                "name": "Soil",
                "description": "Soil types.",
                "criteria": {"narrative": "A report."},
            },
        }
        | subject,
    }


def elm(title: str = "Statistics I", **members: Any) -> Json:
    """Return a European Learning Model v3 credential without a seal; `members` are further members of it."""
    return {
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "http://data.europa.eu/snb/model/context/edc-ap",
        ],
        "id": "urn:credential:1",
        "type": ["VerifiableCredential", "EuropeanDigitalCredential"],
        "issuer": {"id": "https://uni.example/org", "type": "Organisation", "legalName": {"en": "Zuidzee College"}},
        "validFrom": "2025-02-01T00:00:00+01:00",
        "credentialSubject": {
            "type": "Person",
            "givenName": {"en": "Anna"},
            "familyName": {"en": "Kowalska"},
            "hasClaim": [
                {
                    "type": "LearningAchievement",
                    "title": {"en": title},
                    "temporal": [
                        {
                            "type": "PeriodOfTime",
                            "startDate": "2024-09-01T00:00:00+02:00",
                            "endDate": "2025-01-31T00:00:00+01:00",
                        }
                    ],
                    "specifiedBy": {
                        "id": "urn:epass:spec:1",
                        "type": "LearningAchievementSpecification",
                        "title": {"en": title},
                    },
                }
            ],
        },
    } | members


def concept(uri: str, label: str | None = None, **members: Any) -> Json:
    """Return a concept of a vocabulary, with an English label where one is given."""
    labelled = {"prefLabel": {"en": label}} if label else {}
    return {"id": uri, "type": "Concept"} | labelled | members


def elm_of(*beside: Json, claim: Json | None = None, **spec: Any) -> Json:
    """Return a credential with members of its achievement claim and its specification, and other claims beside it."""
    document = elm()
    claims = document["credentialSubject"]["hasClaim"]
    claims[0] |= claim or {}
    claims[0]["specifiedBy"] |= spec
    claims += beside
    return document


def whole_elm() -> Json:
    """Return a credential with something in many of the places that are read."""
    spec = {
        "nqfLevel": concept("https://qualifications.example/nlqf/6", "NLQF 6"),
        "eqfLevel": concept(_SNB + "eqf/6"),
        "thematicArea": concept(_SNB + "isced-f/0732"),
        "creditPoint": {
            "type": "CreditPoint",
            "framework": concept(_SNB + "education-credit/6fcec5c5af"),
            "point": "5",
        },
        "volumeOfLearning": "PT125H",
        "learningOutcome": [
            {"title": {"en": "Measures", "nl": "Meet"}, "relatedSkill": concept("https://s.example/1", "x")}
        ],
        "entryRequirement": {"type": "Note", "noteLiteral": {"en": "Mathematics"}},
        "additionalNote": {"type": "Note", "noteLiteral": {"en": "In May"}},
        "accreditation": {"dcType": concept(_SNB + "accreditation/820101cba6"), "title": {"en": "NVAO"}},
        "identifier": {"notation": "ST-1", "schemeName": "Local"},
    }
    proof = {
        "type": "LearningAssessment",
        "title": {"en": "Exam"},
        "grade": {"type": "Note", "noteLiteral": {"en": "8"}},
        "specifiedBy": {
            "dcType": concept("https://u.example/kinds/1", "Hackathon"),
            "gradingScheme": {"title": {"en": "1 to 10"}},
        },
    }
    document = elm_of({"type": "LearningEntitlement", "title": {"en": "May enter"}}, claim={"provenBy": proof}, **spec)
    document["credentialSubject"] |= {"dateOfBirth": "1998-03-08", "fullName": {"en": "Anna Kowalska"}}
    return document
