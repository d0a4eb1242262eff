"""What PostgreSQL's own programs are told of a database: all that its URL says, in their environment only."""

import pytest

from services.command.pg_environment import EnvironmentProblem, asks_for_tls, libpq_environment

SOCKET = "postgresql://owner@/ledger?host=/run/x&port=5433"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql://owner:a%2Fb%20@db.example:5433/ledger?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            {
                "PGHOST": "db.example",
                "PGPORT": "5433",
                "PGUSER": "owner",
                "PGPASSWORD": "a/b ",
                "PGDATABASE": "ledger",
                "PGSSLMODE": "verify-full",
                "PGSSLROOTCERT": "/etc/ca.pem",
            },
        ),
        (
            "postgresql://owner@one:5433,two,[::1]:5434/ledger?target_session_attrs=read-write",
            {
                "PGHOST": "one,two,::1",
                "PGPORT": "5433,5432,5434",
                "PGTARGETSESSIONATTRS": "read-write",
                "PGUSER": "owner",
                "PGDATABASE": "ledger",
            },
        ),
        ("postgresql://one,two/ledger", {"PGHOST": "one,two", "PGDATABASE": "ledger"}),
        (SOCKET, {"PGHOST": "/run/x", "PGPORT": "5433", "PGUSER": "owner", "PGDATABASE": "ledger"}),
        (
            "postgresql:///?database=x&user=o&search_path=a b",
            {"PGDATABASE": "x", "PGUSER": "o", "PGOPTIONS": r"-c search_path=a\ b"},
        ),
    ],
)
def test_everything_that_a_url_says_has_its_variable(url: str, said: dict[str, str]) -> None:
    assert libpq_environment(url, {"HOME": "/root"}) == said | {
        "HOME": "/root",
        "LC_ALL": "C",
        "PGCONNECT_TIMEOUT": "30",
    }


def test_what_a_url_leaves_out_is_taken_from_the_variables_that_are_set() -> None:
    environ = {"PGPASSWORD": "secret", "PGSSLMODE": "require", "PGUSER": "other", "PGOPTIONS": "-c x=y", "PGTZ": "CET"}
    found = libpq_environment("postgresql://owner@db.example/ledger", environ)
    assert (found["PGPASSWORD"], found["PGSSLMODE"], found["PGUSER"]) == ("secret", "require", "owner")
    assert not {"PGOPTIONS", "PGTZ"} & found.keys()


def test_a_passphrase_which_has_no_variable_is_refused_without_being_repeated() -> None:
    with pytest.raises(EnvironmentProblem, match="passphrase") as refused:
        libpq_environment("postgresql://db.example/ledger?sslpassword=hunter2", {})
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://db.example/x?sslmode=require", True),
        ("postgresql://db.example/x?sslrootcert=/etc/ca.pem", True),
        ("postgresql://db.example/x?sslmode=disable", False),
        ("postgresql://db.example/x?sslmode=prefer&sslrootcert=/etc/ca.pem", None),
        ("postgresql://db.example/x", None),
        (SOCKET, False),
        (SOCKET + "&sslmode=require", False),
        ("postgresql://owner@/ledger", False),
    ],
)
def test_tls_is_wanted_refused_or_left_to_the_server(url: str, wanted: bool | None) -> None:
    assert asks_for_tls(libpq_environment(url, {})) is wanted
