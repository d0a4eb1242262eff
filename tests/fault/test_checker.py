"""The checker sees each of the faults that it is there for; a checker that finds nothing proves nothing."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from proto.ids import EventId, LeafIndex
from proto.moment import from_ms
from proto.wire.ledger import Appended
from tests.fault.checker import Attempt, Logged, faults_of

History = tuple[list[Logged], list[Attempt]]


def history(count: int = 6) -> History:
    """One entry before, then events that were sent one after the other and acknowledged."""
    log = [
        Logged(index=at, event_id=EventId(f"{at:064x}"), leaf_hash=f"{at:064x}", received_at=from_ms(1_000 * at))
        for at in range(count)
    ]
    attempts = [
        Attempt(
            event_id=entry.event_id,
            submission=entry.index // 2,
            position=entry.index % 2,
            began=entry.index,
            ended=entry.index + 0.5,
            told="appended",
            place=Appended(
                index=LeafIndex(entry.index),
                leaf_hash=entry.leaf_hash,
                received_at=from_ms(1_000 * entry.index),
                event_id=entry.event_id,
            ),
        )
        for entry in log[1:]
    ]
    return log, attempts


def lose(log: list[Logged], attempts: list[Attempt]) -> None:
    log.pop()


def alter(log: list[Logged], attempts: list[Attempt]) -> None:
    log[3] = replace(log[3], leaf_hash="f" * 64)


def double(log: list[Logged], attempts: list[Attempt]) -> None:
    log.append(replace(log[-1], index=len(log)))


def acknowledge_twice(log: list[Logged], attempts: list[Attempt]) -> None:
    attempts.append(replace(attempts[-1], began=50.0, ended=51.0))


def leave_out(log: list[Logged], attempts: list[Attempt]) -> None:
    del log[2], attempts[1]


def make_up(log: list[Logged], attempts: list[Attempt]) -> None:
    del attempts[-1]


def deny(log: list[Logged], attempts: list[Attempt]) -> None:
    """Failed, said the log, but it was persisted."""
    attempts[-1] = replace(attempts[-1], told="nothing", place=None)


def deny_and_know(log: list[Logged], attempts: list[Attempt]) -> None:
    denied = replace(attempts[-1], told="nothing", place=None)
    attempts[-1:] = [denied, replace(attempts[-1], told="known", began=60.0, ended=61.0)]


def send_late(log: list[Logged], attempts: list[Attempt]) -> None:
    attempts[0] = replace(attempts[0], began=70.0, ended=71.0)


def turn_back(log: list[Logged], attempts: list[Attempt]) -> None:
    log[4] = replace(log[4], received_at=from_ms(0))
    attempts[3:4] = []


def test_a_log_that_is_what_its_clients_were_told_has_no_fault() -> None:
    log, attempts = history()
    assert faults_of(log, attempts, before=1) == []


def test_an_answer_that_got_lost_is_no_fault_whatever_became_of_the_event() -> None:
    log, attempts = history()
    attempts[-1] = replace(attempts[-1], told="unknown", place=None)
    assert faults_of(log, attempts, before=1) == []
    assert faults_of(log[:-1], attempts, before=1) == []


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lose, "lost:"),
        (alter, "lost:"),
        (double, "duplicate:"),
        (acknowledge_twice, "duplicate:"),
        (leave_out, "gap:"),
        (make_up, "phantom:"),
        (deny, "phantom:"),
        (deny_and_know, "phantom:"),
        (send_late, "reorder:"),
        (turn_back, "reorder:"),
    ],
)
def test_each_fault_is_seen(spoil: Callable[[list[Logged], list[Attempt]], None], fault: str) -> None:
    log, attempts = history()
    spoil(log, attempts)
    found = faults_of(log, attempts, before=1)
    assert any(each.startswith(fault) for each in found), found
