"""How old a secret is, where its file is laid down anew at every start."""

import json
import os
from pathlib import Path

from services.edge.secret_ages import FILE_NAME, SecretAges, memory_of

DAY = 86_400.0
START = 1_700_000_000.0


class Clock:
    """A clock that a test moves, and a machine that lays a secret down anew, as systemd does."""

    def __init__(self, folder: Path) -> None:
        self.at = START
        self.memory, self.secret = folder / "state" / FILE_NAME, folder / "token"
        self.memory.parent.mkdir()

    def laid_down(self, content: bytes) -> None:
        self.secret.unlink(missing_ok=True)
        self.secret.write_bytes(content)
        os.utime(self.secret, (self.at, self.at))

    def since(self, memory: Path | None = None) -> float:
        ages = SecretAges(memory or self.memory, now=lambda: self.at)
        return ages.since({"token": self.secret})["token"]


def test_a_secret_is_as_old_as_when_it_was_first_seen_however_often_its_file_is_laid_down(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    for days in range(4):
        clock.at = START + days * DAY
        clock.laid_down(b"the same")
        assert clock.since() == START


def test_a_new_secret_is_new_and_one_that_is_put_back_is_as_old_as_it_was(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.laid_down(b"first")
    assert clock.since() == START
    clock.at = START + DAY
    clock.laid_down(b"second")
    assert clock.since() == START + DAY
    clock.at = START + 2 * DAY
    clock.laid_down(b"first")
    assert clock.since() == START


def test_a_file_that_says_that_it_is_older_is_believed(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.laid_down(b"kept where it lies")
    os.utime(clock.secret, (START - 500 * DAY, START - 500 * DAY))
    assert clock.since() == START - 500 * DAY
    clock.laid_down(b"kept where it lies")
    assert clock.since() == START - 500 * DAY


def test_a_process_that_runs_sees_a_secret_change(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.laid_down(b"first")
    ages = SecretAges(clock.memory, now=lambda: clock.at)
    assert ages.since({"token": clock.secret}) == {"token": START}
    clock.at = START + DAY
    clock.laid_down(b"second")
    assert ages.since({"token": clock.secret, "missing": tmp_path / "none"}) == {"token": START + DAY}


def test_the_memory_holds_neither_the_secret_nor_its_hash_and_two_memories_have_nothing_in_common(
    tmp_path: Path,
) -> None:
    clock = Clock(tmp_path)
    clock.laid_down(b"correct horse")
    clock.since()
    clock.since(tmp_path / "other")
    written = clock.memory.read_text()
    assert "correct horse" not in written
    assert clock.memory.stat().st_mode & 0o077 == 0
    one, other = (json.loads(each.read_text())["first_seen"]["token"] for each in (clock.memory, tmp_path / "other"))
    assert not one.keys() & other.keys()


def test_a_memory_that_is_damaged_missing_or_cannot_be_written_is_begun_anew(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    clock.laid_down(b"token")
    for damaged in (b"\x00\xff", b'{"salt": "%s"}' % (b"a" * 65), b'{"salt": ""}'):
        clock.memory.write_bytes(damaged)
        assert clock.since() == START
    nowhere = tmp_path / "not mounted" / FILE_NAME
    assert clock.since(nowhere) == START
    assert not nowhere.parent.exists(), "a folder that is not there is not made"


def test_each_service_remembers_beside_the_state_that_it_keeps_anyway(tmp_path: Path) -> None:
    assert memory_of({"state_folder": tmp_path}) == tmp_path / FILE_NAME
    assert memory_of({"key_folder": tmp_path}) == tmp_path / FILE_NAME
    file = tmp_path / "projection.sqlite"
    assert memory_of({"database_file": file}) == tmp_path / f"projection.sqlite.{FILE_NAME}"
    assert memory_of({"mirror_folder": tmp_path}) is None
