"""Reads what the European Learning Model v3 writes in its own ways: language maps, notes, concepts, one or several.

Remembers what was guessed or left out. Knows no achievement and no award.
"""

from collections.abc import Mapping
from typing import TypeVar

from proto.documents.vocabulary import CONCEPTS, is_language
from proto.imports.imported import LANGUAGE_UNKNOWN, written_day, written_time
from proto.imports.json_reader import Reader, escape
from proto.imports.ornaments import Ornaments
from proto.problem import InvalidProblem

_BY_URI = {concept.uri: kind for kind, concept in CONCEPTS.items() if concept.uri}
_CONCEPT_MEMBERS = frozenset({"id", "type", "inScheme", "prefLabel", "notation"})
LOCAL_IDS = ("urn:epass:", "_:", "#")
"""Ids that number the parts of one document, and name nothing outside of it."""
_T = TypeVar("_T")


class NotAnElmCredentialProblem(InvalidProblem):
    """Not a credential of the European Learning Model v3; `pointer` says where."""

    slug = "not-an-elm-credential"
    title = "This is not a European Learning Model v3 credential"


class ElmReader(Ornaments):
    """What is read of one document leaves its doubts here, in the order of reading."""

    def text(self, source: Reader, name: str) -> dict[str, str] | None:
        """Take a language map; a plain text is kept under und."""
        value = source.value.get(name)
        if isinstance(value, str) and value:
            self.doubt(source.at(name), "The text names no language; kept under und (undetermined)")
            source.take(name)
            return {LANGUAGE_UNKNOWN: value}
        if not isinstance(value, Mapping) or not value:
            return None
        texts = source.needed_child(name)
        found: dict[str, str] = {}
        for tag, text in value.items():
            first = text[0] if isinstance(text, list) and text else text
            if isinstance(tag, str) and is_language(tag) and isinstance(first, str) and first.strip():
                found[tag] = first
                if not isinstance(text, list) or len(text) == 1:
                    texts.take(tag)
        return found or None

    def first(self, source: Reader, name: str, texts: Mapping[str, str] | None) -> str | None:
        """Return the text in the first language; the others, where there are some, are listed and named."""
        if not texts:
            return None
        tag, *others = texts
        if others:
            self.doubt(source.at(name), f"One language can be kept here, {tag}; left out: {', '.join(others)}")
            within = source.value.get(name)
            for other in others:
                is_here = isinstance(within, Mapping) and other in within
                source.leave_at(f"{source.at(name)}/{escape(other)}" if is_here else source.at(name))
        return texts[tag]

    def shortened(self, source: Reader, name: str, text: str, characters_max: int) -> str:
        """Return so much of a text as can be kept; one that is longer is listed all the same."""
        if len(text) > characters_max:
            self.doubt(source.at(name), f"Only the first {characters_max} of {len(text)} characters can be kept")
            source.leave(name)
        return text[:characters_max]

    def note(self, source: Reader, name: str) -> dict[str, str] | None:
        """Take the text of the first note that has one."""
        for each in all_of(source, name):
            found = self.text(each, "noteLiteral")
            if found:
                each.only("type", "Note")
                return found
        return None

    def concepts(self, source: Reader, name: str, kind: type[_T]) -> list[_T]:
        """Take the concepts of one kind that are known; the others stay unmapped."""
        found = []
        for each in all_of(source, name):
            concept = _BY_URI.get(str(each.value.get("id", "")))
            if isinstance(concept, kind):
                take_concept(each)
                found.append(concept)
        return found

    def time(self, source: Reader, name: str) -> str | None:
        """Take a time in UTC, or a day as it is written; raises `NotAnElmCredentialProblem` for a text that is none."""
        stated = source.value.get(name)
        if not isinstance(stated, str):
            return None
        try:
            found = written_time(stated)
        except InvalidProblem as problem:
            raise NotAnElmCredentialProblem(problem.detail, pointer=source.at(name)) from problem
        source.take(name)
        return found

    def day(self, source: Reader, name: str) -> str | None:
        """Take the day of a time as it is written, whatever its zone; raises `NotAnElmCredentialProblem` for no day."""
        stated = source.value.get(name)
        if not isinstance(stated, str):
            return None
        try:
            found, is_whole = written_day(stated)
        except InvalidProblem as problem:
            raise NotAnElmCredentialProblem(problem.detail, pointer=source.at(name)) from problem
        source.take(name)
        if not is_whole:
            self.doubt(source.at(name), f"A day is kept, {found}; the time of day is left out")
        return found


def all_of(source: Reader, name: str) -> list[Reader]:
    """Return the objects under a name: JSON-LD writes one as itself, several as a list."""
    value = source.value.get(name)
    if isinstance(value, Mapping):
        found = source.child(name)
        return [found] if found is not None else []
    return source.children(name) if isinstance(value, list) else []


def one_of(source: Reader, name: str) -> Reader:
    """Return the first object under a name; raises `NotAnElmCredentialProblem` where there is none."""
    found = first_of(source, name)
    if found is None:
        raise NotAnElmCredentialProblem(f"{name} is missing", pointer=source.at(name))
    return found


def first_of(source: Reader, name: str) -> Reader | None:
    """Return the first object under a name, or None."""
    return next(iter(all_of(source, name)), None)


def types_of(source: Reader) -> set[str]:
    """Return the types that an object states."""
    stated = source.value.get("type")
    return {each for each in (stated if isinstance(stated, list) else [stated]) if isinstance(each, str)}


def take_concept(source: Reader) -> None:
    """Take a concept of a controlled vocabulary: with its URI, its labels and list are known; nothing else of it is."""
    for name in _CONCEPT_MEMBERS & source.value.keys():
        source.take(name)
