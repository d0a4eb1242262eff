"""Addresses inside of a document that no reader should ever follow: they run a program or open a file of the reader's.

A signature makes an address no safer. Whoever shows a document turns its addresses into links, so what a browser would
run is refused wherever the data model or Open Badges put an address, before it is signed and again when it is verified.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from proto.documents.vc_terms import Fault
from proto.problem import InvalidProblem

ADDRESS_MEMBERS: Final = frozenset(
    {
        "@context",
        "achievedLevel",
        "assertionMethod",
        "componentAchievement",
        "componentIssuer",
        "confidenceMethod",
        "creator",
        "credentialSchema",
        "credentialStatus",
        "credentialSubject",
        "criteria",
        "endorsement",
        "eqfLevel",
        "evidence",
        "framework",
        "holder",
        "id",
        "image",
        "iscedF",
        "issuer",
        "parentOrg",
        "refreshService",
        "relatedESCOSkill",
        "relatedResource",
        "renderMethod",
        "requiredLevel",
        "resultDescription",
        "source",
        "statusListCredential",
        "statusReference",
        "targetUrl",
        "termsOfUse",
        "type",
        "url",
        "verificationMethod",
    }
)
"""Members of the VC and Open Badges contexts, and of ours, under which a text is an address."""
_RUNS = re.compile(
    r"(javascript|vbscript|livescript|file|filesystem|blob|jar|view-source|about|mhtml|ms-[a-z-]+|shell|smb"
    r"|search|search-ms|intent)(:|%3a)"
    r"|data:(text/(html|xml|javascript)|application/(xhtml\+xml|xml|(x-)?javascript|ecmascript))",
    re.IGNORECASE,
)
_IGNORED = dict.fromkeys((*range(0x21), 0x7F, *range(0x80, 0xA1), 0xAD, 0x200B, 0x2028, 0x2029, 0xFEFF))
"""What browsers leave out of an address, or people do not see in it."""

_PLAIN: Final = ("https://", "http://", "urn:", "did:")
_SENTENCE: Final = "this address would run a program or open a file where it is followed: write an https address"
_HOLDING: Final = frozenset({dict, list, MappingProxyType})
_Steps = tuple[str | int, ...]


def unsafe_addresses(document: Any, *, passed: frozenset[tuple[str, ...]] = frozenset()) -> Iterator[Fault]:
    """Yield JSON pointer and sentence for each address that a reader must not follow.

    `passed` are places (names from the document on) that are not looked into.
    """
    waiting: list[tuple[_Steps, Any]] = [((), document)]
    while waiting:
        steps, found = waiting.pop()
        if steps in passed:
            continue
        inside = _in_object(found) if type(found) is dict or isinstance(found, Mapping) else _in_list(found, steps)
        for key, value in inside:
            if type(value) is str:
                yield _pointer((*steps, key)), _SENTENCE
            else:
                waiting.append(((*steps, key), value))


def check_addresses(document: Any) -> None:
    """Raise `InvalidProblem` with the JSON pointer to the first address that a reader must not follow."""
    for pointer, sentence in unsafe_addresses(document):
        raise InvalidProblem(sentence[:1].upper() + sentence[1:], pointer=pointer)


def check_address(address: str | None, pointer: str) -> None:
    """Raise `InvalidProblem` with this pointer for an address that a reader must not follow."""
    if address is not None and runs(address):
        raise InvalidProblem(_SENTENCE[:1].upper() + _SENTENCE[1:], pointer=pointer)


def _in_object(found: Mapping[str, Any]) -> list[tuple[str | int, Any]]:
    """Return what is to be looked at further, and texts that are unsafe; contexts are shown to nobody."""
    return [
        (key, value)
        for key, value in found.items()
        if (key in ADDRESS_MEMBERS and runs(value) if type(value) is str else type(value) in _HOLDING)
        and not (key == "@context" and type(value) is dict)
    ]


def _in_list(found: Any, steps: _Steps) -> list[tuple[str | int, Any]]:
    if not isinstance(found, list):
        return []
    is_address, is_context = steps[-1:] and steps[-1] in ADDRESS_MEMBERS, steps[-1:] == ("@context",)
    return [
        (place, item)
        for place, item in enumerate(found)
        if (is_address and runs(item) if type(item) is str else type(item) in _HOLDING and not is_context)
    ]


def _pointer(steps: _Steps) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def runs(address: str) -> bool:
    """Tell whether following this address would do something else than ask a server for it."""
    if address.startswith(_PLAIN) or (":" not in address and "%" not in address):
        return False
    return bool(_RUNS.match(address.translate(_IGNORED)))  # whole: thousands of blanks may stand before it
