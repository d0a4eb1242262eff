"""A log that shows each of two verifiers a history of its own: what neither can see alone, found by comparing."""

import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from proto.ids import Origin
from proto.log.finding_check import check_finding
from services.auditor import Finding
from services.command.audit import EXIT_COULD_NOT_AUDIT
from tests.support.audits import audit, audit_json
from tests.support.awarded import Awarded, award
from tests.support.served_logs import served
from tests.support.tiled_logs import served_tiles
from tests.support.verifiers import Verifier, codes, running, until
from tests.support.worlds import World


def two_histories() -> tuple[World, World, Awarded]:
    """Return two logs of one key and registrar that differ from entry 2 on, and a credential that only one holds."""
    ours, theirs = World(), World()
    for world in (ours, theirs):
        world.admit("school")
    awarded = award(theirs, theirs.party("school"))
    ours.issued(ours.party("school"))
    ours.issued(ours.party("school"))
    return ours, theirs, awarded


def _says(verifier: Verifier, event: str) -> Callable[[], Awaitable[bool]]:
    """Return the question whether the verifier's log has this event."""

    async def ask() -> bool:
        return f'"event":"{event}"'.encode() in verifier.lines.getvalue()

    return ask


async def _forked(verifier: Verifier) -> None:
    async def ask() -> bool:
        answer = await verifier.get("/v1/statistics")
        return bool(answer["freshness"]["code"] == "log-faulty" and "contradict" in answer["freshness"]["cause"])

    await until(ask)


async def test_a_verifier_shows_the_checkpoint_that_its_answers_rest_on(tmp_path: Path) -> None:
    world = World()
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        async with verifier.session.get(f"{verifier.url}/v1/checkpoint") as response:
            assert (response.status, response.content_type) == (200, "text/plain")
            assert await response.read() == world.checkpoint()
        log_down = tmp_path / "new.sqlite"
    async with running(log, log_down) as verifier:
        await verifier.get("/v1/checkpoint", status=404)


async def test_two_verifiers_that_compare_find_a_fork_and_confirm_nothing_more_also_after_a_restart(
    tmp_path: Path,
) -> None:
    ours, theirs, awarded = two_histories()
    async with (
        served(ours) as here,
        served(theirs) as there,
        running(there, tmp_path / "there.sqlite") as other,
    ):
        await other.catches_up()
        assert await other.verdict(awarded) == "valid"
        file = tmp_path / "here.sqlite"
        settings = {"compare_with": (other.url,), "compare_seconds": 1}
        async with running(here, file, **settings) as verifier:
            await _forked(verifier)
            assert b'"event":"log_faulty"' in verifier.lines.getvalue()
            assert theirs.checkpoint().decode().splitlines()[2].encode() in verifier.lines.getvalue()
        async with running(here, file) as verifier:
            await _forked(verifier)


async def test_a_verifier_that_is_behind_another_compares_once_it_has_grown_there(tmp_path: Path) -> None:
    ours, theirs, _ = two_histories()
    for _ in range(3):
        theirs.issued(theirs.party("school"))
    async with (
        served(ours) as here,
        served(theirs) as there,
        running(there, tmp_path / "there.sqlite") as other,
    ):
        await other.catches_up()
        async with running(here, tmp_path / "here.sqlite", compare_with=(other.url,), compare_seconds=1) as verifier:
            await verifier.catches_up()
            await until(_says(verifier, "comparison_waits"))
            ours.now_ms = round(time.time() * 1000)  # what comes now is not dated back
            while ours.size < theirs.size:
                ours.issued(ours.party("school"))
            await _forked(verifier)


async def test_what_was_shown_elsewhere_once_is_compared_although_it_is_never_shown_again(tmp_path: Path) -> None:
    """A log could keep others always ahead of us, or show them another history for a moment while we are restarted."""
    ours, theirs, _ = two_histories()
    for _ in range(3):
        theirs.issued(theirs.party("school"))
    file = tmp_path / "own.sqlite"

    async def is_kept() -> bool:
        with contextlib.closing(sqlite3.connect(file)) as kept:
            rows = kept.execute("SELECT value FROM meta WHERE name = 'suspects'").fetchall()
        return any(theirs.checkpoint() in value for (value,) in rows)

    async with served(ours) as log:
        async with served(theirs) as there:
            settings = {"compare_with": (f"{there.url}/checkpoint",), "compare_seconds": 1}
            async with running(log, file, **settings) as verifier:
                await verifier.catches_up()
                await until(is_kept)
        async with running(log, file) as verifier:
            ours.now_ms = round(time.time() * 1000)
            while ours.size < theirs.size:
                ours.issued(ours.party("school"))
            await _forked(verifier)


async def test_honest_histories_compare_well_and_what_others_say_without_the_logs_signature_is_passed_over(
    tmp_path: Path,
) -> None:
    world, stranger = World(), World(origin=Origin("other.example/log"))
    awarded = award(world, world.admit("school"))
    async with (
        served(world) as log,
        served(stranger) as wrong,
        running(log, tmp_path / "other.sqlite") as other,
    ):
        await other.catches_up()
        others = (other.url, f"{log.url}/checkpoint", wrong.url + "/checkpoint", "http://127.0.0.1:9")
        async with running(log, tmp_path / "own.sqlite", compare_with=others, compare_seconds=1) as verifier:
            await verifier.catches_up()
            await until(_says(verifier, "compared"))
            await until(_says(verifier, "comparison_failed"))
            assert await verifier.verdict(awarded) == "valid"
            assert codes(await verifier.post(awarded.data))["freshness"] == "fresh-log"


async def test_an_audit_that_compares_finds_the_fork_and_keeps_what_anybody_can_check(tmp_path: Path) -> None:
    ours, theirs, _ = two_histories()
    evidence = tmp_path / "evidence.json"
    async with served_tiles(ours) as log, served(theirs) as there, running(there, tmp_path / "other.sqlite") as other:
        await other.catches_up()
        assert (await audit_json(log))[0] == 0
        shown = tmp_path / "shown"
        shown.write_bytes(theirs.checkpoint())
        for source in (other.url, f"{there.url}/checkpoint", str(shown)):
            status, found = await audit_json(log, "--compare", source, "--evidence", str(evidence))
            assert (status, found["finding"]["kind"], found["finding"]["is_conclusive"]) == (1, "fork", True)
            finding = msgspec.json.decode(evidence.read_bytes(), type=Finding)
            assert {text.encode() for text in finding.checkpoints} == {theirs.checkpoint(), ours.checkpoint()}
            assert finding.proof
            assert check_finding(finding, key=ours.log_key.verifier).grade == "proven"


async def test_an_audit_says_that_others_were_shown_more_and_refuses_to_pass_over_what_it_cannot_compare(
    tmp_path: Path,
) -> None:
    world = World()
    school = world.admit("school")
    world.issued(school)
    async with served_tiles(world) as log, served(world) as same:
        status, found = await audit_json(log, "--compare", f"{same.url}/checkpoint")
        assert (status, found["compared_with"]) == (0, [f"{same.url}/checkpoint"])
        log.size = 2
        kept = ("--evidence", str(tmp_path / "evidence.json"))
        status, found = await audit_json(log, "--compare", f"{same.url}/checkpoint", *kept)
        assert (status, found["finding"]["kind"], found["finding"]["is_conclusive"]) == (1, "rollback", False)
        log.size = None
        wrong = tmp_path / "wrong"
        wrong.write_bytes(b"nothing that anybody signed\n")
        for source in (str(wrong), str(tmp_path / "absent"), "http://127.0.0.1:9"):
            status, _, err = await audit(log, "--once", "--compare", source)
            assert (status, bool(err)) == (EXIT_COULD_NOT_AUDIT, True)
