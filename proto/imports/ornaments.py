"""Reads what adorns a document: what breaks a limit of ours is left out and listed, and sinks nothing.

Remembers what was guessed or left out. Knows no format.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from proto.documents.fields import CodeText
from proto.imports.imported import Doubt
from proto.imports.json_reader import Reader, is_number, number_text
from proto.problem import InvalidProblem
from proto.visible_text import fault_of

_T = TypeVar("_T")
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
CREDITS_HUNDREDTHS_MAX = 100_000
_CREDITS_CHARACTERS_MAX = 20


class Ornaments:
    """What is read of one document leaves its doubts here, in the order of reading."""

    def __init__(self) -> None:
        self.doubts: list[Doubt] = []

    def doubt(self, pointer: str, detail: str) -> None:
        """Note what was guessed or left out, and at which JSON pointer."""
        self.doubts.append(Doubt(pointer=pointer, detail=detail))

    def whole(self, source: Reader, read: Callable[[], _T]) -> _T | None:
        """Return what `read` makes of an object, or None where it raises `InvalidProblem`: then nothing of it is taken.

        What is read counts as left out where its `read` returns None.
        """
        taken, doubts = source.taken(), len(self.doubts)
        try:
            return read()
        except InvalidProblem as problem:
            source.back_to(taken)
            del self.doubts[doubts:]
            self.doubt(problem.pointer or source.pointer, "It cannot be kept as it is written; left out")
            return None

    def all(self, items: Iterable[Reader], read: Callable[[Reader], _T | None], count_max: int) -> list[_T]:
        """Return what `read` makes of as many items as can be kept; the others are left out."""
        found: list[_T] = []
        for item in items:
            if len(found) == count_max:
                self.doubt(item.pointer, f"Only {count_max} can be kept; left out")
                continue
            one = self.whole(item, partial(read, item))
            if one is not None:
                found.append(one)
        return found

    def field(self, source: Reader, name: str, kind: Any) -> Any:
        """Take a member that has the form and the limits of `kind`; None, and left out, where it has not."""
        value = source.value.get(name)
        if value is None or value == "":
            source.take(name)
            return None
        if not fits(value, kind):
            self.doubt(source.at(name), "It cannot be kept as it is written: too long, or of another form; left out")
            return None
        return source.take(name)

    def code(self, source: Reader, name: str, kind: Any = CodeText) -> Any:
        """Take a text, or a number as a text."""
        value = source.value.get(name)
        if is_number(value):
            source.take(name)
            return number_text(value)
        return self.field(source, name, kind)

    def address(self, source: Reader, name: str, kind: Any) -> Any:
        """Take an address; one with letters beyond ASCII is kept as RFC 3987 writes it in ASCII."""
        value = source.value.get(name)
        written = ascii_address(value) if isinstance(value, str) else value
        if written == value or not fits(written, kind):
            return self.field(source, name, kind)
        source.take(name)
        self.doubt(source.at(name), "The address is kept in ASCII, as it is sent over the net")
        return written

    def short(self, source: Reader, name: str, characters_max: int) -> str | None:
        """Take a text; of one that is too long the beginning is kept, and it is listed all the same."""
        value = source.value.get(name)
        text = number_text(value) if is_number(value) else value
        if isinstance(text, str) and len(text) > characters_max and fault_of(text[:characters_max]) is None:
            self.doubt(source.at(name), f"Only the first {characters_max} of {len(text)} characters can be kept")
            return text[:characters_max]
        return self.code(source, name, str) or None

    def texts(self, source: Reader, name: str, kind: Any, count_max: int) -> list[Any]:
        """Take a text, or those of a list that can be kept; the others are left out."""
        value = source.value.get(name)
        if not isinstance(value, list):
            one = self.code(source, name, kind)
            return [] if one is None else [one]
        found: list[Any] = []
        for index, item in enumerate(value):
            text = number_text(item) if is_number(item) else item
            pointer = f"{source.at(name)}/{index}"
            if len(found) < count_max and fits(text, kind):
                source.take_at(pointer)
                found.append(text)
            elif item not in (None, ""):
                self.doubt(pointer, f"It cannot be kept as it is written, or there are more than {count_max}; left out")
        return found

    def credits(self, source: Reader, name: str) -> int | None:
        """Take a number of credits in hundredths, also one that is written as a text, rounded to hundredths."""
        value = source.value.get(name)
        written = str(value).strip().replace(",", ".") if is_number(value) or isinstance(value, str) else ""
        exact = _decimal(written)
        if exact is None or not 0 <= exact * 100 <= CREDITS_HUNDREDTHS_MAX:
            if value not in (None, ""):
                self.doubt(source.at(name), "It is no number of credits from 0 to 1000; left out")
            return None
        source.take(name)
        hundredths = round(exact * 100)
        if hundredths != exact * 100:
            self.doubt(source.at(name), f"{written} is kept with two decimals: {Decimal(hundredths) / 100}")
        return hundredths


def fits(value: Any, kind: Any) -> bool:
    """Tell whether a value has the form and the limits of `kind`, and a text can be read by people."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return not isinstance(value, str) or fault_of(value) is None


def ascii_address(address: str) -> str:
    """Return an address in ASCII (RFC 3987 3.1, RFC 3490); what is none comes back as some text in ASCII."""
    if address.isascii() and " " not in address:
        return address
    try:
        parts = urlsplit(address.strip())
        host = parts.netloc.encode("idna").decode() if not parts.netloc.isascii() else parts.netloc
        address = urlunsplit(parts._replace(netloc=host))
    except (ValueError, UnicodeError):
        pass  # no name of a host: its letters are percent-encoded like the others
    return quote(address, safe=_PRINTABLE)


def _decimal(written: str) -> Decimal | None:
    is_number_text = written.replace(".", "", 1).replace("-", "", 1).isdigit() and written.isascii()
    if len(written) > _CREDITS_CHARACTERS_MAX:
        is_number_text = False
    return Decimal(written) if is_number_text and not written.startswith("-") else None
