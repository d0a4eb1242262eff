"""Sentences that hold values apart from their words, so that each language can say them. Pure.

Whoever finds something says it once, in English, with a name in braces where a value stands; that text is the code by
which the files of languages have it. Nothing has to read a finished sentence to learn what was found.
"""

from collections.abc import Mapping

import msgspec


class Sentence(msgspec.Struct, frozen=True):
    """A sentence of ours: its English words, and by its name what stands in each pair of braces of them.

    A value may be a `Sentence`, which is then said in the same language. Without values, braces stand for themselves.
    `str` of it is what it says in English.
    """

    words: str
    values: Mapping[str, object] = {}

    def __str__(self) -> str:
        return self.words.format(**self.values) if self.values else self.words


def sentence(words: str, /, **values: object) -> Sentence:
    """Return a sentence with these values, such as `sentence("{issuer} was closed at {at}", issuer=did, at=moment)`."""
    return Sentence(words, values)
