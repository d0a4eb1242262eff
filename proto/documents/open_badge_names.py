"""EU elements in a document under their full names (IRIs), and back under the short ones that people read. Pure.

A document of ours names published contexts only. What Open Badges has no term for stands under the IRI that
`open_badge_context.EU_TERMS` gives it: a name that needs no context, and that every reader understands alike. Earlier
documents use the short names, which their inline context defines; whoever reads takes both.
"""

from collections.abc import Mapping
from typing import Any, Final

from proto.documents.open_badge_context import EU_TERMS
from proto.problem import InvalidProblem

_OFFICIAL: Final[Mapping[str, frozenset[str]]] = {
    "Profile": frozenset({"otherIdentifier", "givenName", "familyName", "dateOfBirth"}),
    "Achievement": frozenset({"otherIdentifier"}),
}
"""Names that are terms of Open Badges in objects of these types, and ours elsewhere."""


class NamedTwiceProblem(InvalidProblem):
    """One thing is said under two names: two readers could see two things."""

    slug = "named-twice"
    title = "The document says one thing under two names"


def _iri(definition: Any) -> str:
    found = definition["@id"] if isinstance(definition, Mapping) else definition
    assert isinstance(found, str)
    return found


IRIS: Final[Mapping[str, str]] = {name: _iri(definition) for name, definition in EU_TERMS.items()}
"""The IRI of every short name."""
NAMES: Final[Mapping[str, str]] = {iri: name for name, iri in IRIS.items()}
"""The short name of every IRI; each IRI has one."""
_BY_LANGUAGE: Final = frozenset(
    name for name, each in EU_TERMS.items() if isinstance(each, Mapping) and each.get("@container") == "@language"
)
_REFERENCES: Final = frozenset(
    name for name, each in EU_TERMS.items() if isinstance(each, Mapping) and each.get("@type") == "@id"
)


def with_iris(value: Any) -> Any:
    """Return JSON of ours with IRIs in place of short names, texts by language as language-tagged values."""
    if isinstance(value, list):
        return [with_iris(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    official = _official(value)
    return dict(_with_iri(name, inside, official) for name, inside in value.items())


def _official(node: Mapping[str, Any]) -> frozenset[str]:
    kinds = node.get("type")
    named = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]
    return frozenset().union(*(_OFFICIAL.get(kind, frozenset()) for kind in named))


def _with_iri(name: str, value: Any, official: frozenset[str]) -> tuple[str, Any]:
    if name == "type":
        return name, [IRIS.get(kind, kind) for kind in value] if isinstance(value, list) else IRIS.get(value, value)
    if name not in IRIS or name in official:
        return name, with_iris(value)
    if name in _BY_LANGUAGE:
        return IRIS[name], [{"@language": tag, "@value": text} for tag, text in value.items()]
    if name in _REFERENCES:
        return IRIS[name], [{"id": each} for each in value] if isinstance(value, list) else {"id": value}
    return IRIS[name], with_iris(value)


def with_names(value: Any) -> Any:
    """Return JSON of a document with short names in place of IRIs, as earlier documents have them.

    What is not written as documents of ours write it stays as it is. Raises `NamedTwiceProblem`.
    """
    if isinstance(value, list):
        return [with_names(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {}
    for iri, inside in value.items():
        name, named = _with_name(iri, inside)
        if name in found or (name != iri and name in value):
            raise NamedTwiceProblem(f"{name} is said under two names: keep one", pointer=f"/{name}")
        found[name] = named
    return found


def _with_name(iri: str, value: Any) -> tuple[str, Any]:
    if iri == "type":
        kinds = value if isinstance(value, list) else [value]
        named = [NAMES.get(kind, kind) if isinstance(kind, str) else kind for kind in kinds]
        return iri, named if isinstance(value, list) else named[0]
    name = NAMES.get(iri)
    if name is None:
        return iri, with_names(value)
    if name in _BY_LANGUAGE:
        return name, _texts(value)
    if name in _REFERENCES:
        return name, [_reference(each) for each in value] if isinstance(value, list) else _reference(value)
    return name, with_names(value)


def _texts(value: Any) -> Any:
    """Return language-tagged values as texts by their languages; anything else as it is."""
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, Mapping) and each.keys() == {"@language", "@value"} for each in values):
        return value
    if not all(isinstance(text, str) for each in values for text in each.values()):
        return value
    texts = {each["@language"]: each["@value"] for each in values}
    return texts if len(texts) == len(values) else value


def _reference(value: Any) -> Any:
    return value["id"] if isinstance(value, Mapping) and value.keys() == {"id"} else value


def stated(node: Mapping[str, Any], name: str) -> Any:
    """Return what an object says under a short name or its IRI, None for nothing; raises `NamedTwiceProblem`."""
    iri = IRIS[name]
    if iri in node and name in node:
        raise NamedTwiceProblem(f"{name} is said under two names: keep one", pointer=f"/{name}")
    value = node.get(iri, node.get(name))
    return _reference(value) if name in _REFERENCES else value


_PLACE_DIGITS_MAX = 10


def pointer_into(document: Any, pointer: str) -> str:
    """Return where in a document stands what `pointer` names in its form with short names (`with_names`)."""
    node, found = document, ""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        step: str | int = name
        if isinstance(node, Mapping):
            step = name if name in node else IRIS.get(name, name)
            node = node.get(step)
        elif isinstance(node, list):
            is_place = name.isdecimal() and len(name) < _PLACE_DIGITS_MAX and int(name) < len(node)
            step = int(name) if is_place else next((at for at, each in enumerate(node) if _is_in(each, name)), name)
            node = node[step] if isinstance(step, int) else None
        found += "/" + str(step).replace("~", "~0").replace("/", "~1")
    return found


def _is_in(item: Any, language: str) -> bool:
    return isinstance(item, Mapping) and item.get("@language") == language
