"""When a process counts as hung: by what it could have done, never by how long others kept it from doing it."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.verifier.processes.heartbeat import (
    START_SECONDS_MAX,
    UNHEARD_SECONDS,
    Activity,
    Silence,
    activity_of,
    beats,
)

MAX_SECONDS = 60.0


class LookedAt:
    """A process that is looked at once a second of a clock of ours, and does what it is told."""

    def __init__(self, reading: int, writing: int) -> None:
        self.writing = writing
        self.now = self.used = 0.0
        self.is_waiting = False
        self.silence = Silence(
            1,
            reading,
            seconds_max=MAX_SECONDS,
            clock=lambda: self.now,
            activity=lambda _: Activity(self.used, self.is_waiting),
        )

    def beat(self) -> None:
        os.write(self.writing, b".")

    def hangs_after(self, *, using: float, looks: int) -> int | None:
        """Return at which look it is taken for hung, if it uses this share of a processor; None: at none of them."""
        for look in range(1, looks + 1):
            self.now += 1.0
            self.used += using
            if self.silence.is_hung():
                return look
        return None


@pytest.fixture
def watched() -> Iterator[LookedAt]:
    with beats() as pipe:
        found = LookedAt(*pipe)
        found.beat()
        assert found.hangs_after(using=0.0, looks=1) is None
        yield found


def test_who_says_that_it_lives_never_hangs(watched: LookedAt) -> None:
    for _ in range(1_000):
        watched.beat()
        assert watched.hangs_after(using=1.0, looks=3) is None
        assert not watched.silence.is_unheard


def test_who_is_stopped_or_waits_for_what_never_comes_hangs(watched: LookedAt) -> None:
    assert watched.hangs_after(using=0.0, looks=1_000) == MAX_SECONDS + 1


def test_who_is_in_an_endless_loop_hangs_by_the_processor_time_that_it_used(watched: LookedAt) -> None:
    watched.is_waiting = True
    assert watched.hangs_after(using=0.25, looks=1_000) == 4 * MAX_SECONDS + 1


def test_who_gets_no_processor_or_waits_for_a_disk_is_not_ended_and_does_not_count_among_those_that_answer(
    watched: LookedAt,
) -> None:
    watched.is_waiting = True
    assert watched.hangs_after(using=0.0, looks=int(UNHEARD_SECONDS)) is None
    seen = [watched.silence.is_unheard]
    assert watched.hangs_after(using=0.0, looks=100_000) is None
    seen.append(watched.silence.is_unheard)
    watched.beat()
    assert watched.hangs_after(using=0.0, looks=1) is None
    assert [*seen, watched.silence.is_unheard] == [False, True, False]


def test_many_threads_use_no_more_than_the_time_that_passed(watched: LookedAt) -> None:
    watched.is_waiting = True
    assert watched.hangs_after(using=16.0, looks=1_000) == MAX_SECONDS + 1


def test_who_looks_late_was_held_up_itself(watched: LookedAt) -> None:
    watched.now += 100_000.0
    assert not watched.silence.is_hung()
    watched.beat()
    assert watched.hangs_after(using=0.0, looks=int(MAX_SECONDS)) is None


def test_who_begins_has_longer() -> None:
    with beats() as pipe:
        begun = LookedAt(*pipe)
        assert begun.silence.is_unheard
        assert begun.hangs_after(using=0.0, looks=1_000) == START_SECONDS_MAX + 1


def test_who_has_ended_says_nothing_and_has_done_nothing() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.close(writing)
    silence = Silence(2**22 + 1, reading, seconds_max=MAX_SECONDS)
    assert not silence.is_hung()
    assert activity_of(2**22 + 1) == Activity(0.0, is_waiting=False)
    os.close(reading)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux has several processes of one verifier")
def test_what_a_process_does_is_read_of_the_kernel() -> None:
    with _running("while :; do :; done") as endless, _running("exec sleep 1000") as asleep:
        _until(lambda: activity_of(endless.pid).processor_seconds > 0.05)
        assert activity_of(endless.pid).is_waiting
        _until(lambda: not activity_of(asleep.pid).is_waiting)
        endless.send_signal(signal.SIGSTOP)
        _until(lambda: not activity_of(endless.pid).is_waiting)
        used = activity_of(endless.pid).processor_seconds
        assert activity_of(endless.pid).processor_seconds == used


@contextlib.contextmanager
def _running(script: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["/bin/sh", "-c", script])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _until(ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.01)
