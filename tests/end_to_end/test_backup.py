"""`credentify backup` of a running `up`, and `restore` into a new data folder that `up` goes on with."""

import urllib.request
from pathlib import Path

import msgspec

from proto.keys import SecretKey
from tests.end_to_end.conftest import Up


def registrar_of(up: Up) -> tuple[str, ...]:
    addresses = up.addresses()
    return ("--key", addresses.registrar_key_file, "--ledger", addresses.ledger)


def test_what_up_holds_is_backed_up_while_it_runs_and_restored_into_a_new_folder(up: Up, open_folder: Path) -> None:
    verifier_key = up.start("--demo").log_verifier_key
    backup, new = open_folder / "backup", Up(open_folder / "new")
    new.ports = up.ports
    said = up.command("backup", "--to", str(backup), "--with-registrar").stdout
    assert "not in it: the gateway's master key" in said
    assert "never in it: the learners' keys" in said
    since = ("registrar", "add-key", up.addresses().registrar, "--public-key", SecretKey.generate().public_key)
    up.command(*since, "--purpose", "event", *registrar_of(up))
    words = ("restore", "--from", str(backup), "--data", str(new.data))
    refused = new.command(*words, check=False)
    assert refused.returncode == 1
    assert "Nobody knows here what the log has signed since" in refused.stderr
    keys = ("--master-key-file", str(up.data / "master.key"), "--key-folder", str(up.data / "learner-keys"))
    newest = ("--published", up.addresses().ledger)
    done = msgspec.json.decode(new.command(*words, *keys, *newest, "--json").stdout)
    assert (done["is_clean"], done["can_sign"], done["signed_size"]) == (True, False, done["tree_size"] + 1)
    recover = ("ledger", "recover", "--from", up.addresses().ledger, "--json", "--data")
    running = new.command(*recover, str(up.data), check=False)
    assert "Another `credentify up` runs on" in running.stdout
    nothing = new.command(*recover, str(open_folder / "none"), check=False)
    assert "is no data folder of `credentify up`" in nothing.stdout
    assert not (open_folder / "none").exists()
    recovered = msgspec.json.decode(new.command(*recover, str(new.data)).stdout)
    assert recovered == {"size_before": done["tree_size"], "size": done["signed_size"]}
    assert up.stop() == 0
    try:
        addresses = new.start()
        assert "opening a new log" not in new.said()
        assert addresses.log_verifier_key == verifier_key
        with urllib.request.urlopen(addresses.ledger + "/v1/log", timeout=120) as response:
            assert msgspec.json.decode(response.read())["tree_size"] == done["signed_size"]
        new.wait("all follow the log", new.is_ready)
        new.fsck_is_clean()
    finally:
        new.stop()
