"""What a soak says of its samples: flat is well, and each thing that grows is found by itself."""

from typing import Any

from msgspec.structs import replace

from tests.soak.samples import Sample
from tests.soak.verdict import judge, recovered

NAMES = ("gateway", "ledger", "verifier")
COUNT = 60


def sample(number: int, **fields: Any) -> Sample:
    return replace(
        Sample(
            at_seconds=number * 60.0,
            credentials=number * 1_000,
            memory_mb=dict.fromkeys(NAMES, 80.0),
            descriptors=dict.fromkeys(NAMES, 30),
            lives=dict.fromkeys(NAMES, 1),
            database_mb={"ledger": 10.0 + number * 0.5},
            wal_mb=800.0,
            dead_share=0.1,
            unvacuumed=(),
            xid_age=5_000,
            transaction_seconds=0.5,
            connections=15,
        ),
        **fields,
    )


def wrong(**fields: Any) -> list[str]:
    """Return what is judged not well where these fields are functions of the sample's number."""
    samples = [sample(number, **{name: each(number) for name, each in fields.items()}) for number in range(COUNT)]
    return [line.what for line in judge(samples) if not line.is_well]


def test_what_stays_flat_is_well() -> None:
    assert wrong() == []


def test_memory_that_grows_is_found_and_in_which_process() -> None:
    assert wrong(memory_mb=lambda n: {"gateway": 80.0, "ledger": 80.0 + n, "verifier": 80.0}) == [
        "ledger: memory of its own"
    ]


def test_memory_that_grows_is_found_although_kills_begin_it_anew() -> None:
    found = wrong(
        memory_mb=lambda n: dict.fromkeys(NAMES, 80.0) | {"ledger": 60.0 + 2 * (n % 20)},
        lives=lambda n: dict.fromkeys(NAMES, 1) | {"ledger": n // 20},
    )
    assert found == ["ledger: memory of its own"]


def test_what_is_loaded_once_at_the_beginning_of_each_life_is_no_leak() -> None:
    assert wrong(memory_mb=lambda n: dict.fromkeys(NAMES, 40.0 if n < 10 else 120.0)) == []


def test_descriptors_wal_dead_rows_and_open_transactions_are_found() -> None:
    assert wrong(descriptors=lambda n: dict.fromkeys(NAMES, 30 + n)) == [f"{name}: descriptors" for name in NAMES]
    assert wrong(wal_mb=lambda n: 800.0 + 20 * n) == ["WAL"]
    assert wrong(dead_share=lambda n: n / COUNT) == ["autovacuum"]
    assert wrong(unvacuumed=lambda _: ("ledger.entry",)) == ["autovacuum"]
    assert wrong(transaction_seconds=lambda _: 120.0) == ["open transactions"]
    assert wrong(connections=lambda n: 15 + n) == ["database connections"]


def test_a_credential_that_costs_ever_more_is_found_and_one_that_costs_the_same_is_not() -> None:
    assert wrong(database_mb=lambda n: {"ledger": 10.0 + n * n / 50}) == ["ledger: size"]


def test_a_short_run_says_that_it_compared_no_sizes() -> None:
    few = [sample(n, credentials=n * 20, database_mb={"ledger": 10.0 + n * n / 50}) for n in range(COUNT)]
    (line,) = [each for each in judge(few) if each.what == "ledger: size"]
    assert (line.is_well, "too few credentials" in line.found) == (True, True)


def test_too_few_samples_say_nothing_and_that_is_not_well() -> None:
    assert [line.is_well for line in judge([sample(1), sample(2)])] == [False]


def test_a_short_life_that_fills_its_caches_is_not_taken_for_an_hour_of_growth() -> None:
    found = wrong(
        memory_mb=lambda n: dict.fromkeys(NAMES, 80.0 + 3 * (n % 5) if n < 40 else 95.0),
        lives=lambda n: dict.fromkeys(NAMES, min(n // 5, 8)),
    )
    assert found == []


def test_recoveries_are_told_by_kind_and_never_judged() -> None:
    lines = list(recovered({"kill ledger": [2.0, 400.0], "kill gateway": [3.0], "stop verifier": [0.1]}))
    assert [line.what for line in lines] == ["recovery (kill)", "recovery (stop)"]
    assert lines[0].found == "3 times ready again, after 3.0 s (median), 400.0 s at most"
    assert all(line.is_well for line in lines)
