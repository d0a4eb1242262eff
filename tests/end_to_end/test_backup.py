"""`credentify backup` of a running `up`, and `restore` into a new data folder that `up` goes on with."""

import urllib.request
from pathlib import Path

import msgspec

from tests.end_to_end.conftest import Up


def test_what_up_holds_is_backed_up_while_it_runs_and_restored_into_a_new_folder(up: Up, open_folder: Path) -> None:
    verifier_key = up.start("--demo").log_verifier_key
    backup, new = open_folder / "backup", Up(open_folder / "new")
    new.ports = up.ports
    said = up.command("backup", "--to", str(backup), "--with-registrar").stdout
    assert "not in it: the gateway's master key" in said
    assert "never in it: the learners' keys" in said
    assert up.stop() == 0
    words = ("restore", "--from", str(backup), "--data", str(new.data))
    refused = new.command(*words, check=False)
    assert refused.returncode == 1
    assert "Nobody knows here what the log has signed since" in refused.stderr
    keys = ("--master-key-file", str(up.data / "master.key"), "--key-folder", str(up.data / "learner-keys"))
    newest = ("--published", str(up.data / "ledger" / "last-signed.checkpoint"))
    done = msgspec.json.decode(new.command(*words, *keys, *newest, "--json").stdout)
    assert done["is_clean"], done
    assert done["can_sign"], done
    try:
        addresses = new.start()
        assert "opening a new log" not in new.said()
        assert addresses.log_verifier_key == verifier_key
        with urllib.request.urlopen(addresses.ledger + "/v1/log", timeout=10) as response:
            assert msgspec.json.decode(response.read())["tree_size"] == done["tree_size"]
        new.wait("all follow the log", new.is_ready, seconds=30)
        new.fsck_is_clean()
    finally:
        new.stop()
