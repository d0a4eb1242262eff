"""`credentify env` gives a shell every name that the runbook's commands take."""

import re
import shlex
from pathlib import Path

import msgspec
from click.testing import CliRunner

from services.command.home import Addresses
from services.command.main import main
from tests.operator.pages import OPERATIONS, RUNBOOK
from tests.support.fenced import fenced

ADDRESSES = Addresses(
    data="/data/of mine",
    ledger="http://127.0.0.1:8101",
    gateway="http://127.0.0.1:8102",
    verifier="http://127.0.0.1:8103",
    log_verifier_key="log.example/1+1f2e3d4c+AQ",
    operator_token_file="/data/of mine/operator-token",
    registrar_key_file="/data/of mine/registrar/registrar.key",
    master_key_file="/data/of mine/master.key",
    ledger_database="postgresql://ledger_running@/ledger?host=/run/x&port=5432",
    gateway_database="postgresql://gateway_running@/gateway?host=/run/x&port=5432",
    verifier_file="/data/of mine/verifier.sqlite",
    pid=1,
)
_SECTION = OPERATIONS.partition("### A shell with a service's settings")[2].partition("\n### ")[0]
OF_A_SHELL = set(re.findall(r"\b([A-Z_]+)=", _SECTION))


def test_env_gives_all_that_a_shell_on_a_server_has_and_the_runbook_takes(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_bytes(msgspec.json.encode(ADDRESSES))
    done = CliRunner().invoke(main, ["env", "--data", str(tmp_path)])
    given = dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in done.stdout.splitlines())
    taken = {name for block in fenced(RUNBOOK) for name in re.findall(r"\$\{?([A-Z_]+)", block)}
    assert taken & OF_A_SHELL <= given.keys()
    assert given["LEDGER_OWNER_URL"] == "postgresql://ledger_owner@/ledger?host=/run/x&port=5432"
    assert given["GATEWAY_ADMIN_URL"] == "postgresql://postgres@/gateway?host=/run/x&port=5432"
    assert given["STATE_FOLDER"] == "/data/of mine/ledger"


def test_what_the_runbook_asks_a_database_is_given_by_the_page_of_operations() -> None:
    asked = {name for block in fenced(RUNBOOK) for name in re.findall(r"\$\{?(\w+_URL)", block)}
    assert {name for name in asked if not name.startswith("NEW_")} <= OF_A_SHELL, "what is restored has a new URL"
