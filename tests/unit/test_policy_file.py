"""Witness policies in files: what a service refuses to start with, and what a ledger tells its clients."""

from pathlib import Path

import pytest

from proto.log.policy import POLICY_BYTES_MAX, parse_policy
from services.ledger.config import Config
from services.ledger.witnesses.witness_policy import WitnessPolicy, witness_policy
from services.policy_file import read_logs, read_policy, read_policy_about
from services.settings import SettingsFault
from tests.support.witnesses import LOG, witness_key

W1, W2 = (witness_key(name).verifier.text for name in ("w1", "w2"))


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "policy"
    file.write_text(text)
    return file


def ledger_policy(tmp_path: Path, text: str | None) -> WitnessPolicy:
    file = None if text is None else written(tmp_path, text)
    return witness_policy(Config(database_url="postgresql://", policy_file=file), LOG.verifier)


def test_a_service_without_a_policy_file_has_no_policy() -> None:
    assert read_policy_about(None, LOG.verifier) is None


@pytest.mark.parametrize(
    "text", ["", "quorum", "log nonsense\nquorum none", "witness w nonsense\nquorum w", "x" * 70_000]
)
def test_a_file_that_is_no_policy_is_named_in_the_refusal(tmp_path: Path, text: str) -> None:
    assert POLICY_BYTES_MAX < 70_000
    file = written(tmp_path, text)
    with pytest.raises(SettingsFault, match="policy"):
        read_policy(file)


def test_a_file_that_is_not_there_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="absent cannot be read"):
        read_policy_about(tmp_path / "absent", LOG.verifier)


def test_a_policy_about_other_logs_is_refused(tmp_path: Path) -> None:
    other = witness_key("w1")  # the key of a witness stands for that of another log
    log = type(LOG)(name="other.example", secret=other.secret).verifier
    with pytest.raises(SettingsFault, match="lists logs, and not"):
        read_policy_about(written(tmp_path, f"log {log.text}\nquorum none\n"), LOG.verifier)
    found = read_policy_about(
        written(tmp_path, f"log {log.text}\nlog {LOG.verifier.text}\nquorum none\n"), LOG.verifier
    )
    assert found is not None
    assert read_logs(tmp_path / "policy") == (log, LOG.verifier)
    assert read_policy_about(written(tmp_path, f"witness w {W1}\nquorum w\n"), LOG.verifier)


def test_a_ledger_without_policy_asks_nobody_and_says_so(tmp_path: Path) -> None:
    policy = ledger_policy(tmp_path, None)
    assert policy.asked == ()
    assert policy.required.is_quorum([])
    assert policy.text == f"log {LOG.verifier.text}\nquorum none\n"


def test_a_ledger_asks_the_witnesses_with_a_url_and_tells_its_clients_no_url(tmp_path: Path) -> None:
    text = f"# ours\nwitness w1 {W1} http://10.0.0.1:8103\nwitness w2 {W2}\ngroup both any w1 w2\nquorum both\n"
    policy = ledger_policy(tmp_path, text)
    assert [witness.name for witness in policy.asked] == ["w1"]
    told = parse_policy(policy.text.encode())
    assert "10.0.0.1" not in policy.text
    assert [log.key for log in told.logs] == [LOG.verifier]
    assert (told.groups, told.quorum, told.witness_keys) == (
        policy.required.groups,
        "both",
        policy.required.witness_keys,
    )
    assert policy.own.is_quorum([])
    assert not policy.required.is_quorum([])
