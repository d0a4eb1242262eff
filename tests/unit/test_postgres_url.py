"""A database's URL that cannot be read is refused without a word of it."""

from pathlib import Path

import pytest

from services.persistence.postgres_url import DatabaseUrlFault, checked_url, unreadable_tls_files

SECRET = "hunter2"


@pytest.mark.parametrize("sign", ["/", "#", "?", "[", "/a@", "#1", "?x=1&", "/1", "?1", "@/", "?a=b@"])
@pytest.mark.parametrize("before", ["", "12", "pass"])
def test_a_sign_that_ends_the_password_early_is_refused_in_words_that_hold_no_part_of_it(
    sign: str, before: str
) -> None:
    with pytest.raises(DatabaseUrlFault, match="%2F") as refused:
        checked_url(f"postgresql://someone:{before}{sign}{SECRET}@db.example:5432/ledger")
    assert SECRET not in refused.value.detail
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize("url", ["", "ledger", "host=db user=someone", "mysql://a:b@c/d", "postgresql://a:b@c:port/d"])
def test_what_is_no_url_of_a_database_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUrlFault, match="postgresql://"):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:a%2Fb%23c%3Fd@db.example:5432/ledger",
        "postgresql://someone:a@b@db.example/ledger",
        "postgresql://someone@/ledger?host=/var/run/postgresql&port=5433",
        "postgresql:///ledger?host=/tmp/x",
        "postgresql://a:b@one:5432,two:5433/ledger?target_session_attrs=read-write",
        "postgresql://a:b@[::1]:5432/ledger",
        "postgres://db.example/ledger?user=a&password=b%40c",
    ],
)
def test_every_form_that_the_driver_takes_is_taken(url: str) -> None:
    assert checked_url(url) == url


def test_a_file_of_tls_that_cannot_be_read_is_named_with_its_path_and_home(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PGSSLKEY": str(tmp_path / "gone.key")}
    assert unreadable_tls_files("postgresql://db.example/x", {"HOME": str(tmp_path)}) == []
    said = unreadable_tls_files(f"postgresql://db.example/x?sslrootcert={tmp_path}", environ)
    assert said == [
        f"The sslrootcert {tmp_path} cannot be read: Is a directory (HOME is {tmp_path})",
        f"The sslkey {tmp_path}/gone.key cannot be read: No such file or directory (HOME is {tmp_path})",
    ]
