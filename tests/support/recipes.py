"""Recipes and parts of stacks, and the codes of what is unmet."""

from typing import Any

import msgspec

from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment
from proto.stacking import (
    Recipe,
    StackPart,
    unmet_conditions,
)

NOW = Moment("2026-11-23T10:00:00.000Z")
U = "https://u.example/a/"


def part(name: str, hundredths: int = 300, **other: Any) -> StackPart:
    given: dict[str, Any] = {
        "credential_id": CredentialId(name.encode().hex().rjust(64, "0")),
        "achievement": AchievementUri(U + name),
        "issuer": Did("did:web:u.example"),
        "ects_hundredths": hundredths,
        "valid_from": Moment("2026-01-01T00:00:00.000Z"),
        "is_active": True,
        "eqf_level": 6,
    }
    return StackPart(**(given | other))


def recipe(**fields: Any) -> Recipe:
    return msgspec.convert(fields, Recipe)


def codes(wanted: Recipe, *parts: StackPart) -> list[str]:
    return [unmet.code for unmet in unmet_conditions(wanted, parts, now=NOW)]


def again(name: str, number: int, hundredths: int = 300) -> StackPart:
    credential_id = CredentialId(f"{number}{name}".encode().hex().rjust(64, "0"))
    return part(name, hundredths, credential_id=credential_id)
