"""How a credential stands when a page or a paper of it is made, in words. Pure; reads no log."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from proto.moment import Moment
from services.issuer_gateway.languages import LearnerLanguage

Sign = Literal["valid", "invalid", "indeterminate"]
_SIGNS: Mapping[str, Sign] = MappingProxyType({"active": "valid", "revoked": "invalid", "void": "invalid"})
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "active": "Holds",
        "suspended": "Suspended",
        "revoked": "Revoked",
        "void": "Never held",
        "expired": "Expired",
        "not_yet_valid": "Not valid yet",
        "impaired": "Holds in part",
        "unknown": "Not known now",
    }
)
_SAID: Mapping[str, str] = MappingProxyType(
    {
        "active": "By the public record it is neither revoked nor suspended.",
        "suspended": "The institution has suspended it: until it is reinstated, it does not hold.",
        "revoked": "It was revoked and does not hold any more.",
        "void": "It was signed with a key that had been stolen by then.",
        "expired": "It was valid until its end, which is past.",
        "not_yet_valid": "It begins to hold on a later day.",
        "impaired": "Some of what it is made of does not hold any more.",
        "unknown": "The public record could not be read lately, so whether it holds cannot be said here now.",
    }
)


class ShownState(msgspec.Struct, frozen=True, kw_only=True):
    """The state by the followed log and what was said here since, `unknown` where that log was not followed lately.

    `at` is when it was asked.
    """

    state: str
    at: Moment
    since: Moment | None = None
    ects_hundredths_remaining: int | None = None

    @property
    def sign(self) -> Sign:
        """The colour that belongs to it: `valid` for what is active, and for nothing else."""
        return _SIGNS.get(self.state, "indeterminate")

    def word(self, language: LearnerLanguage) -> str:
        """Return the state in one or two words."""
        return language.word(_WORDS.get(self.state, _WORDS["unknown"]))

    def said(self, language: LearnerLanguage) -> str:
        """Return what the state means, in a sentence."""
        return language.word(_SAID.get(self.state, _SAID["unknown"]))


WORDS = (*_WORDS.values(), *_SAID.values())
"""All of them, for who translates."""
