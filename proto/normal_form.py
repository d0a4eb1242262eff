"""Unicode's normal forms, in a time that grows with the text. Knows no field.

The library sorts the marks on one letter by insertion: two hundred thousand of them, in a document that somebody sent,
would hold the interpreter for a minute.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Literal

MARKS_MAX = 30
"""Marks on one letter that count; no writing has more (UAX 15 section 13, stream-safe text)."""
_SHORT_CHARACTERS = 500
_MAYBE_MARKS = re.compile("[^\x00-\u02ff]{31,}")
"""Where so many marks may stand together: none is among the first letters of Unicode, which most texts are made of."""


def normalised(form: Literal["NFC", "NFKC", "NFD", "NFKD"], text: str) -> str:
    """Return a text in a normal form; of a long one, what has more marks on a letter than any writing loses them."""
    if not text.isascii() and len(text) > _SHORT_CHARACTERS:
        text = _MAYBE_MARKS.sub(_with_few_marks, text)
    return unicodedata.normalize(form, text)


def _with_few_marks(found: re.Match[str]) -> str:
    kept, marks = [], 0
    for sign in found[0]:
        marks = marks + 1 if _is_mark(sign) else 0
        if marks <= MARKS_MAX:
            kept.append(sign)
    return "".join(kept)


@lru_cache(maxsize=4_096)
def _is_mark(sign: str) -> bool:
    """Tell whether a sign becomes a mark on what stands before it; some only do so once they are taken apart."""
    return unicodedata.combining(unicodedata.normalize("NFKD", sign)[0]) > 0
