"""kill -9 of any process while a list is issued: nothing acknowledged is lost, nothing is doubled, it completes."""

import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import msgspec
import pytest

from tests.end_to_end.conftest import Up
from tests.support.run_folders import make_run_folder

ROWS = 600
KILL_AFTER_ROWS = 100


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    folder = make_run_folder()
    stack = Up(folder / "data")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CREDENTIFY_GATEWAY_GROUP_MAX", "1")  # a kill comes in the midst of many entries
        try:
            stack.start("--demo")
            yield stack
        finally:
            stack.stop()
            rmtree(folder)


@pytest.mark.parametrize("victim", ["ledger", "gateway", "verifier", "postgres", "everything"])
def test_a_list_completes_although_a_process_is_killed_while_it_is_issued(running: Up, victim: str) -> None:
    size = _tree_size(running)
    issuing = threading.Thread(target=_post, args=(running, victim), daemon=True)
    issuing.start()
    running.wait("some rows are on the log", lambda: _tree_size(running) >= size + KILL_AFTER_ROWS)
    _kill(running, victim)
    issuing.join(timeout=120)
    running.wait("all three are ready", running.is_ready)
    answer = _completed(running, victim)
    assert (answer["accepted_count"], answer["refused_count"]) == (ROWS, 0)
    assert len({row["credential_id"] for row in answer["rows"]}) == ROWS
    running.wait("every row is on the log", lambda: _tree_size(running) >= size + ROWS)
    assert _tree_size(running) == size + ROWS, "nothing is doubled"
    running.wait("the verifier has read it all", lambda: _is_known(running, answer["rows"][-1]))
    running.fsck_is_clean()


def _kill(up: Up, victim: str) -> None:
    if victim == "everything":
        up.stop(signal.SIGKILL)
        up.start()
        return
    os.kill(_pid_of(up, victim), signal.SIGKILL)
    up.wait(f"{victim} was started again", lambda: f"{_name(victim)} ended" in up.said())


def _name(victim: str) -> str:
    return "PostgreSQL" if victim == "postgres" else victim


def _rows(up: Up, victim: str) -> bytes:
    uri = _catalogue_uri(up)
    lines = (f"kill-{victim}-{n},Łucja,Número {n},{uri},2026-07-01" for n in range(ROWS))
    return "\n".join(["learner_ref,given_name,family_name,achievement,valid_from", *lines, ""]).encode()


def _catalogue_uri(up: Up) -> str:
    entries = msgspec.json.decode(_get(f"{up.addresses().gateway}/v1/catalogue?q=data"))["entries"]
    uri: str = next(entry["achievement"]["uri"] for entry in entries if entry["institution"] == "nadmorska")
    return uri


def _post(up: Up, victim: str) -> dict[str, Any] | None:
    """Send the list under its idempotency key; None where the answer was lost."""
    state = msgspec.json.decode((up.data / "demo" / "state.json").read_bytes())
    request = urllib.request.Request(
        f"{up.addresses().gateway}/v1/batches",
        data=_rows(up, victim),
        headers={
            "Authorization": f"Bearer {state['api_keys']['nadmorska']}",
            "Content-Type": "text/csv",
            "Idempotency-Key": f"kill-{victim}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            decoded: dict[str, Any] = msgspec.json.decode(answer.read())
            return decoded
    except (urllib.error.URLError, OSError):
        return None


def _completed(up: Up, victim: str) -> dict[str, Any]:
    """Send the same list again until it is answered, as an integrator's retry does."""
    answers: list[dict[str, Any]] = []

    def ask() -> bool:
        answer = _post(up, victim)
        if answer is not None and answer["is_complete"]:
            answers.append(answer)
        return bool(answers)

    up.wait("the list is answered", ask, seconds=120)
    return answers[0]


def _is_known(up: Up, row: dict[str, Any]) -> bool:
    try:
        _get(f"{up.addresses().verifier}/v1/credentials/{row['credential_id']}")
    except (urllib.error.URLError, OSError):
        return False
    return True


def _tree_size(up: Up) -> int:
    try:
        size: int = msgspec.json.decode(_get(up.addresses().ledger + "/v1/log"))["tree_size"]
    except (urllib.error.URLError, OSError):
        return 0
    return size


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=120) as answer:
        data: bytes = answer.read()
        return data


def _pid_of(up: Up, victim: str) -> int:
    """The child of `up` that runs the service, found in /proc (Linux only)."""
    if not Path("/proc").is_dir():
        pytest.skip("finding a child's pid needs /proc")
    wanted = {"postgres": "/bin/postgres"}.get(victim, f"services\0{victim}\0")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == up.pid and wanted in (process / "cmdline").read_bytes().decode():
                return int(process.name)
        except (OSError, UnicodeDecodeError):
            continue
    raise AssertionError(f"no process of {victim} below {up.pid}")
