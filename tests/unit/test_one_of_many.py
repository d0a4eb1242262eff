"""What breaks over one of many is that one's alone; what says nothing of it is let through."""

import asyncio

import pytest

from proto.one_of_many import OneOfMany


def test_whatever_one_breaks_the_next_follows() -> None:
    read, broken = [], []
    for text in ("1", "one", "2"):
        with OneOfMany() as this:
            read.append(int(text))
        broken.append(type(this.broken))
    assert (read, broken) == ([1, 2], [type(None), ValueError, type(None)])


def test_what_is_everybodys_is_raised() -> None:
    with pytest.raises(ConnectionResetError), OneOfMany(OSError):
        raise ConnectionResetError


@pytest.mark.parametrize("end", [asyncio.CancelledError, KeyboardInterrupt, SystemExit])
def test_an_end_is_never_held_back(end: type[BaseException]) -> None:
    with pytest.raises(end), OneOfMany():
        raise end
