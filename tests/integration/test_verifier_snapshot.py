"""Snapshots by the command, as operators make and import them; a new verifier over one says so until it replayed."""

import asyncio
import contextlib
import io
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from services.command.keygen import keygen
from services.command.snapshot import snapshot
from services.edge import Log, listening
from services.verifier.app import make_app
from services.verifier.config import Config
from services.verifier.projection.described import Description
from services.verifier.projection.store import Store
from services.verifier.projection.tables import SCHEMA_VERSION
from services.verifier.projection.troubles import FullDiskProblem
from tests.support.awarded import award
from tests.support.documents import full_achievement
from tests.support.served_logs import ServedLog, served
from tests.support.verifiers import Verifier, running, until
from tests.support.worlds import World, lately


async def invoke(command: Any, *arguments: str | Path) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, command, [str(argument) for argument in arguments])


@pytest.fixture
async def log() -> AsyncIterator[ServedLog]:
    async with served(World(start=lately())) as found:
        yield found


class Made:
    """A snapshot, and what is needed to import it."""

    def __init__(self, folder: Path, log: ServedLog, trusted: str) -> None:
        self.folder, self.log, self.trusted = folder, log, trusted

    async def load(self, file: Path, *, trust: str | None = None, log_key: str | None = None) -> Result:
        log_key = log_key or self.log.world.log_key.verifier.text
        keys = ("--trust", trust or self.trusted, "--log-verifier-key", log_key)
        return await invoke(snapshot, "import", self.folder, *keys, "--verifier-file", file)


async def made(log: ServedLog, tmp_path: Path) -> Made:
    """Have a verifier replay the log, and export its records while it runs."""
    key = await invoke(keygen, "--snapshot", "verifier.example/snapshots", "--out", tmp_path / "s.key", "--json")
    file, folder = tmp_path / "first.sqlite", tmp_path / "snapshot"
    async with running(log, file) as verifier:
        await verifier.catches_up()
        arguments = ("--verifier-file", file, "--key", tmp_path / "s.key", "--out", folder)
        found = await invoke(snapshot, "export", *arguments)
        assert found.exit_code == 0, found.output
        again = await invoke(snapshot, "export", *arguments)
        assert (again.exit_code, "Name a new one" in again.output) == (1, True)
    return Made(folder, log, json.loads(key.output)["verifier_key"])


async def is_imported(verifier: Verifier, credential_id: str) -> bool:
    return bool((await verifier.get(f"/v1/credentials/{credential_id}"))["as_of"]["imported"])


async def test_a_new_verifier_answers_at_once_and_says_imported_until_it_has_replayed(
    log: ServedLog, tmp_path: Path
) -> None:
    school = log.world.admit("school")
    awarded = award(log.world, school)
    found = await made(log, tmp_path)
    loaded = await found.load(tmp_path / "second.sqlite")
    assert loaded.exit_code == 0, loaded.output
    later = award(log.world, school)
    log.entries_per_answer_max = 1  # whoever replays takes its time
    async with running(log, tmp_path / "second.sqlite") as verifier:
        await verifier.catches_up()
        answer = await verifier.post(awarded.data)
        assert (answer["verdict"], answer["as_of"]["imported"]) == ("valid", True)
        assert "snapshot of another verifier" in await verifier.page(f"/c/{awarded.credential_id}")
        assert await verifier.shows("credentify_verifier_imported 1.0")()
        exported = await invoke(
            snapshot,
            "export",
            "--verifier-file",
            tmp_path / "second.sqlite",
            "--key",
            tmp_path / "s.key",
            "--out",
            tmp_path / "third",
        )
        assert (exported.exit_code, "nobody has checked" in exported.output) == (1, True)
        await until(verifier.shows("credentify_verifier_imported 0.0"))
        assert await verifier.verdict(later) == "valid"
        assert not await is_imported(verifier, awarded.credential_id)
    async with running(log, tmp_path / "second.sqlite") as verifier:  # and it stays so
        await verifier.catches_up()
        assert not await is_imported(verifier, awarded.credential_id)


async def test_a_snapshot_that_the_log_does_not_bear_out_is_thrown_away_also_where_the_disk_was_full(
    log: ServedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school = log.world.admit("school")
    awarded, other = award(log.world, school), award(log.world, school)
    found = await made(log, tmp_path)
    assert (await found.load(tmp_path / "second.sqlite")).exit_code == 0
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "second.sqlite")) as file,
        file,
    ):  # a signer who lies could do this
        states = file.execute("SELECT credential_id, state FROM credential ORDER BY credential_id").fetchall()
        file.execute("UPDATE credential SET state = ? WHERE credential_id = ?", (states[0][1], states[1][0]))
    full = OnceFull(monkeypatch, "condemn")
    ended: list[int] = []
    config = Config(
        ledger_url=log.url,
        log_verifier_key=log.world.log_key.verifier.text,
        database_file=tmp_path / "second.sqlite",
    )
    lines = io.BytesIO()
    async with listening(
        make_app(config, log=Log("verifier", lines), end_process=ended.append), host="127.0.0.1", port=0
    ):

        async def is_ended() -> bool:
            return ended == [70]

        await until(is_ended)
    assert b'"event":"snapshot_wrong"' in lines.getvalue()
    assert full.count == 2
    async with running(log, tmp_path / "second.sqlite") as verifier:
        await verifier.catches_up()
        for item in (awarded, other):
            answer = await verifier.post(item.data)
            assert (answer["verdict"], answer["as_of"]["imported"]) == ("valid", False)


class OnceFull:
    """A method of the store that finds the disk full, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._done = getattr(Store, name)
        self.count = 0

        async def called(store: Store) -> None:
            await self._call(store)

        monkeypatch.setattr(Store, name, called)
        monkeypatch.setattr("services.verifier.replay.replay.REDERIVE_AGAIN_SECONDS", (0.0, 0.0))

    async def _call(self, store: Store) -> None:
        self.count += 1
        if self.count == 1:
            raise FullDiskProblem("There is no room for the records: make room on the disk")
        await self._done(store)


async def test_a_disk_that_is_full_as_the_replay_ends_leaves_nothing_imported_for_ever(
    log: ServedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    award(log.world, log.world.admit("school"))
    assert (await (await made(log, tmp_path)).load(tmp_path / "second.sqlite")).exit_code == 0
    full = OnceFull(monkeypatch, "rederived")
    async with running(log, tmp_path / "second.sqlite") as verifier:
        await verifier.catches_up()
        await until(verifier.shows("credentify_verifier_imported 0.0"))
        assert b'"event":"snapshot_not_rederived"' in verifier.lines.getvalue()
    assert full.count == 2


async def test_only_what_a_trusted_key_signed_of_this_log_is_imported(log: ServedLog, tmp_path: Path) -> None:
    award(log.world, log.world.admit("school"))
    found = await made(log, tmp_path)
    strange = await invoke(keygen, "--snapshot", "stranger.example", "--out", tmp_path / "t.key", "--json")
    target, stranger = tmp_path / "new.sqlite", json.loads(strange.output)["verifier_key"]

    async def refused(words: str, **options: str) -> None:
        result = await found.load(target, **options)
        assert (result.exit_code, words in " ".join(result.output.split())) == (1, True), result.output
        assert not target.exists()

    await refused("No key that is trusted here signed for the snapshot", trust=stranger)
    await refused("not of stranger.example", log_key=stranger)
    note, data = (found.folder / "snapshot.note").read_bytes(), (found.folder / "projection.sqlite").read_bytes()
    for at in range(0, note.index(b"\n\n"), 7):  # any byte of what was signed
        (found.folder / "snapshot.note").write_bytes(note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :])
        await refused("No key that is trusted here signed for the snapshot")
    (found.folder / "snapshot.note").write_bytes(note)
    for changed in (data[:-1], data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]):
        (found.folder / "projection.sqlite").write_bytes(changed)
        await refused("is not the file that was signed for")
    (found.folder / "projection.sqlite").write_bytes(data)
    target.write_bytes(b"")
    result = await found.load(target)
    assert (result.exit_code, "is there already" in " ".join(result.output.split())) == (1, True)
    target.unlink()
    left = tmp_path / "new.sqlite-wal"
    left.write_bytes(b"what an earlier file left")
    await refused("is left of a file that is gone")
    left.unlink()
    assert (await found.load(target)).exit_code == 0
    with contextlib.closing(sqlite3.connect(target)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


async def test_keys_of_another_kind_sign_for_no_snapshot(tmp_path: Path) -> None:
    await invoke(keygen, "--witness", "witness.example/w1", "--out", tmp_path / "w.key")
    arguments = ("--verifier-file", tmp_path / "none.sqlite", "--key", tmp_path / "w.key", "--out", tmp_path / "out")
    found = await invoke(snapshot, "export", *arguments)
    assert (found.exit_code, "key of another kind" in " ".join(found.output.split())) == (1, True)


async def test_what_cannot_be_copied_leaves_nothing_behind(tmp_path: Path) -> None:
    await invoke(keygen, "--snapshot", "verifier.example/s", "--out", tmp_path / "s.key")
    (tmp_path / "broken.sqlite").write_bytes(b"no database at all" * 1000)
    arguments = ("--verifier-file", tmp_path / "broken.sqlite", "--key", tmp_path / "s.key", "--out", tmp_path / "out")
    found = await invoke(snapshot, "export", *arguments)
    assert (found.exit_code, "cannot be copied" in " ".join(found.output.split())) == (1, True)
    assert not (tmp_path / "out").exists()


async def test_nobody_signs_for_what_catalogues_say(log: ServedLog, tmp_path: Path) -> None:
    school = log.world.admit("school")
    uri = f"{school.url}achievements/1"
    log.world.issued(school, "one", achievement=uri)
    file = tmp_path / "projection.sqlite"
    async with running(log, file) as verifier:
        await verifier.catches_up()
    store = Store(file)
    described = Description(
        catalogue="https://gateway.example",
        issuer=school.did,
        read_at=log.world.now,
        achievement=full_achievement(uri=uri),
    )
    assert await store.describe([described]) == 1
    store.close()
    await invoke(keygen, "--snapshot", "verifier.example/snapshots", "--out", tmp_path / "s.key")
    exported = await invoke(
        snapshot, "export", "--verifier-file", file, "--key", tmp_path / "s.key", "--out", tmp_path / "snapshot"
    )
    assert exported.exit_code == 0, exported.output
    for path, count in ((file, 1), (tmp_path / "snapshot" / "projection.sqlite", 0)):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM description").fetchone() == (count,)
            assert connection.execute("SELECT uri FROM achievement").fetchall() == [(uri,)]
