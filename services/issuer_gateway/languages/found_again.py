"""A sentence of ours that was filled in elsewhere, found again among those that a language has. Pure.

A refusal says in English what was found, with values inside: an id, a day, a number. Its sentence stands in the files
of languages with a number in braces for each of them, in the order of the English.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from proto.visible_text import within_sentence

_VALUE = re.compile(r"\{\d\}")
_OWN_CHARACTERS_MIN = 8
"""A sentence that has less of its own would be found in anything."""
_SEARCHED_CHARACTERS_MAX = 4000
_WITHIN_MAX = 2


class Sentence(msgspec.Struct, frozen=True):
    """A sentence with values: what stands around them in English, and the whole in a language."""

    pieces: Sequence[str]
    said: str

    def values(self, text: str) -> list[str] | None:
        """Return the values that make this sentence the text, or None where none do; the first that fit are taken."""
        first, last = self.pieces[0], self.pieces[-1]
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last) or end < len(first):
            return None
        found, at = list[str](), len(first)
        for piece in self.pieces[1:-1]:
            where = text.find(piece, at, end)
            if where < 0:
                return None
            found.append(text[at:where])
            at = where + len(piece)
        return [*found, text[at:end]]


def sentences(words: Mapping[str, str]) -> tuple[Sentence, ...]:
    """Return the sentences with values among the words of a language, those that say most of their own first."""
    found = (Sentence(_VALUE.split(english), said) for english, said in words.items() if _VALUE.search(english))
    kept = (each for each in found if sum(map(len, each.pieces)) >= _OWN_CHARACTERS_MIN)
    return tuple(sorted(kept, key=lambda each: -sum(map(len, each.pieces))))


def found_again(text: str, words: Mapping[str, str], known: Iterable[Sentence], *, within: int = 0) -> str | None:
    """Return an English text in the language of these words, or None where no sentence of it makes the text.

    A value that is itself a text of ours is said in the language too.
    """
    if text in words:
        return words[text]
    if within == _WITHIN_MAX or len(text) > _SEARCHED_CHARACTERS_MAX:
        return None
    known = tuple(known)
    for sentence in known:
        values = sentence.values(text)
        if values is not None:
            said = [found_again(each, words, known, within=within + 1) or within_sentence(each) for each in values]
            return sentence.said.format("", *said)
    return None
