"""A log is frozen, and another continues it: what was issued on the first is revoked on the second."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proto.bundles.bundle import decode_bundle
from proto.bundles.check import check_bundle
from proto.ids import Origin
from proto.log.policy import parse_policy
from proto.problem import InvalidProblem
from proto.wire.gateway import EventAnswer
from services.clients.log_client import LogClient, LogProblem
from services.clients.tile_client import TileClient
from services.command.predecessor import read_predecessor
from services.edge import Log, listening
from services.follow import PredecessorLog
from services.ledger.publishing.freezing import LastCheckpointProblem, freeze
from services.ledger.succession import predecessor_logs
from services.ledger.succession.inheritance import OtherPredecessorProblem
from services.ledger.succession.opening import init_log
from services.settings import SettingsFault
from services.verifier import fsck as verifier_fsck
from services.verifier.app import make_app as make_verifier
from services.verifier.config import Config as VerifierConfig
from tests.support.bundles import policy_of
from tests.support.commands import credentify
from tests.support.databases import MakeDatabase
from tests.support.gateways import NO_WAIT, running_gateway
from tests.support.ledgers import (
    ORIGIN,
    WAIT_SECONDS,
    Registrar,
    RunningLedger,
    ledger_config,
    new_database,
    running_ledger,
    until,
)
from tests.support.successions import NEXT, NextRegistrar, end_of, next_log


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


@pytest.fixture
async def old(make_database: MakeDatabase, tmp_path: Path, registrar: Registrar) -> AsyncIterator[RunningLedger]:
    """A running log that will be frozen."""
    async with running_ledger(make_database, tmp_path / "old", registrar) as running:
        yield running


async def test_a_frozen_log_takes_nothing_more_and_names_its_successor(old: RunningLedger) -> None:
    college = await old.admit("college")
    first = old.registrar.seal(old.registrar.issue(college, "first"))
    answer = await old.client.submit_one(first)
    predecessor = await end_of(old)
    assert predecessor.size == 3
    with pytest.raises(LogProblem, match="not said yet") as refused:
        await old.issued(college, "second")
    assert (refused.value.log_status, refused.value.log_slug) == (409, "log-frozen")
    await freeze(old.config, successor="https://next.example/", wait_seconds=WAIT_SECONDS)
    with pytest.raises(LogProblem, match=r"continued by https://next\.example/") as refused:
        await old.issued(college, "second")
    assert refused.value.problem["final"] is True
    assert await old.client.submit_one(first) == answer, "what is on the log keeps its answer"
    await old.stop()
    await old.start()
    info = await old.client.log()
    assert (info.is_frozen, info.successor, info.published_size) == (True, "https://next.example/", 3)


async def test_a_log_that_is_frozen_while_nobody_signs_says_what_is_missing(old: RunningLedger) -> None:
    old.config = msgspec.structs.replace(old.config, publish_interval_ms=60_000)
    await old.stop()
    await old.start()
    await old.admit("college")
    with pytest.raises(LastCheckpointProblem, match="frozen at 2 entries, of which 1 are published"):
        await freeze(old.config, successor=None, wait_seconds=0)
    await old.stop()
    await old.start()
    assert (await freeze(old.config, successor=None, wait_seconds=WAIT_SECONDS)).size == 2


async def test_a_credential_of_the_old_log_is_revoked_on_the_new_one(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    academy = await old.admit("academy")
    first, second = await old.issued(college, "first"), await old.issued(college, "second")
    recognition = old.registrar.recognition(academy, first)
    recognised = await old.say(recognition)
    predecessor = await end_of(old, "https://next.example/")
    new = await next_log(old, predecessor, make_database, tmp_path / "new")
    await new.start()
    try:
        say = new.registrar
        await new.say(say.revocation(college, first))
        with pytest.raises(LogProblem, match="revoked"):
            await new.say(say.revocation(college, first))
        with pytest.raises(LogProblem):
            await new.say(say.issue(college, "second"))
        await new.say(say.withdrawal(academy, recognised.event_id))
        await new.say(say.issue(college, "third"))
        await new.published(4)
        status, body, _ = await new.get(f"/v1/bundles/{first}")
        assert (status, b"CREDENTIFY_LEDGER_PREDECESSORS" in body) == (422, True)
        await new.say(say.stack(college, [second, say.credential_id(college, "third")], "stack"))
        with pytest.raises(LogProblem, match="signed for"):
            await new.client.submit_one(old.registrar.seal(old.registrar.issue(college, "for the old log")))
        await new.published(5)
    finally:
        await new.stop()
    report = await new.fsck()
    assert report.damages == ()
    assert (report.tree_size, report.counts["credential_state"]) == (5, 4)


def knows(new: RunningLedger, *logs: RunningLedger) -> None:
    """Tell a ledger that is not running yet which logs it continues."""
    before = tuple(f"{log.url} {log.verifier_key}" for log in logs)
    new.config = msgspec.structs.replace(new.config, predecessors=before)


async def test_a_bundle_over_two_logs_is_checked_offline(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    college = await old.admit("college")
    await old.submit(old.registrar.issues(college, 300))  # more than one tile
    first = await old.issued(college, "first")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    knows(new, old)
    await new.start()
    try:
        second = await new.issued(college, "second")
        await new.say(new.registrar.revocation(college, first))
        await new.published(3)
        policy = parse_policy((await new.client.log()).witness_policy.encode())
        assert [log.key.name for log in policy.logs] == [NEXT, ORIGIN]
        for credential_id, counts, verdict in ((second, [2, 2], "indeterminate"), (first, [3, 2], "invalid")):
            status, body, _ = await new.get(f"/v1/bundles/{credential_id}")
            assert status == 200, body
            bundle = decode_bundle(body)
            found = check_bundle(bundle, policy)
            assert (found.faults, found.verdict(new.registrar.now)) == ((), verdict)
            assert [len(part.entries) for part in bundle.earlier] + [len(bundle.entries)] == counts
        monkeypatch.setattr(predecessor_logs, "KEPT_ENTRIES_MAX", 3)  # each of many at once throws out what others kept
        wanted = [second, first, *(new.registrar.credential_id(college, f"credential {n}") for n in range(0, 300, 30))]
        answers = await asyncio.gather(*(new.get(f"/v1/bundles/{each}") for each in wanted * 2))
        assert {status for status, _, _ in answers} == {200}
        monkeypatch.undo()
        assert (await new.get(f"/v1/bundles/{second}"))[0] == 200
        await old.stop()
        assert (await new.get(f"/v1/bundles/{second}"))[0] == 200, "what was proven once is kept"
        await new.stop()
        await new.start()
        status, body, _ = await new.get(f"/v1/bundles/{second}")
        assert (status, b"log-unreachable" in body) == (503, True)
    finally:
        await new.stop()


@contextlib.asynccontextmanager
async def static(folder: Path) -> AsyncIterator[str]:
    """Serve a folder as any web server does."""
    app = web.Application()
    app.router.add_static("/log/", folder)
    async with TestServer(app) as server:
        yield str(server.make_url("/log"))


async def test_a_mirror_of_the_old_log_is_enough_to_go_on(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    await old.stop()
    old.config = msgspec.structs.replace(old.config, mirror_folder=mirror)
    await old.start()
    college = await old.admit("college")
    await old.submit(old.registrar.issues(college, 300))
    first = await old.issued(college, "first")
    end = await end_of(old)

    async def is_mirrored() -> bool | None:
        file = mirror / "checkpoint"
        return True if file.exists() and f"\n{end.size}\n" in file.read_text() else None

    await until(is_mirrored, "the mirror has the whole log")
    await old.stop()
    async with static(mirror) as url:
        database = await new_database(make_database)
        say = NextRegistrar(old.registrar, end)
        new = RunningLedger(ledger_config(database, tmp_path / "new"), database, say, old.session)
        source = PredecessorLog(client=TileClient(old.session, url), verifier_key=old.verifier_key)
        new.info = await init_log(new.config, new.opening, [source])
        new.config = msgspec.structs.replace(new.config, predecessors=(f"{url} {old.verifier_key}",))
        await new.start()
        try:
            await new.say(say.revocation(college, first))
            await new.published(2)
            status, body, _ = await new.get(f"/v1/bundles/{first}")
            found = check_bundle(decode_bundle(body), policy_of(new.verifier_key, old.verifier_key))
            assert (status, found.faults, found.verdict(say.now)) == (200, (), "invalid")
            config = msgspec.structs.replace(
                verifier_config(new, None, tmp_path / "projection.sqlite"), predecessors=new.config.predecessors
            )
            app = make_verifier(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
            async with listening(app, host="127.0.0.1", port=0) as address:

                async def verdict() -> str | None:
                    async with old.session.get(f"{address.url}/v1/credentials/{first}") as response:
                        answer = await response.json(content_type=None)
                    is_known = response.status == 200 and answer["verdict"] != "indeterminate"
                    return answer["verdict"] if is_known else None

                assert await until(verdict, "the verifier follows both") == "invalid"
        finally:
            await new.stop()


async def test_an_older_log_that_shows_another_end_gives_no_bundle(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    other = await next_log(old, await end_of(old), make_database, tmp_path / "other")
    await other.start()
    new.config = msgspec.structs.replace(new.config, predecessors=(f"{other.url} {old.verifier_key}",))
    await new.start()
    try:
        first = await new.issued(college, "first")
        await new.published(2)

        async def refusal() -> tuple[int, bool] | None:
            status, body, _ = await new.get(f"/v1/bundles/{first}")
            return None if status == 503 else (status, b"log-answer" in body)  # a busy machine says when to come again

        assert await until(refusal, "the older log is asked") == (502, True)
        await new.stop()
        new.config = msgspec.structs.replace(new.config, predecessors=("http://127.0.0.1:1",))
        with pytest.raises(SettingsFault, match="address, blank, vkey"):
            await new.start()
    finally:
        await new.stop()
        await other.stop()


async def test_only_the_end_of_a_frozen_log_is_continued(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    await old.admit("college")
    await old.published(2)
    with pytest.raises(InvalidProblem, match="still grows"):
        await read_predecessor(old.url, old.verifier_key)
    predecessor = await end_of(old)
    assert await read_predecessor(old.url, old.verifier_key) == predecessor
    earlier = msgspec.structs.replace(predecessor, size=1)
    with pytest.raises(OtherPredecessorProblem, match="ends with 2 entries"):
        await next_log(old, earlier, make_database, tmp_path / "earlier")
    other_root = msgspec.structs.replace(predecessor, root_hash="ab" * 32)
    with pytest.raises(OtherPredecessorProblem, match="sign a new opening"):
        await next_log(old, other_root, make_database, tmp_path / "other")


async def test_an_opening_and_its_predecessor_belong_together(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    predecessor = await end_of(old)
    database = await new_database(make_database)
    config = ledger_config(database, tmp_path / "new")
    opening = NextRegistrar(old.registrar, predecessor).opening_file()
    with pytest.raises(InvalidProblem, match="add --predecessor-log"):
        await init_log(config, opening)
    async with aiohttp.ClientSession() as session:
        source = PredecessorLog(client=LogClient(session, old.url), verifier_key=old.verifier_key)
        with pytest.raises(InvalidProblem, match="names no predecessor"):
            await init_log(config, Registrar(NEXT).opening_file(), [source])
        assert (await init_log(config, opening, [source])).is_new


def verifier_config(new: RunningLedger, old: RunningLedger | None, file: Path) -> VerifierConfig:
    return VerifierConfig(
        ledger_url=new.url,
        log_verifier_key=new.verifier_key,
        predecessors=(f"{old.url} {old.verifier_key}",) if old else (),
        database_file=file,
        poll_seconds=5,
        port=0,
    )


async def test_a_verifier_begins_with_the_old_log_and_answers_for_both(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    first, second = await old.issued(college, "first"), await old.issued(college, "second")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    await new.start()
    try:
        third = await new.issued(college, "third")
        config = verifier_config(new, old, tmp_path / "projection.sqlite")
        for start in range(2):  # the second time, the projection has begun already
            app = make_verifier(config, log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
            async with listening(app, host="127.0.0.1", port=0) as address:

                async def verdict(credential_id: str, state: str, url: str = address.url) -> str | None:
                    async with old.session.get(f"{url}/v1/credentials/{credential_id}") as response:
                        answer = await response.json(content_type=None)
                    is_known = response.status == 200 and answer["status"]["state"] == state
                    return answer["verdict"] if is_known and answer["verdict"] != "indeterminate" else None

                assert await until(lambda: verdict(third, "active"), "the new log is followed") == "valid"
                assert await until(lambda: verdict(second, "active"), "the old log is known") == "valid"
                if start == 0:
                    await new.say(new.registrar.revocation(college, first))
                assert await until(lambda: verdict(first, "revoked"), "the revocation is known") == "invalid"
        report = await verifier_fsck.check(config)
        assert report.is_clean, report
        assert report.tree_size == 3
    finally:
        await new.stop()


async def test_a_verifier_that_does_not_know_the_old_log_says_so_and_nothing_else(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    first = await old.issued(college, "first")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    await new.start()
    app = make_verifier(
        verifier_config(new, None, tmp_path / "projection.sqlite"),
        log=Log("verifier", io.BytesIO()),
        end_process=lambda _: None,
    )
    try:
        async with listening(app, host="127.0.0.1", port=0) as address:

            async def refusal() -> str | None:
                async with old.session.get(f"{address.url}/v1/credentials/{first}") as response:
                    answer = await response.json(content_type=None)
                assert response.status == 404
                assert answer["fresh"] is False
                async with old.session.get(f"{address.url}/readyz") as response:
                    ready = await response.text()  # what an operator is told; a reader is told that it is not known
                return ready if "begin with that log" in ready else None

            assert ORIGIN in await until(refusal, "the verifier says what it lacks")
    finally:
        await new.stop()


async def test_a_third_log_goes_on_from_the_second(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    first = await old.issued(college, "first")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    await new.start()
    third: RunningLedger | None = None
    try:
        second = await new.issued(college, "second")
        oldest = PredecessorLog(client=old.client, verifier_key=old.verifier_key)
        origin = Origin("log.example/credentify-third")
        third = await next_log(
            new, await end_of(new), make_database, tmp_path / "third", origin=origin, before=[oldest]
        )
        knows(third, old, new)
        await third.start()
        await third.say(third.registrar.revocation(college, first))
        await third.say(third.registrar.revocation(college, second))
        await third.published(3)
        policy = policy_of(third.verifier_key, new.verifier_key, old.verifier_key)
        for credential_id, counts in ((first, [3, 1, 2]), (second, [2, 2, 2])):
            status, body, _ = await third.get(f"/v1/bundles/{credential_id}")
            bundle = decode_bundle(body)
            assert (status, check_bundle(bundle, policy).faults) == (200, ())
            assert [len(part.entries) for part in bundle.earlier] + [len(bundle.entries)] == counts
    finally:
        await new.stop()
        if third is not None:
            await third.stop()
    assert third is not None
    assert (await third.fsck()).damages == ()


async def test_a_gateway_goes_on_with_the_next_log_and_loses_nothing_in_silence(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    async with running_gateway(make_database, tmp_path / "gateway", old, **NO_WAIT) as gateway:
        office = await gateway.institution("waterland")
        uri = (await office.describe()).achievement.uri
        first, second = await office.issue(uri, "one"), await office.issue(uri, "two")
        await office.published(second.credential_id)
        await old.stop()
        waiting = await office.issue(uri, "three")
        assert waiting.issue.state == "pending"
        await gateway.stop()
        await old.start()
        new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
        await new.start()
        try:
            gateway.ledger = new
            gateway.config = msgspec.structs.replace(
                gateway.config,
                ledger_url=new.url,
                log_verifier_key=new.verifier_key,
                predecessors=(f"{old.url} {old.verifier_key}",),
            )
            await gateway.start()
            office.client = gateway.client(office.created.api_key)

            async def revoked() -> bool | None:
                body = {"reason": "error"}
                answered = await office.client.post(f"/v1/credentials/{first.credential_id}/revoke", body, key="one")
                return True if answered.status == 201 else None

            await until(revoked, "the old credential is revoked on the new log")

            async def refused() -> EventAnswer | None:
                found = (await office.client.get(f"/v1/events/{waiting.issue.event_id}")).as_(EventAnswer)
                return found if found.state == "refused" else None

            problem = (await until(refused, "what the old log did not take is refused")).problem
            assert problem is not None
            assert problem["type"] == "urn:credentify:problem:wrong-log"
            fresh = await office.published((await office.issue(uri, "four")).credential_id)
            assert fresh.issue.index is not None
            assert fresh.issue.index < 4, "its place is on the new log"
            assert (await office.published(first.credential_id)).status is not None
            await old.stop()
            await gateway.stop()
            await gateway.start()
            office.client = gateway.client(office.created.api_key)
            states = {
                (await office.published(each.credential_id)).status.state  # type: ignore[union-attr] # it is published
                for each in (first, second)
            }
            assert states == {"revoked", "active"}
            await gateway.stop()
        finally:
            await new.stop()
        assert (await new.fsck()).damages == ()


async def test_an_auditor_proves_the_old_log_and_then_the_one_that_continues_it(
    old: RunningLedger, make_database: MakeDatabase, tmp_path: Path
) -> None:
    college = await old.admit("college")
    first = await old.issued(college, "first")
    new = await next_log(old, await end_of(old), make_database, tmp_path / "new")
    await new.start()
    try:
        await new.say(new.registrar.revocation(college, first))
        await new.published(2)
        state, before = tmp_path / "audit", f"{old.url}={old.verifier_key}"

        async def audit(*arguments: str) -> tuple[int, str]:
            ran = await credentify("audit", new.url, "--key", new.verifier_key, "--once", *arguments)
            return ran.status, ran.out + ran.err

        assert (await audit())[0] == 2, "without its predecessor the log follows rules that nobody here knows"
        status, words = await audit("--state", str(state), "--predecessor", before)
        assert (status, "2 entries proven (2 new)" in words) == (0, True), words
        await old.stop()
        status, words = await audit("--state", str(state), "--predecessor", before)
        assert (status, "2 entries proven (0 new)" in words) == (0, True), words
        status, words = await audit("--predecessor", f"{new.url}={new.verifier_key}")
        assert (status, "has to begin with that log" in words) == (2, True), words
    finally:
        await new.stop()
