"""A process that answers is started again, however often it has failed before."""

import itertools

from services.verifier.processes.supervisor import RESTART_SECONDS, pause_before


def test_the_pause_grows_to_its_bound_and_stays_there_after_any_number_of_failures() -> None:
    pauses = [pause_before(failures) for failures in (0, 1, 2, 3, 10, 1_023, 1_024, 1_000_000)]
    assert pauses[0] == RESTART_SECONDS[0]
    assert all(before <= after for before, after in itertools.pairwise(pauses))
    assert set(pauses[4:]) == {RESTART_SECONDS[1]}
