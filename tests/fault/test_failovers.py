"""A leader of three is killed, and a signer stopped, under load: `make ha` in the small."""

import asyncio

import pytest

from tests.ha.packages import MissingError, find_programs
from tests.ha.run import run_failovers
from tests.ha.stand import open_ha_stand

FAST_ROUNDS = [("postgres killed",), ("signer stopped",)]


@pytest.mark.torture
async def test_nothing_is_lost_doubled_or_forked_when_a_leader_is_killed_and_a_signer_stopped(seed: int) -> None:
    try:
        programs = await asyncio.to_thread(find_programs, with_haproxy=False)
    except MissingError as error:
        pytest.skip(str(error))
    said: list[str] = []
    async with open_ha_stand(programs, tell=said.append) as stand:
        run = await run_failovers(stand, rounds=FAST_ROUNDS, seed=seed, one=None, tell=said.append)
    print(*said, *(f"{each.kind}: recovered in {each.recovered_seconds} s" for each in run.failovers), sep="\n")  # noqa: T201 - the figures of `make torture`
    assert run.judgement.is_clean, run.judgement
    assert [(each.kind,) for each in run.failovers] == FAST_ROUNDS
