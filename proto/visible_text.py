"""Texts as people see them: what shows nothing, what is the same to the eye, what looks like a slip. Knows no field."""

import re
import unicodedata

from proto.normal_form import normalised

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that are drawn as nothing: the Hangul fillers, the empty Braille cell."""
_SEEN = frozenset("LNPS")
_SEEN_ASCII = re.compile("[!-~]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNSEEN = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
"""With what is no character: a feed, or any other XML, that holds U+FFFF is read by nobody (XML 1.0 section 2.2)."""
_TURNING = "\u202a-\u202e\u2066-\u2069"
"""The signs that turn the direction of all that follows, until they are taken back (UAX 9 section 2)."""
_UNSEEN_SIGNS, _TURNING_SIGNS = re.compile(f"[{_UNSEEN}]"), re.compile(f"[{_TURNING}]")
_LOOK_ALIKE_SCRIPTS = frozenset({"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "COPTIC", "CHEROKEE"})
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "none", "nan", "nil", "n/a", "#n/a", "#ref!", "#value!", "#name?", "(null)", "<null>"}
    | {"[object object]", "string"}
)
_PLACEHOLDER_MAX = max(map(len, _PLACEHOLDERS)) + 2
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_NEXT_BYTES = "".join(
    bytes([byte]).decode(encoding, "ignore") for byte in range(0x80, 0xC0) for encoding in ("latin-1", "cp1252")
)
_MISREAD = re.compile(f"\xc3[{re.escape(_NEXT_BYTES)}]|[\xc2\xc4\xc5\xd0\xd1][\x80-\xbf]|\xe2\u20ac|\xe2\x80")
"""What characters of two bytes in UTF-8, and quotation marks, look like where each byte is read as a character."""


def has_visible(text: str) -> bool:
    """Tell whether anything of a text can be seen: a letter, digit, mark of punctuation or symbol that is drawn."""
    if _SEEN_ASCII.search(text):
        return True
    return any(unicodedata.category(character)[0] in _SEEN and character not in _BLANK_LETTERS for character in text)


def fault_of(text: str) -> str | None:
    """Return why nobody can read a text, as the end of a sentence that says what to do, or None."""
    if not has_visible(text):
        return "holds nothing that can be seen: state it, or leave it out"
    if _CONTROL.search(text):
        return "holds a control character (NUL, or half of a character): send it without"
    return None


def within_sentence(text: str) -> str:
    """Return a text of others as part of a sentence of ours: on one line, and turning no sign outside of itself."""
    if text.isascii() and text.isprintable():
        return text
    return _TURNING_SIGNS.sub("", _UNSEEN_SIGNS.sub(" ", text))


def name_fault_of(name: str) -> str | None:
    """Return why a name would be read as another one than it is, as `fault_of` does, or None."""
    if name.isascii() and name.isprintable():
        return None
    if _TURNING_SIGNS.search(name):
        return "holds a sign that turns the direction of letters: write it without"
    if _UNSEEN_SIGNS.search(name):
        return "holds a control character: write it without"
    return None


def mixed_scripts(text: str) -> tuple[str, ...]:
    """Return the scripts of a text (`Latin`, `Cyrillic`) where it has several whose letters look alike, else ()."""
    plain = normalised("NFKC", text)
    names = (unicodedata.name(sign, "").partition(" ")[0] for sign in plain if sign.isalpha())
    found = tuple(name.capitalize() for name in dict.fromkeys(names) if name in _LOOK_ALIKE_SCRIPTS)
    return found if len(found) > 1 else ()


def address_fault_of(text: str) -> str | None:
    """Return why a text is no address of mail, as `fault_of` does: blanks and invisible characters belong in none."""
    if text.isascii():
        return fault_of(text)
    if any(unicodedata.category(character)[0] in "ZC" or character in _BLANK_LETTERS for character in text):
        return "holds an invisible character: write the address anew"
    return fault_of(text)


def slip_of(text: str) -> str | None:
    """Return what a text looks like where it is perhaps not what was meant, as the end of a sentence, or None."""
    if len(text) <= _PLACEHOLDER_MAX and text.strip().casefold() in _PLACEHOLDERS:
        return "is what programs write where there is no value"
    if "&" in text and _ENTITY.search(text):
        return "holds a character reference of HTML (such as `&uuml;`), which is shown as it stands"
    if text.isascii():
        return None
    if "\ufffd" in text:
        return "holds the sign for a character that was lost (U+FFFD)"
    if _MISREAD.search(text):
        return "looks like UTF-8 that was read in another encoding (`Ã¼` for `ü`)"
    return None


def folded(text: str) -> str:
    """Return what texts that look the same have in common: no case, no form, no invisible characters, single blanks."""
    plain = normalised("NFKC", text)
    seen = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return " ".join(normalised("NFKC", seen.casefold()).split())
