"""Whom a document is about, by everything in it that identifies. Compares; knows no store and trusts no document."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from proto.canonical import canonical_json
from proto.documents.credential import Award, Learner
from proto.events import Record
from proto.visible_text import folded

UNNAMED = "imported"
"""The reference of a learner for whom none was given, until `named` gives one."""
_REF_DIGITS = 32


class Identity(Record, frozen=True, kw_only=True):
    """What a document says of its person, in one form: another text is another person.

    The same text is the same person only where `is_enough`: many people share a name.
    """

    text: bytes
    is_enough: bool


def identity_of(learner: Learner, others: Mapping[str, Any] | None = None, *, is_numbered: bool = False) -> Identity:
    """Return whom a document is about; `others` is what it says besides of the person.

    `is_numbered`: among that is something that one person has, such as a number of a register. Else a URI, a mail
    address, or a name with a date of birth are enough.
    """
    name = folded(learner.full_name)
    traits: dict[str, Any] = {
        "name": name,
        "born": learner.date_of_birth,
        "email": folded(learner.email or ""),
        "uri": learner.uri,
        "others": _in_one_form(dict(others or {})),
    }
    return Identity(
        text=canonical_json({kind: value for kind, value in traits.items() if value}),
        is_enough=bool(is_numbered or learner.uri or learner.email or (name and learner.date_of_birth)),
    )


def _in_one_form(value: Any, *, is_name: bool = False) -> Any:
    """Return decoded JSON with its names folded, and lists in an order of their own: which comes first says nothing."""
    if isinstance(value, Mapping):
        return {
            str(member): _in_one_form(item, is_name=is_name or str(member).endswith("Name"))
            for member, item in value.items()
        }
    if isinstance(value, list):
        return sorted((_in_one_form(item, is_name=is_name) for item in value), key=canonical_json)
    return folded(value) if is_name and isinstance(value, str) else value


def named(award: Award, learner_ref: str | None, identity: Identity) -> Award:
    """Return an award whose learner bears the institution's own name, else one made of all that identifies.

    The made one tells people within one reading apart and nothing more: whoever stores it puts a name of its own there.
    """
    ref = learner_ref or f"{UNNAMED}-{hashlib.sha256(identity.text).hexdigest()[:_REF_DIGITS]}"
    return msgspec.structs.replace(award, learner=msgspec.structs.replace(award.learner, ref=ref))
