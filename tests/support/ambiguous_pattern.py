"""Whether a pattern can read one text in several ways, so that a text which does not fit costs more than its length.

Works on the automaton of a pattern: two places that each come back to themselves by the same characters, of which one
leads to the other by these too (Weber and Seidl, 1991). Anchors, looks and references count as nothing; what repeats
less than `MANY` times is taken twice; an atomic group is read in one way.
"""

import importlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

_PARSER: Any = importlib.import_module("re._parser")
_NAMES: Any = importlib.import_module("re._constants")
_ALPHABET = frozenset([*range(128), 0xE9, 0x661, 0x2003, 0x2028])
"""Every character of ASCII, and of what else there is a letter, a digit and two blanks."""
_OTHER = 0xE9
MANY = 64
_TWICE = 2
Characters = frozenset[int]
Tree = Sequence[tuple[Any, Any]]
Step = tuple[int, int, int, bool]


def is_ambiguous(pattern: str | bytes, flags: int = 0) -> bool:
    """Tell whether some text of this pattern can be read in a number of ways that grows with its length."""
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    return _Automaton(text, flags & ~re.LOCALE | (re.ASCII if isinstance(pattern, bytes) else 0)).is_ambiguous()


class _Automaton:
    """The characters of a pattern, and which may follow which."""

    def __init__(self, text: str, flags: int) -> None:
        self._moves: list[tuple[int, Characters, int]] = []
        self._free: dict[int, set[int]] = {}
        self._state_count = 1
        self._add(_PARSER.parse(text, flags), 0, flags, is_atomic=False)
        self._sets = [characters for _, characters, _ in self._moves]
        self._next = [self._after(end) for _, _, end in self._moves]
        self._far = [self._reached(place) for place in range(len(self._moves))]

    def is_ambiguous(self) -> bool:
        loops = [place for place, far in enumerate(self._far) if place in far]
        return any(self._meet(one, other) for one in loops for other in loops if other in self._far[one])

    def _meet(self, one: int, other: int) -> bool:
        """Tell whether a text leads from one to itself, from one to the other, and from the other to itself."""
        begun: Step = (one, one, other, one != other)
        waiting, seen = [begun], {begun}
        while waiting:
            for step in self._steps(waiting.pop(), one, other):
                if step == (one, other, other, True):
                    return True
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
        return False

    def _steps(self, at: Step, one: int, other: int) -> Iterator[Step]:
        """Yield where three readers of one text may be next; of one place that is met twice, two readers suffice."""
        first, second, third, is_apart = at
        for a in self._towards(first, one):
            for b in self._towards(second, other):
                both = self._sets[a] & self._sets[b]
                if both and one == other:
                    yield a, b, other, is_apart or a != b
                elif both:
                    yield from ((a, b, c, True) for c in self._towards(third, other) if both & self._sets[c])

    def _towards(self, place: int, wanted: int) -> list[int]:
        return [each for each in self._next[place] if each == wanted or wanted in self._far[each]]

    def _after(self, state: int) -> list[int]:
        seen, waiting = {state}, [state]
        while waiting:
            more = self._free.get(waiting.pop(), set()) - seen
            seen |= more
            waiting.extend(more)
        return [place for place, (start, _, _) in enumerate(self._moves) if start in seen]

    def _reached(self, place: int) -> set[int]:
        seen: set[int] = set()
        waiting = list(self._next[place])
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                waiting.extend(self._next[each])
        return seen

    def _state(self, *before: int) -> int:
        self._state_count += 1
        for each in before:
            self._free.setdefault(each, set()).add(self._state_count)
        return self._state_count

    def _add(self, tree: Tree, start: int, flags: int, *, is_atomic: bool) -> int:
        """Add what a tree reads from a state on; return the state in which it ends."""
        for kind, value in tree:
            if kind is _NAMES.SUBPATTERN:
                start = self._add(value[3], start, (flags | value[1]) & ~value[2], is_atomic=is_atomic)
            elif kind is _NAMES.ATOMIC_GROUP:
                start = self._add(value, start, flags, is_atomic=True)
            elif kind is _NAMES.BRANCH:
                ends = [self._add(each, self._state(start), flags, is_atomic=is_atomic) for each in value[1]]
                start = self._state(*ends)
            elif kind in (_NAMES.MAX_REPEAT, _NAMES.MIN_REPEAT, _NAMES.POSSESSIVE_REPEAT):
                is_one_way = is_atomic or kind is _NAMES.POSSESSIVE_REPEAT
                start = self._repeat(value, start, flags, is_atomic=is_one_way)
            elif (characters := _characters(kind, value, flags)) is not None:
                end = self._state()
                self._moves.append((start, characters, end))
                start = end
        return start

    def _repeat(self, value: tuple[int, int, Tree], start: int, flags: int, *, is_atomic: bool) -> int:
        least, most, body = value
        for _ in range(min(least, _TWICE)):
            start = self._add(body, start, flags, is_atomic=is_atomic)
        if most <= MANY:
            ends = [start]
            for _ in range(min(most - least, _TWICE)):
                ends.append(self._add(body, ends[-1], flags, is_atomic=is_atomic))
            return self._state(*ends)
        if is_atomic:
            return start
        begun = self._state(self._add(body, start, flags, is_atomic=False))  # once apart, so that a loop in it shows
        self._free.setdefault(self._add(body, begun, flags, is_atomic=False), set()).add(begun)
        return self._state(start, begun)


def _characters(kind: Any, value: Any, flags: int) -> Characters | None:
    """Return which characters a part of a pattern reads; None for what reads none."""
    if kind is _NAMES.ANY:
        return _ALPHABET if flags & re.DOTALL else _ALPHABET - {ord("\n")}
    if kind is _NAMES.NOT_LITERAL:
        return _ALPHABET - _both_cases({value}, flags)
    if kind is _NAMES.IN:
        is_without = value[0][0] is _NAMES.NEGATE
        named = frozenset().union(*(_characters(each, of, flags) or frozenset() for each, of in value[is_without:]))
        return _ALPHABET - named if is_without else named
    if kind is _NAMES.LITERAL:
        return _both_cases({value if value in _ALPHABET else _OTHER}, flags)
    if kind is _NAMES.RANGE:
        return _both_cases({each for each in _ALPHABET if value[0] <= each <= value[1]}, flags)
    return _of_category(str(value), flags) if kind is _NAMES.CATEGORY else None


def _both_cases(characters: set[int], flags: int) -> Characters:
    swapped = {ord(chr(each).swapcase()) for each in characters} if flags & re.IGNORECASE else set()
    return frozenset(characters | swapped)


def _of_category(name: str, flags: int) -> Characters:
    kind = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}[name.rpartition("_")[2]]
    found = {each for each in _ALPHABET if re.match(kind, chr(each), flags & re.ASCII)}
    return frozenset(_ALPHABET - found if "_NOT_" in name else found)
