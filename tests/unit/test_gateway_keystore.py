"""Secrets at rest: what is sealed opens for the same purpose, name and key, and for nothing else."""

from pathlib import Path

import pytest

from proto.ids import LearnerId
from services.issuer_gateway.keys.keystore import Keystore, MasterKeyFault, UnsealableProblem, create_master_key

MASTER = bytes(range(32))


def test_what_was_sealed_opens_again() -> None:
    keystore = Keystore(MASTER)
    sealed = keystore.seal(b"secret", "document", "one")
    assert b"secret" not in sealed
    assert keystore.open(sealed, "document", "one") == b"secret"
    assert sealed != keystore.seal(b"secret", "document", "one")


def test_another_purpose_name_or_key_opens_nothing() -> None:
    keystore = Keystore(MASTER)
    sealed = keystore.seal(b"secret", "document", "one")
    for store, purpose, name in (
        (keystore, "answer", "one"),
        (keystore, "document", "two"),
        (Keystore(MASTER[::-1]), "document", "one"),
    ):
        with pytest.raises(UnsealableProblem):
            store.open(sealed, purpose, name)  # type: ignore[arg-type] # the tuple's type is wider


def test_no_altered_byte_opens() -> None:
    keystore = Keystore(MASTER)
    sealed = keystore.seal(b"secret", "document", "one")
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(UnsealableProblem):
            keystore.open(altered, "document", "one")
    with pytest.raises(UnsealableProblem):
        keystore.open(b"", "document", "one")


def test_a_learners_key_is_the_learners_only() -> None:
    keystore = Keystore(MASTER)
    key, sealed = keystore.new_learner_key(LearnerId("learner"))
    document = key.seal(b"text", "document", "id")
    assert keystore.learner_key(sealed, LearnerId("learner")).open(document, "document", "id") == b"text"
    with pytest.raises(UnsealableProblem):
        keystore.learner_key(sealed, LearnerId("another"))
    with pytest.raises(UnsealableProblem):
        keystore.open(document, "document", "id")


def test_fingerprints_tell_parts_apart_and_need_the_key() -> None:
    keystore = Keystore(MASTER)
    assert keystore.fingerprint(b"ab", b"c") != keystore.fingerprint(b"a", b"bc")
    assert keystore.fingerprint(b"a") == Keystore(MASTER).fingerprint(b"a")
    assert keystore.fingerprint(b"a") != Keystore(MASTER[::-1]).fingerprint(b"a")


def test_a_master_key_file_has_32_bytes_and_one_reader(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    with pytest.raises(MasterKeyFault, match="cannot be read"):
        Keystore.from_file(path)
    create_master_key(path)
    Keystore.from_file(path)
    with pytest.raises(FileExistsError):
        create_master_key(path)
    path.chmod(0o640)
    with pytest.raises(MasterKeyFault, match="chmod 600"):
        Keystore.from_file(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(MasterKeyFault, match="5 bytes"):
        Keystore.from_file(path)


def test_keys_do_not_show_themselves() -> None:
    assert MASTER.hex() not in repr(Keystore(MASTER))
