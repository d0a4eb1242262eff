"""Settings come from variables, wrong ones refuse to start, and each has its line in the manual."""

import enum
import os
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from proto.log.note_key import SignerKey
from services.edge import EdgeConfig, Port
from services.settings import (
    SettingsFault,
    describe_settings,
    http_url,
    load_settings,
    may_others_read,
    read_secret,
    service_links,
)
from services.verifier.config import SETTINGS_PREFIX
from services.verifier.config import Config as VerifierConfig
from tests.support.statements import secret_key

PREFIX = "CREDENTIFY_SAMPLE_"
LOG = SignerKey(name="log.example/2026", secret=secret_key("a log"))


class Mode(enum.Enum):
    FAST = "fast"
    SAFE = "safe"


class Sample(EdgeConfig, frozen=True, kw_only=True):
    database_url: Annotated[str, msgspec.Meta(description="Where the database is")]
    port: Annotated[Port, msgspec.Meta(description="Port to listen on")] = 8109
    key_file: Annotated[Path | None, msgspec.Meta(description="File with the key")] = None
    mode: Annotated[Mode, msgspec.Meta(description="How to work")] = Mode.SAFE
    verbose: Annotated[bool, msgspec.Meta(description="Whether to say more")] = False
    witnesses: Annotated[tuple[str, ...], msgspec.Meta(description="Witnesses to ask")] = ()


def load(**variables: str) -> Sample:
    environ = {PREFIX + name: value for name, value in {"DATABASE_URL": "x", **variables}.items()}
    return load_settings(Sample, PREFIX, {"PATH": "/bin", "CREDENTIFY_OTHER_PORT": "zero", **environ})


def test_each_variable_becomes_a_typed_field() -> None:
    loaded = load(
        PORT="9000",
        KEY_FILE="/a/b",
        MODE="fast",
        VERBOSE="true",
        WITNESSES="a, b",
        RATE_PER_SECOND="2.5",
        TRUSTED_PROXIES="",
    )
    assert loaded == Sample(
        database_url="x",
        port=9000,
        key_file=Path("/a/b"),
        mode=Mode.FAST,
        verbose=True,
        witnesses=("a", "b"),
        rate_per_second=2.5,
    )


def test_an_unknown_variable_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(
        SettingsFault, match="CREDENTIFY_SAMPLE_PROT is no setting; did you mean CREDENTIFY_SAMPLE_PORT"
    ):
        load(PROT="1")


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(SettingsFault) as refused:
        load(PORT="70000", MODE="quick", DATABASE_URL="")
    for name in ("PORT", "MODE", "DATABASE_URL"):
        assert PREFIX + name in refused.value.detail


def test_the_manual_has_a_line_for_each_field() -> None:
    rows = {name: rest for name, *rest in describe_settings(Sample, PREFIX)}
    assert rows[PREFIX + "PORT"] == ["whole number", "8109", "Port to listen on"]
    assert rows[PREFIX + "DATABASE_URL"] == ["text", "(needed)", "Where the database is"]
    assert rows[PREFIX + "KEY_FILE"] == ["path", "", "File with the key"]
    assert rows[PREFIX + "MODE"] == ["fast | safe", "safe", "How to work"]
    assert rows[PREFIX + "WITNESSES"] == ["list of text", "", "Witnesses to ask"]
    assert rows[PREFIX + "VERBOSE"][1] == "false"
    assert PREFIX + "BODY_BYTES_MAX" in rows


def test_a_field_without_description_is_refused() -> None:
    class Mute(msgspec.Struct):
        port: int = 1

    with pytest.raises(TypeError, match="has no msgspec"):
        describe_settings(Mute, PREFIX)


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s3cret\n")
    file.chmod(0o600)
    assert read_secret(file) == b"s3cret"


def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"s3cret\n")
    file.chmod(0o644)
    with pytest.raises(SettingsFault, match="chmod 600"):
        read_secret(file)


def test_a_setting_may_be_in_a_file_that_its_variable_names_with_file_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://a:secret@b/c\n")
    path.chmod(0o600)
    assert load(DATABASE_URL="", DATABASE_URL_FILE=str(path)).database_url == "postgresql://a:secret@b/c"
    assert load(KEY_FILE=str(path)).key_file == path, "the name of a file stays one"
    assert load(PORT_FILE="").port == 8109


def test_a_file_that_is_no_secrets_or_beside_its_variable_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("postgresql://a:secret@b/c")
    path.chmod(0o644)
    with pytest.raises(SettingsFault, match=r"_URL_FILE: .* chmod 600") as found:
        load(DATABASE_URL="", DATABASE_URL_FILE=str(path))
    assert "must be set" not in str(found.value)
    path.chmod(0o600)
    with pytest.raises(SettingsFault, match="are both set"):
        load(DATABASE_URL_FILE=str(path))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsFault, match="no text in UTF-8"):
        load(DATABASE_URL="", DATABASE_URL_FILE=str(path))
    with pytest.raises(SettingsFault, match="cannot be read"):
        load(PORT_FILE=str(tmp_path / "none"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of root's: run the tests as root")
def test_a_file_of_roots_may_be_readable_by_a_group_as_kubernetes_and_systemd_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"secret")
    path.chmod(0o440)
    assert may_others_read(path), "root itself has no need of a group"
    monkeypatch.setattr(os, "geteuid", lambda: 10_001)
    assert not may_others_read(path)
    path.chmod(0o444)
    assert may_others_read(path)
    os.chown(path, 10_001, 10_001)
    path.chmod(0o440)
    assert may_others_read(path)


def test_a_missing_or_empty_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault, match="cannot be read"):
        read_secret(tmp_path / "none")
    file = tmp_path / "empty"
    file.write_bytes(b"\n")
    file.chmod(0o600)
    with pytest.raises(SettingsFault, match="no secret"):
        read_secret(file)


KUBERNETES = {
    "CREDENTIFY_SAMPLE_SERVICE_HOST": "10.96.0.7",
    "CREDENTIFY_SAMPLE_SERVICE_PORT": "8109",
    "CREDENTIFY_SAMPLE_SERVICE_PORT_HTTP": "8109",
    "CREDENTIFY_SAMPLE_PORT": "tcp://10.96.0.7:8109",
    "CREDENTIFY_SAMPLE_PORT_8109_TCP": "tcp://10.96.0.7:8109",
    "CREDENTIFY_SAMPLE_PORT_8109_TCP_PROTO": "tcp",
    "CREDENTIFY_SAMPLE_PORT_8109_TCP_PORT": "8109",
    "CREDENTIFY_SAMPLE_PORT_8109_TCP_ADDR": "10.96.0.7",
}


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_setting() -> None:
    environ = {"CREDENTIFY_SAMPLE_DATABASE_URL": "x", **KUBERNETES}
    assert load_settings(Sample, PREFIX, environ).port == 8109
    assert service_links(environ) == KUBERNETES.keys()


def test_a_port_of_ours_counts_beside_kubernetes_variables() -> None:
    environ = {"CREDENTIFY_SAMPLE_DATABASE_URL": "x", **KUBERNETES, "CREDENTIFY_SAMPLE_PORT": "9000"}
    assert load_settings(Sample, PREFIX, environ).port == 9000


def test_a_service_of_two_families_and_a_longer_name_is_told_by_its_values_too() -> None:
    links = {
        "CREDENTIFY_SAMPLE_KEY_PORT": "udp://[fd00::7]:53",
        "CREDENTIFY_SAMPLE_KEY_SERVICE_HOST": "fd00::7",
        "CREDENTIFY_SAMPLE_KEY_SERVICE_PORT": "53",
    }
    assert load_settings(Sample, PREFIX, {"CREDENTIFY_SAMPLE_DATABASE_URL": "x", **links}).key_file is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_HOST", "10.96.0.7"),  # no service of that name is there
        ("PORT", "tcp://ledger:8109"),
        ("PROT", "8109"),
    ],
)
def test_what_only_looks_like_it_is_refused_as_before(name: str, value: str) -> None:
    with pytest.raises(SettingsFault, match=PREFIX + name):
        load(**{name: value})


@pytest.mark.parametrize(
    "text", ["", "ledger.example", "ftp://ledger.example", "http://", "https:///log", "http://x:port", "http://a b/"]
)
def test_an_address_that_is_no_web_address_is_refused_as_it_is_read(text: str) -> None:
    environ = {
        "CREDENTIFY_VERIFIER_LOG_VERIFIER_KEY": LOG.verifier.text,
        "CREDENTIFY_VERIFIER_DATABASE_FILE": "x",
        "CREDENTIFY_VERIFIER_LEDGER_URL": text,
    }
    with pytest.raises(SettingsFault, match="CREDENTIFY_VERIFIER_LEDGER_URL"):
        load_settings(VerifierConfig, SETTINGS_PREFIX, environ)


@pytest.mark.parametrize("text", ["later", "log.example+1f2e3d4c", LOG.verifier.text[:-4], LOG.verifier.text + "x"])
def test_a_log_key_that_is_none_is_refused_as_it_is_read_with_where_to_find_it(text: str) -> None:
    environ = {
        "CREDENTIFY_VERIFIER_LOG_VERIFIER_KEY": text,
        "CREDENTIFY_VERIFIER_DATABASE_FILE": "x",
        "CREDENTIFY_VERIFIER_LEDGER_URL": "https://ledger.example",
    }
    with pytest.raises(SettingsFault, match="CREDENTIFY_VERIFIER_LOG_VERIFIER_KEY is no verifier key") as refused:
        load_settings(VerifierConfig, SETTINGS_PREFIX, environ)
    assert "ledger init" in refused.value.detail


def test_a_web_address_loses_its_last_slash() -> None:
    assert http_url("https://ledger.example/2026/", "It") == "https://ledger.example/2026"
    with pytest.raises(SettingsFault, match="begins with http:// or https://") as refused:
        http_url("redis://someone:hunter2@x", "It")
    assert "hunter2" not in refused.value.detail


def test_a_secret_that_cannot_be_read_is_named_with_its_whole_path_and_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    with pytest.raises(SettingsFault, match=f"{tmp_path}/log.key cannot be read: .*HOME is /home/somebody"):
        read_secret(Path("log.key"))
