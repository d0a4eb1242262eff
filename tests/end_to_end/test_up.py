"""`credentify up` and `demo`: the main job with everything real, started twice, killed and continued."""

import os
import signal
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from tests.end_to_end.conftest import Up


def test_the_demo_does_the_main_job_and_does_no_harm_when_run_again(up: Up) -> None:
    up.start("--demo")
    said = up.said()
    for words in ("6.5 ECTS", "impaired", "3.5 of 6.5", "demo: ok", "valid", "invalid"):
        assert words in said
    size = _tree_size(up)
    again = up.command("demo")
    assert "demo: ok" in again.stdout
    assert _tree_size(up) == size, "a second demo appends nothing"
    up.fsck_is_clean()
    assert up.stop() == 0


def test_a_service_that_hangs_is_killed_with_all_it_started_and_that_is_said(up: Up) -> None:
    up.start()
    verifier = next(pid for pid in _children(up.pid) if b"verifier" in _command_line(pid))
    started = _children(verifier)
    assert started, "it has processes for strangers' documents"
    os.kill(verifier, signal.SIGSTOP)  # it hears nothing more, as when a library holds the interpreter
    assert up.stop() == 0
    assert "verifier    did not stop within 15 s and was killed" in up.said()
    assert not any(map(_lives, (verifier, *started)))


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    """Tell whether a process runs; one that nobody has asked for its end yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_second_up_on_the_same_folder_is_refused_with_words(up: Up) -> None:
    up.start()
    refused = up.command("up", check=False)
    assert refused.returncode == 1
    assert "Another `credentify up` runs on" in refused.stderr


def test_a_second_start_continues_with_the_same_data(up: Up) -> None:
    up.start("--demo")
    size = _tree_size(up)
    assert up.stop() == 0
    up.start("--demo")
    assert _tree_size(up) == size
    up.fsck_is_clean()


def test_a_thrown_away_verifier_gives_the_same_answers(up: Up) -> None:
    up.start("--demo")
    credential_id = _revoked_credential(up)
    before = _status(up, credential_id)
    assert up.stop() == 0
    for file in up.data.glob("verifier.sqlite*"):
        file.unlink()
    up.start()
    up.wait("the verifier has caught up", lambda: _status(up, credential_id) == before)
    up.fsck_is_clean()


def test_keys_tokens_and_addresses_can_be_read_by_nobody_else(up: Up) -> None:
    up.start()
    for name in ("operator-token", "master.key", "addresses.json", "registrar/registrar.key", "ledger/log.key"):
        assert (up.data / name).stat().st_mode & 0o077 == 0, name


def _tree_size(up: Up) -> int:
    with urllib.request.urlopen(up.addresses().ledger + "/v1/log", timeout=120) as answer:
        size: int = msgspec.json.decode(answer.read())["tree_size"]
        return size


def _status(up: Up, credential_id: str) -> object:
    try:
        with urllib.request.urlopen(f"{up.addresses().verifier}/v1/credentials/{credential_id}", timeout=120) as answer:
            return msgspec.json.decode(answer.read())["status"]
    except (urllib.error.URLError, OSError):
        return None


def _revoked_credential(up: Up) -> str:
    rows = msgspec.json.decode(up.command("demo", "--json").stdout)["rows"]
    found: str = next(row["id"] for row in rows if row["step"] == "revoked")
    return found
