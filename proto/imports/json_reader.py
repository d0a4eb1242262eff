"""Reads a JSON document and remembers what was read, so that nothing is dropped silently. Knows no field by name."""

from collections.abc import Iterator, Mapping
from typing import Any

from proto.canonical import canonical_json
from proto.documents.open_badge_claims import NotAnOpenBadgeProblem


def escape(token: str) -> str:
    """Return one reference token of a JSON pointer (RFC 6901 section 3)."""
    return token.replace("~", "~0").replace("/", "~1")


def is_number(value: Any) -> bool:
    """Tell whether a value is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number_text(value: Any) -> str:
    """Return a JSON number as RFC 8785 writes it: 8.5, and 8 for 8.0."""
    return canonical_json(value).decode()


class Reader:
    """One object of a document. Whatever is taken from it counts as mapped; `unmapped` of the root lists the rest."""

    def __init__(self, value: Mapping[str, Any], pointer: str = "", taken: set[str] | None = None) -> None:
        self.value = value
        self.pointer = pointer
        self._taken: set[str] = set() if taken is None else taken

    def at(self, name: str) -> str:
        """Return the JSON pointer of a member."""
        return f"{self.pointer}/{escape(name)}"

    def take(self, name: str) -> Any:
        """Return a member with all that is in it, and count it as mapped; None where it is absent."""
        if name in self.value:
            self._taken.add(self.at(name))
        return self.value.get(name)

    def take_at(self, pointer: str) -> None:
        """Count what stands at a pointer as mapped."""
        self._taken.add(pointer)

    def leave(self, name: str) -> None:
        """Count a member, and all that was taken in it, as not mapped after all."""
        self.leave_at(self.at(name))

    def leave_at(self, pointer: str) -> None:
        """Count what stands at a pointer, and all that was taken in it, as not mapped after all."""
        under = f"{pointer}/"
        self._taken.difference_update([each for each in self._taken if each == pointer or each.startswith(under)])

    def taken(self) -> frozenset[str]:
        """Return the pointers to all that was taken of the document so far."""
        return frozenset(self._taken)

    def back_to(self, taken: frozenset[str]) -> None:
        """Count as mapped no more than what `taken` returned before."""
        self._taken.intersection_update(taken)

    def text(self, name: str) -> str | None:
        """Take a text; an empty one counts as absent, another kind of value is refused."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            raise NotAnOpenBadgeProblem(f"{name} must be a text", pointer=self.at(name))
        return value or None

    def needed_text(self, name: str) -> str:
        """Take a text that must be there."""
        value = self.text(name)
        if value is None:
            raise NotAnOpenBadgeProblem(f"{name} is missing", pointer=self.at(name))
        return value

    def text_or_number(self, name: str) -> str | None:
        """Take a text or a number, as a text: writers of codes and grades use both."""
        value = self.take(name)
        return number_text(value) if is_number(value) else self.text(name)

    def only(self, name: str, *known: str) -> None:
        """Take those items of a text or a list of texts that are known; the others stay unmapped."""
        value = self.value.get(name)
        if isinstance(value, str) and value in known:
            self._taken.add(self.at(name))
        if isinstance(value, list):
            self._taken.update(f"{self.at(name)}/{index}" for index, item in enumerate(value) if item in known)

    def child(self, name: str) -> "Reader | None":
        """Return a reader of the object under `name`, also where it alone is in a list; None where it is absent.

        Nothing of it is taken yet.
        """
        value = self.value.get(name)
        pointer = self.at(name)
        if isinstance(value, list) and len(value) == 1:
            value, pointer = value[0], f"{pointer}/0"
        if value is None:
            return None
        if not isinstance(value, Mapping):
            several = " of its own: send each by itself" if isinstance(value, list) and value else ""
            raise NotAnOpenBadgeProblem(f"{name} must be an object{several}", pointer=self.at(name))
        return Reader(value, pointer, self._taken)

    def needed_child(self, name: str) -> "Reader":
        """Return a reader of the object under `name`, which must be there."""
        found = self.child(name)
        if found is None:
            raise NotAnOpenBadgeProblem(f"{name} is missing", pointer=self.at(name))
        return found

    def children(self, name: str) -> "list[Reader]":
        """Return readers of the objects in the list under `name`, or of the one there; absent is empty."""
        value = self.value.get(name)
        if isinstance(value, Mapping):
            return [Reader(value, self.at(name), self._taken)]
        if value is not None and not (isinstance(value, list) and all(isinstance(item, Mapping) for item in value)):
            raise NotAnOpenBadgeProblem(f"{name} must be a list of objects", pointer=self.at(name))
        return [Reader(item, f"{self.at(name)}/{index}", self._taken) for index, item in enumerate(value or ())]

    def objects(self, name: str) -> "list[Reader]":
        """Return readers of those items under `name` that are objects; what else is there stays unmapped."""
        value = self.value.get(name)
        if isinstance(value, Mapping):
            return self.children(name)
        items = value if isinstance(value, list) else []
        return [
            Reader(item, f"{self.at(name)}/{index}", self._taken)
            for index, item in enumerate(items)
            if isinstance(item, Mapping)
        ]

    def unmapped(self) -> tuple[str, ...]:
        """Return JSON pointers to all that was not taken: the outermost values of which nothing was."""
        entered = {self.pointer}
        for pointer in self._taken:
            parent = pointer.rpartition("/")[0]
            while parent and parent not in entered:
                entered.add(parent)
                parent = parent.rpartition("/")[0]
        return tuple(self._rest(self.value, self.pointer, entered))

    def _rest(self, value: Any, pointer: str, entered: set[str]) -> Iterator[str]:
        if pointer in self._taken:
            return
        if pointer not in entered:
            yield pointer
            return
        members = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, member in members:
            yield from self._rest(member, f"{pointer}/{escape(str(key))}", entered)
