"""What `credentify up` made is taken away whole, with its database elsewhere, and nothing of anybody else."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proto.ids import Origin
from services.command.home import Home, Settings
from services.command.main import main
from services.embedded import EmbeddedPostgres, data_folder
from tests.conftest import TEST_SETTINGS

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's database server is another user's")
CHOSEN = Settings(
    origin=Origin("localhost/credentify-test"), ledger_port=1, gateway_port=2, verifier_port=3, public_url="http://x"
)


@pytest.fixture(autouse=True)
def elsewhere(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data_folder, "ELSEWHERE", open_folder / "elsewhere")
    return open_folder / "elsewhere"


def installed(folder: Path, *, with_database: bool = True) -> Home:
    """What `up` leaves in a folder when it stops."""
    home = Home(folder)
    home.open()
    home.keep_settings(CHOSEN)
    home.make_secrets()
    home.path("verifier.sqlite").touch(mode=0o600)

    async def start() -> None:
        async with EmbeddedPostgres(home.path("postgres"), settings=TEST_SETTINGS):
            pass

    if with_database:
        asyncio.run(start())
    home.close()
    return home


def remove(folder: Path, *options: str, said: str = "") -> Result:
    return CliRunner().invoke(main, ["remove", "--data", str(folder), *options], input=said)


@as_root
def test_an_empty_folder_that_can_be_come_to_holds_its_database_itself(open_folder: Path, elsewhere: Path) -> None:
    """A folder of root's own, as mktemp makes it; what is in it stays private."""
    folder = open_folder / "data"
    folder.mkdir(mode=0o700)
    home = installed(folder)
    assert (folder / "postgres" / "cluster" / "PG_VERSION").exists()
    assert not elsewhere.exists()
    assert home.folder.stat().st_mode & 0o077 == 0o011
    assert [each for each in home.folder.iterdir() if each.is_file() and each.stat().st_mode & 0o077] == []
    assert remove(folder, "--yes").exit_code == 0
    assert not folder.exists()


@as_root
def test_what_lies_elsewhere_goes_with_its_folder_and_also_after_it(open_folder: Path, elsewhere: Path) -> None:
    private = open_folder / "private"
    private.mkdir(mode=0o700)
    kept = installed(private / "kept")
    for name in ("first", "second"):
        installed(private / name)
    assert len(list(elsewhere.iterdir())) == 3
    assert remove(private / "first", "--yes").exit_code == 0
    shutil.rmtree(private / "second")
    done = remove(private / "second", "--yes")
    assert (done.exit_code, str(elsewhere) in done.output) == (0, True)
    assert [each.name for each in private.iterdir()] == ["kept"]
    (home,) = elsewhere.iterdir()
    assert (home / "belongs-to").read_text() == f"{kept.path('postgres')}\n"


def test_it_asks_before_and_a_no_removes_nothing(open_folder: Path) -> None:
    folder = installed(open_folder / "data", with_database=False).folder
    before = sorted(folder.rglob("*"))
    asked = remove(folder, said="n\n")
    assert asked.exit_code == 1
    assert "go for good. Remove them?" in asked.output
    assert sorted(folder.rglob("*")) == before
    assert remove(folder, said="y\n").exit_code == 0
    assert not folder.exists()


def test_what_runs_is_not_removed(open_folder: Path) -> None:
    home = installed(open_folder / "data")
    home.open()
    refused = remove(home.folder, "--yes")
    assert (refused.exit_code, "Another `credentify up` runs" in refused.output) == (1, True)
    home.close()

    async def while_a_server_runs() -> Result:
        async with EmbeddedPostgres(home.path("postgres"), settings=TEST_SETTINGS):
            return await asyncio.to_thread(remove, home.folder, "--yes")

    refused = asyncio.run(while_a_server_runs())
    assert (refused.exit_code, "Stop it first" in refused.output) == (1, True)
    assert home.settings() == CHOSEN


@pytest.mark.parametrize("name", ["empty", "other", "missing", "postgres-alone"])
def test_what_is_no_installation_is_left_alone(open_folder: Path, name: str) -> None:
    folder = open_folder / name
    if name != "missing":
        folder.mkdir()
    if name == "other":
        (folder / "thesis.txt").write_text("years of work")
    if name == "postgres-alone":
        (folder / "postgres").mkdir()
        (folder / "postgres" / "place.json").write_text('{"folder": ".", "is_initialised": true}')
    before = sorted(open_folder.rglob("*"))
    refused = remove(folder, "--yes")
    assert (refused.exit_code, "is no data folder of `credentify up`" in refused.output) == (1, True)
    assert sorted(open_folder.rglob("*")) == before


def test_what_somebody_else_put_into_the_folder_stays(open_folder: Path) -> None:
    folder = installed(open_folder / "data", with_database=False).folder
    (folder / "thesis.txt").write_text("years of work")
    done = remove(folder, "--yes")
    assert (done.exit_code, "thesis.txt" in done.output) == (0, True)
    assert [each.name for each in folder.iterdir()] == ["thesis.txt"]
