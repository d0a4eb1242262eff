"""A text as it is looked for: without capitals, accents and ways of writing the same sign. Knows no database.

A database's own `lower` goes by its locale: that of `C` folds ASCII alone.
"""

import unicodedata

from proto.normal_form import normalised


def fold(text: str) -> str:
    """Return the text in one form for comparison: compatibility decomposition, no combining marks, case folded.

    Unicode section 3.13, caseless matching; it is never shown.
    """
    decomposed = normalised("NFKD", normalised("NFKD", text).casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))
