"""What the W3C Verifiable Credentials Data Model 2.0 demands of a credential. Knows no key, no clock, no profile of it.

A proof shows that bytes are as they were signed; an `eddsa-jcs-2022` proof fits whatever was signed, also what is no
credential. So a document is judged here before it is signed, and again by whoever verifies a stranger's. Every rule
names its section; what is only recommended is not asked for. Faults are collected, so that one answer names them all.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from proto.documents.checked_part import SHARED, CheckedPart, made_by_the_checker
from proto.documents.open_badge_context import VC_CONTEXT
from proto.documents.vc_addresses import unsafe_addresses
from proto.documents.vc_terms import Fault, KnownContexts
from proto.moment import normalise
from proto.problem import InvalidProblem

FAULT_COUNT_MAX: Final = 20
CONTEXT_COUNT_MAX: Final = 64
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+\Z")
_LANGUAGE = re.compile(r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")
_TIME_STAMP = re.compile(
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))\Z"
)
_MULTIBASE = re.compile(r"^[a-zA-Z0-9][!-~]+\Z")
_PROOF_TEXTS = frozenset({"challenge", "nonce", "cryptosuite"})
_PROOF_SETS = frozenset({"domain", "previousProof"})
_PROOF_TIMES = frozenset({"created", "expires"})
_Faults = Iterator[Fault]


class DataModelProblem(InvalidProblem):
    """The document is no credential of the data model; `faults` lists pointer and sentence of each fault."""

    slug = "data-model"
    title = "The document is not a verifiable credential of the data model 2.0"


def check_credential(
    document: Any,
    *,
    contexts: KnownContexts | None = None,
    needs_proof: bool = False,
    part: CheckedPart | None = None,
) -> None:
    """Return if `document` is a credential of the data model, else raise `DataModelProblem`.

    With `contexts`, every name in it must be defined too; `ContextNotGivenProblem` where it names another.
    `needs_proof` for a credential that was secured (section 4.12); a proof that is there is always looked at, for its
    form. Names and addresses of a `part` that the document has are not looked through again, nor the names of the rest
    where one of the same shape had no fault.
    """
    is_shared = part is not None and isinstance(document, Mapping) and part.is_in(document, contexts)
    passed = frozenset(SHARED) if is_shared else frozenset()
    faults = [*_faults(document), *unsafe_addresses(document, passed=passed)]
    if needs_proof and isinstance(document, Mapping) and "proof" not in document:
        faults.append(("/proof", "a verifiable credential has a proof (4.12)"))
    if contexts is not None and not faults:
        rest = part.rest_of(document) if part is not None and is_shared else None
        if part is None or not part.knows(rest):
            faults = list(contexts.undefined_names(document, passed=passed))
            if part is not None and not faults:
                part.remember(rest)
    if faults:
        pointer, sentence = faults[0]
        listed = [{"pointer": place, "detail": said} for place, said in faults[:FAULT_COUNT_MAX]]
        said_first = sentence[:1].upper() + sentence[1:]
        raise DataModelProblem(said_first, pointer=pointer, members={"faults": listed})


def check_shared(document: Mapping[str, Any], *, contexts: KnownContexts) -> CheckedPart:
    """Return what a document shares with others of its achievement; raises as `check_credential`, which it asks."""
    check_credential(document, contexts=contexts)
    return made_by_the_checker(document, contexts)


def _faults(document: Any) -> _Faults:
    if not isinstance(document, Mapping):
        yield "", "a credential is a JSON object"
        return
    yield from _context(document.get("@context"))
    yield from _identifier(document, "")
    yield from _types(document, "", "VerifiableCredential")
    yield from _texts(document, "")
    yield from _issuer(document.get("issuer"))
    yield from _subjects(document)
    yield from _validity(document)
    for name, (section, needs_id) in _TYPED.items():
        if name in document:
            yield from _typed(document[name], f"/{name}", section, needs_id=needs_id)
    if "relatedResource" in document:
        yield from _related(document["relatedResource"])
    if "proof" in document:
        yield from _each(document["proof"], "/proof", _proof)


_TYPED: Final[Mapping[str, tuple[str, bool]]] = {
    "credentialStatus": ("4.10", False),
    "credentialSchema": ("4.11", True),
    "refreshService": ("5.4", False),
    "renderMethod": ("5", False),
    "confidenceMethod": ("5", False),
    "termsOfUse": ("5.5", False),
    "evidence": ("5.6", False),
}
"""Members whose objects have a type: the section that says so, and whether it also demands an `id`."""


def _context(context: Any) -> _Faults:
    """4.3: an ordered set that begins with the address of the base context; then addresses and objects."""
    if not isinstance(context, list) or not context or context[0] != VC_CONTEXT:
        yield "/@context", f"@context is a list that begins with {VC_CONTEXT} (4.3)"
        return
    if len(context) > CONTEXT_COUNT_MAX:
        yield "/@context", f"more than {CONTEXT_COUNT_MAX} contexts are not read here"
        return
    for place, item in enumerate(context):
        if not (isinstance(item, Mapping) or _is_url(item)):
            yield f"/@context/{place}", "a context is a URL or an object (4.3)"
        if item in context[:place]:
            yield f"/@context/{place}", "a context stands only once in the set (4.3)"


def _identifier(node: Mapping[str, Any], pointer: str) -> _Faults:
    """4.4: where there is an `id`, it is one URL."""
    if "@id" in node:
        yield f"{pointer}/@id", "the name of an object is written as id (4.4)"
    if "id" in node and not _is_url(node["id"]):
        yield f"{pointer}/id", "an id is one URL (4.4)"


def _types(node: Mapping[str, Any], pointer: str, required: str | None = None) -> _Faults:
    """4.5: one or more terms or absolute URLs, among them the one that the place requires."""
    if "@type" in node:
        yield f"{pointer}/@type", "the type of an object is written as type (4.5)"
    kinds = _as_list(node.get("type"))
    if not kinds or not all(isinstance(kind, str) and kind for kind in kinds):
        yield f"{pointer}/type", "a type is required: one or more terms or URLs (4.5)"
    elif required and required not in kinds:
        yield f"{pointer}/type", f"the type must include {required} (4.5)"


def _texts(node: Mapping[str, Any], pointer: str) -> _Faults:
    """4.6: name and description are a text, a language value, or a list of those."""
    for name in ("name", "description"):
        if name in node:
            yield from _each(node[name], f"{pointer}/{name}", _text)


def _text(value: Any, pointer: str) -> _Faults:
    if isinstance(value, str):
        return
    if not isinstance(value, Mapping) or not isinstance(value.get("@value"), str):
        yield pointer, "a text is a string, or an object with @value (4.6, 11.1)"
        return
    if value.keys() - {"@value", "@language", "@direction"}:
        yield pointer, "a text has @value, @language and @direction, nothing else (11.1)"
    if "@language" in value and not (isinstance(value["@language"], str) and _LANGUAGE.match(value["@language"])):
        yield pointer, "@language is a BCP 47 tag (11.1)"
    if value.get("@direction", "ltr") not in ("ltr", "rtl"):
        yield pointer, "@direction is ltr or rtl (11.1)"


def _issuer(issuer: Any) -> _Faults:
    """4.7: one URL, or one object whose `id` is a URL."""
    if isinstance(issuer, Mapping):
        if not _is_url(issuer.get("id")):
            yield "/issuer/id", "an issuer has an id, which is a URL (4.7)"
        yield from _texts(issuer, "/issuer")
    elif not _is_url(issuer):
        yield "/issuer", "the issuer is a URL, or an object with an id (4.7)"


def _subjects(document: Mapping[str, Any]) -> _Faults:
    """4.8: one or more objects that are not empty; W3C's own test suite takes one that is only named."""
    if not _as_list(document.get("credentialSubject")):
        yield "/credentialSubject", "a credential has a credentialSubject (4.8)"
        return
    yield from _each(document["credentialSubject"], "/credentialSubject", _subject)


def _subject(subject: Any, pointer: str) -> _Faults:
    if not isinstance(subject, Mapping) or not subject:
        yield pointer, "a subject is an object that says something (4.8)"
        return
    yield from _identifier(subject, pointer)


def _validity(document: Mapping[str, Any]) -> _Faults:
    """4.9: both are times with a zone (XML Schema dateTimeStamp), and the beginning is not after the end."""
    moments = {}
    for name in ("validFrom", "validUntil"):
        if name in document:
            yield from _time_stamp(document[name], f"/{name}", "4.9")
            moments[name] = _moment(document[name])
    begins, ends = moments.get("validFrom"), moments.get("validUntil")
    if begins and ends and begins > ends:
        yield "/validUntil", "a credential does not end before it begins (4.9)"


def _time_stamp(value: Any, pointer: str, section: str) -> _Faults:
    if _moment(value) is None:
        yield pointer, f"not a dateTimeStamp such as 2026-11-23T10:00:00Z ({section})"


def _moment(value: Any) -> str | None:
    """Return a dateTimeStamp as a moment, None for what is none or no day of the calendar."""
    try:
        return normalise(value) if isinstance(value, str) and _TIME_STAMP.match(value) else None
    except InvalidProblem:
        return None


def _typed(value: Any, pointer: str, section: str, *, needs_id: bool) -> _Faults:
    """One or more objects with a type; with an `id` where the section demands one."""
    if not _as_list(value):
        yield pointer, f"an empty list says nothing: leave the member out ({section})"
    for place, item in _places(value, pointer):
        if not isinstance(item, Mapping):
            yield place, f"an object with a type is required ({section})"
            continue
        yield from _types(item, place)
        yield from _identifier(item, place)
        if needs_id and "id" not in item:
            yield f"{place}/id", f"an id is required ({section})"


def _related(value: Any) -> _Faults:
    """5.3: objects with an `id` that is not repeated, and at least one digest."""
    seen: set[str] = set()
    for place, item in _places(value, "/relatedResource"):
        if not isinstance(item, Mapping) or not _is_url(item.get("id")):
            yield place, "a related resource is an object with a URL as its id (5.3)"
            continue
        if item["id"] in seen:
            yield f"{place}/id", "a related resource stands only once (5.3)"
        seen.add(item["id"])
        if not any(isinstance(item.get(name), str) for name in ("digestSRI", "digestMultibase")):
            yield place, "a related resource has a digestSRI or a digestMultibase (5.3)"


def _proof(proof: Any, pointer: str) -> _Faults:
    """4.12 and Data Integrity 1.0 section 2.1: the members of a proof, whether or not it holds."""
    if not isinstance(proof, Mapping):
        yield pointer, "a proof is an object (Data Integrity 2.1)"
        return
    yield from _types(proof, pointer)
    yield from _identifier(proof, pointer)
    if not isinstance(proof.get("proofPurpose"), str):
        yield f"{pointer}/proofPurpose", "a proof says what it is for (Data Integrity 2.1)"
    if "verificationMethod" in proof and not _is_url(proof["verificationMethod"]):
        yield f"{pointer}/verificationMethod", "a proof that names its key does so by a URL (Data Integrity 2.1)"
    if not (isinstance(proof.get("proofValue"), str) and _MULTIBASE.match(proof["proofValue"])):
        yield f"{pointer}/proofValue", "a proof has its value in multibase (Data Integrity 2.1)"
    if "DataIntegrityProof" in _as_list(proof.get("type")) and not isinstance(proof.get("cryptosuite"), str):
        yield f"{pointer}/cryptosuite", "a DataIntegrityProof names its suite (Data Integrity 3.1)"
    yield from _proof_options(proof, pointer)


def _proof_options(proof: Mapping[str, Any], pointer: str) -> _Faults:
    for name in sorted(_PROOF_TEXTS & proof.keys()):
        if not isinstance(proof[name], str):
            yield f"{pointer}/{name}", "this is a text (Data Integrity 2.1)"
    for name in sorted(_PROOF_SETS & proof.keys()):
        if not all(isinstance(item, str) for item in _as_list(proof[name])):
            yield f"{pointer}/{name}", "this is one text or several (Data Integrity 2.1)"
    for name in sorted(_PROOF_TIMES & proof.keys()):
        yield from _time_stamp(proof[name], f"{pointer}/{name}", "Data Integrity 2.1")


def _each(value: Any, pointer: str, check: Callable[[Any, str], _Faults]) -> _Faults:
    for place, item in _places(value, pointer):
        yield from check(item, place)


def _places(value: Any, pointer: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{pointer}/{place}", item) for place, item in enumerate(value))
    else:
        yield pointer, value


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and bool(_URL.match(value))
