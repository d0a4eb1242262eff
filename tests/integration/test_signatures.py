"""Signatures checked in processes: what they find is what threads find, whatever happens to the processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import msgspec
import pytest

from proto.lifecycle import Book
from proto.moment import Moment
from services.crypto.signature_worker import Item, bad_places
from services.crypto.signatures import SignatureCheckers
from services.follow import Position
from services.follow.chunk import Candidate, SignatureCheck, hash_chunk, judge, open_chunk
from services.follow.early import EarlyChecks
from tests.support.statements import secret_key
from tests.support.worlds import FullBook, World

NOW = Moment("2026-06-01T00:00:00.000Z")


def items(count: int, bad: set[int]) -> list[Item]:
    key = secret_key("signatures")
    signed = [(key.public_bytes, b"message %d" % number, key.sign(b"message %d" % number)) for number in range(count)]
    return [(k, m + b"!" if number in bad else m, s) for number, (k, m, s) in enumerate(signed)]


@pytest.fixture
async def checkers() -> AsyncIterator[SignatureCheckers]:
    made = SignatureCheckers(thread_count=2, process_count=2)
    async with made.processes():
        await ready(made)
        yield made


async def ready(checkers: SignatureCheckers) -> None:
    async with asyncio.timeout(120):
        while not checkers.has_processes:  # noqa: ASYNC110 - the state is another process's
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("bad", [set(), {0}, {299}, {3, 64, 65, 150, 151, 298}])
async def test_processes_find_what_is_bad_in_its_place(checkers: SignatureCheckers, bad: set[int]) -> None:
    assert await checkers.bad(items(300, bad)) == sorted(bad) == bad_places(items(300, bad))


async def test_threads_find_the_same_without_processes() -> None:
    made = SignatureCheckers(thread_count=3, process_count=0)
    assert await made.bad(items(300, {7, 250})) == [7, 250]
    assert await made.bad([]) == []
    async with made.processes():
        assert not made.has_processes


async def test_many_lists_at_once_are_answered_each_with_its_own(checkers: SignatureCheckers) -> None:
    lists = [items(130, {number}) for number in range(20)]
    assert await asyncio.gather(*(checkers.bad(each) for each in lists)) == [[number] for number in range(20)]


async def test_what_a_killed_process_leaves_is_checked_here(checkers: SignatureCheckers) -> None:
    asked = [asyncio.create_task(checkers.bad(items(2_000, {1_999}))) for _ in range(4)]
    await asyncio.sleep(0)
    for pid in checkers.pids:
        os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*asked) == [[1_999]] * 4
    assert await checkers.bad(items(200, {5})) == [5]


async def test_processes_end_with_the_block() -> None:
    made = SignatureCheckers(thread_count=1, process_count=2)
    async with made.processes():
        await ready(made)
        pids = made.pids
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert not made.has_processes


class Judged:
    """A log's entries as a follower has them before it asks for signatures."""

    def __init__(self, world: World) -> None:
        leaves, _ = hash_chunk(Position().tree(), world.entries)
        self.candidates, stop = open_chunk(Position(), world.origin, world.entries, leaves, now=NOW)
        assert stop is None
        book: Book = FullBook()
        self.checks = judge(book, world.origin, self.candidates, now=NOW).checks


async def learned(checkers: SignatureCheckers, judged: Judged) -> EarlyChecks:
    """Return early checks that met every key of the log before."""
    early = EarlyChecks(checkers)
    begun = early.begin(judged.candidates)
    assert begun.places == []  # no key is known yet
    assert await early.first_bad(begun, judged.candidates, judged.checks) is None
    return early


def with_signature_of(candidates: list[Candidate], place: int, other: int) -> list[Candidate]:
    opened = msgspec.structs.replace(candidates[place].opened, signature=candidates[other].opened.signature)
    changed = msgspec.structs.replace(candidates[place], opened=opened)
    return [*candidates[:place], changed, *candidates[place + 1 :]]


@pytest.fixture
def judged() -> Judged:
    world = World()
    school = world.admit("school")
    for number in range(6):
        world.issued(school, str(number))
    return Judged(world)


async def test_a_bad_signature_is_found_early_in_its_place(checkers: SignatureCheckers, judged: Judged) -> None:
    early = await learned(checkers, judged)
    candidates = with_signature_of(judged.candidates, 5, 4)
    begun = early.begin(candidates)
    assert begun.places == list(range(len(candidates)))
    assert await early.first_bad(begun, candidates, judged.checks) == 5


async def test_what_the_rules_did_not_reach_is_nobodys_fault(checkers: SignatureCheckers, judged: Judged) -> None:
    early = await learned(checkers, judged)
    candidates = with_signature_of(judged.candidates, 5, 4)
    assert await early.first_bad(early.begin(candidates), candidates, judged.checks[:5]) is None


async def test_the_key_that_the_rules_name_counts_and_no_other(checkers: SignatureCheckers, judged: Judged) -> None:
    early, place = await learned(checkers, judged), len(judged.checks) - 1
    last, other = judged.checks[place], secret_key("other")
    named = SignatureCheck(other.public_bytes, last.message, last.signature)
    begun = early.begin(judged.candidates)
    assert await begun.bad == []
    assert await early.first_bad(begun, judged.candidates, [*judged.checks[:place], named]) == place
    # Now that key is the one that this key id had last, which made none of these signatures.
    begun = early.begin(judged.candidates)
    assert place in await begun.bad
    assert await early.first_bad(begun, judged.candidates, judged.checks) is None


async def test_what_nobody_asks_for_is_dropped(checkers: SignatureCheckers, judged: Judged) -> None:
    early = await learned(checkers, judged)
    begun = early.begin(judged.candidates)
    await early.drop()
    assert begun.bad.done()
    assert await checkers.bad(items(100, {9})) == [9]
