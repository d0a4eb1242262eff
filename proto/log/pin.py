"""Pins of a log's beginning: whose log it has to be. Who holds only the log's key cannot meet it. Pure.

A log is opened by its registrar, whose name is the key that signed the opening (`did:key:…`, DESIGN 3.5). A pin is that
name, which stays the same on every log that continues this one, or the event id of one opening: SHA-256 of what the
registrar signed as entry 0.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from proto.ids import HEX_256_PATTERN, Did, EventId
from proto.keys import decode_public_key, public_key_of
from proto.problem import InvalidProblem, Problem

PINS_MAX = 16
Pin: TypeAlias = Did | EventId
"""A registrar's did:key, or the event id of an opening."""
_EVENT_ID = re.compile(HEX_256_PATTERN)


def parse_pin(text: str) -> Pin:
    """Return a pin; raises `InvalidProblem` for what is neither a did:key nor an event id."""
    if _EVENT_ID.match(text):
        return EventId(text)
    try:
        decode_public_key(public_key_of(Did(text)))
    except Problem as problem:
        raise InvalidProblem(
            "A pin is the registrar's did:key:z6Mk… or the event id of entry 0 (64 digits and letters a to f), as "
            "GET /v1/log of the log shows them; compare it with what the registrar itself has published"
        ) from problem
    return Did(text)


def parse_pins(texts: Sequence[str]) -> tuple[Pin, ...]:
    """Return several pins, of which one has to be met; raises `InvalidProblem`."""
    if len(texts) > PINS_MAX:
        raise InvalidProblem(f"There are at most {PINS_MAX} pins")
    return tuple(dict.fromkeys(parse_pin(text) for text in texts))


def is_pinned(pins: Iterable[Pin], registrar: Did, openings: Iterable[EventId]) -> bool:
    """Tell whether the registrar, or one of the openings, is pinned."""
    return not {registrar, *openings}.isdisjoint(pins)


def openings_in(pins: Iterable[Pin]) -> list[EventId]:
    """Return those of the pins that name an opening."""
    return [EventId(pin) for pin in pins if not pin.startswith("did:")]


def unmet(pins: Sequence[Pin], registrar: Did, opening: str) -> str:
    """Return in words that a log is not the pinned one."""
    return (
        f"The log was opened by {registrar} with {opening}; pinned is {' or '.join(pins)}. It is another log "
        "than the one that you trust, or the pin is wrong: ask the registrar, not the log's operator"
    )
