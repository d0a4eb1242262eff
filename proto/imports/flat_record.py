"""Reads a flat record, whose values may be texts whatever they mean, under any of several names. Knows no field.

Of several names the first that says something is read; what stands under the others is listed as having no place.
"""

from collections.abc import Mapping
from typing import Any

from proto.imports.json_reader import Reader, is_number, number_text
from proto.imports.ornaments import Ornaments
from proto.problem import InvalidProblem
from proto.visible_text import fault_of


class FlatRecord:
    """One record: its reader, and what was guessed or left out."""

    def __init__(
        self, document: Mapping[str, Any], refusal: type[InvalidProblem], *, essential: frozenset[str]
    ) -> None:
        """Take the record; a text that nobody can read says nothing, but in `essential` fields, whose fault it is."""
        self.root = Reader(document)
        self._essential = essential
        self.read = Ornaments()
        self._refusal = refusal

    def doubt(self, name: str, detail: str) -> None:
        """Note what was guessed of a field, or left out."""
        self.read.doubt(self.root.at(name), detail)

    def found(self, *names: str) -> tuple[str, str] | None:
        """Return the first of these fields that says something, and what, as a text; it is not taken yet."""
        for name in names:
            value = self.root.value.get(name)
            text = number_text(value) if is_number(value) else value
            if isinstance(text, str) and text.strip() and (name in self._essential or fault_of(text) is None):
                return name, text.strip()
        return None

    def text(self, *names: str) -> str | None:
        """Take the first of these fields that says something, as a text."""
        found = self.found(*names)
        if found is None:
            return None
        self.root.take(found[0])
        return found[1]

    def needed(self, *names: str) -> str:
        """Take the first of these fields; raises the refusal of this kind of record where none says anything."""
        found = self.text(*names)
        if found is None:
            raise self._refusal(f"{names[0]} is missing", pointer=self.root.at(names[0]))
        return found

    def short(self, characters_max: int, *names: str) -> str | None:
        """Take so much of a text as can be kept; one that is longer is listed all the same."""
        found = self.found(*names)
        if found is None:
            return None
        name, text = found
        if len(text) > characters_max:
            self.doubt(name, f"Only the first {characters_max} of {len(text)} characters can be kept")
        else:
            self.root.take(name)
        return text[:characters_max]

    def lines(self, *names: str) -> list[str]:
        """Take a list of texts, or the lines of one text without the signs of a list before them."""
        for name in names:
            value = self.root.value.get(name)
            if (
                isinstance(value, list)
                and value
                and all(isinstance(item, str) and fault_of(item) is None for item in value)
            ):
                self.root.take(name)
                return value
        text = self.text(*names)
        return [line for each in (text or "").splitlines() if (line := each.strip(" -*•\t"))]

    def flag(self, name: str) -> bool | None:
        """Take a boolean, also one that is written as a text."""
        value = self.root.value.get(name)
        flags = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        found = flags.get(str(value).strip().lower())
        if found is not None:
            self.root.take(name)
        return found
