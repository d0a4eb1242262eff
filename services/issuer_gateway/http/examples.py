"""Bodies as they are sent, for the OpenAPI description; each is decoded by a test with its route's type."""

from typing import Any

_NEXT = "https://gateway.example.org/issuers/waterland/achievements/hydrology"
INSTITUTION: dict[str, Any] = {
    "a college": {
        "slug": "waterland",
        "legal_name": "Hogeschool Waterland",
        "country": "NL",
        "recovery_public_key": "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "scope": {
            "eqf_min": 5,
            "eqf_max": 7,
            "ects_hundredths_max": 6000,
            "may_issue": True,
            "may_stack": True,
            "may_recognise": True,
        },
        "accreditation": {"body": "NVAO", "url": "https://www.nvao.net"},
    }
}
ACHIEVEMENT: dict[str, Any] = {
    "a course of 3.5 ECTS": {
        "id": "hydrology",
        "title": {"en": "Hydrology of lowlands", "nl": "Hydrologie van laagland"},
        "description": {"en": "How water moves where land lies low"},
        "criteria": {"en": "A written exam is passed"},
        "language": "en",
        "ects_hundredths": 350,
        "eqf_level": 6,
        "learning_outcomes": [{"title": {"en": "Explains how a polder is drained"}}],
        "assessment_types": ["written-exam"],
    }
}
AWARD: dict[str, Any] = {
    "with all that must be stated": {
        "learner": {"ref": "s1234567", "given_name": "Ada", "family_name": "Example"},
        "achievement": "hydrology",
        "valid_from": "2026-11-23",
    },
    "with a time, and the achievement by its URI": {
        "learner": {"ref": "s1234567", "given_name": "Ada", "family_name": "Example"},
        "achievement": _NEXT,
        "valid_from": "2026-11-23T10:00:00+01:00",
        "valid_until": "2031-11-22",
    },
}
STACK: dict[str, Any] = {
    "two parts": {
        "learner": {"ref": "s1234567", "given_name": "Ada", "family_name": "Example"},
        "achievement": "water-management",
        "valid_from": "2026-11-23",
        "components": ["1f" * 32, "2e" * 32],
    }
}
CHANGE: dict[str, Any] = {"from now on": {"reason": "error"}}
CLAIM: dict[str, Any] = {"to an award": {"award": AWARD["with all that must be stated"], "hours_valid": 336}}
STANDING_DECISION: dict[str, Any] = {
    "in part, for four years": {
        "achievement_issuer": "did:web:gateway.example:issuers:waterland",
        "achievement": "https://gateway.example/issuers/waterland/achievements/hydrology/1",
        "decision": "partial",
        "ects_hundredths": 300,
        "programme": "https://nadmorska.example/programmes/engineering",
        "valid_from": "2026-12-01",
        "valid_until": "2030-11-30",
        "ects_hundredths_min": 350,
    }
}
ENDORSER: dict[str, Any] = {
    "who has assured the quality": {
        "achievement": "https://gateway.example/issuers/waterland/achievements/hydrology/1",
        "endorser": "did:web:agency.example",
        "role": "quality",
    }
}
