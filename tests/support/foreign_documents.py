"""Small documents of other systems, for any test of imports: an Open Badge and a European Learning Model credential."""

from typing import Any

Json = dict[str, Any]


def open_badge(**subject: Any) -> Json:
    """Return an Open Badges 3.0 document without a proof; `subject` are further members of its subject."""
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
            "givenName": "Maria",
            "familyName": "Jansen",
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
