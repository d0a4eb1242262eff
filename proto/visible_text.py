"""Texts as people see them: what shows nothing, what is the same to the eye, what looks like a slip. Knows no field."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing: the Hangul fillers, the empty Braille cell."""
_SEEN = frozenset("LNPS")
_LINE_BREAKS = frozenset("\t\n\r")
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "none", "nan", "nil", "n/a", "#n/a", "#ref!", "#value!", "(null)", "[object object]"}
)
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")


def has_visible(text: str) -> bool:
    """Tell whether anything of a text can be seen: a letter, digit, mark of punctuation or symbol that is drawn."""
    return any(unicodedata.category(character)[0] in _SEEN and character not in _BLANK_LETTERS for character in text)


def fault_of(text: str, *, is_line: bool = False) -> str | None:
    """Return why a text cannot be taken, as the end of a sentence, or None.

    Line breaks and tabs stand in longer texts; a line (a name, a title) has none.
    """
    if not has_visible(text):
        return "holds nothing that can be seen: state it, or leave it out"
    allowed = frozenset[str]() if is_line else _LINE_BREAKS
    if any(unicodedata.category(character) in {"Cc", "Cs"} and character not in allowed for character in text):
        return "holds a control character (NUL, a line break, half of a character): send it without"
    return None


def has_invisible(text: str) -> bool:
    """Tell whether a text holds blanks or characters that are drawn as nothing: no address of mail has one."""
    return any(unicodedata.category(character)[0] in "ZC" or character in _BLANK_LETTERS for character in text)


def slip_of(text: str) -> str | None:
    """Return what a text looks like where it is perhaps not what was meant, as the end of a sentence, or None."""
    if folded(text) in _PLACEHOLDERS:
        return "is what programs write where there is no value"
    if _ENTITY.search(text):
        return "holds a character reference of HTML (such as `&uuml;`): it is shown as it stands"
    if "\ufffd" in text:
        return "holds the sign for a character that was lost (U+FFFD)"
    if _is_mojibake(text):
        return "looks like UTF-8 that was read in another encoding (`Ã¼` for `ü`)"
    return None


def _is_mojibake(text: str) -> bool:
    """Tell whether a text, written in a Western encoding of one byte, is UTF-8 of fewer characters."""
    if text.isascii():
        return False
    for encoding in ("cp1252", "latin-1"):
        try:
            meant = text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
        return meant != text
    return False


def folded(text: str) -> str:
    """Return what two texts have in common that look the same: no case, no form, no invisible characters, one blank."""
    plain = unicodedata.normalize("NFKC", text)
    seen = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())


def texts_of(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text in decoded JSON with its JSON pointer, in its order; names of members are none."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from texts_of(member, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for index, item in enumerate(value):
            yield from texts_of(item, f"{pointer}/{index}")
