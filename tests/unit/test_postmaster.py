"""Which processes may be a server's, of which no more can be seen than everybody may see."""

import os
from pathlib import Path

import pytest

from services.embedded.postmaster import may_be_of

OWN = os.geteuid()
OTHER = OWN + 1


def process(folder: Path, pid: int, *, name: str = "postgres", user: int = OWN, parent: int = 1, command: str) -> Path:
    """Make what `/proc` shows of a process."""
    made = folder / str(pid)
    made.mkdir(parents=True)
    (made / "comm").write_text(f"{name}\n", encoding="utf-8")
    (made / "status").write_text(f"Name:\t{name}\nPPid:\t{parent}\nUid:\t0\t{user}\t0\t0\n", encoding="utf-8")
    (made / "cmdline").write_text(command.replace(" ", "\0") + "\0", encoding="utf-8")
    return made


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """A cluster that belongs to us."""
    made = tmp_path / "cluster"
    made.mkdir()
    return made


def test_a_server_of_another_account_is_never_ours(tmp_path: Path, cluster: Path) -> None:
    assert not may_be_of(process(tmp_path / "proc", 7, user=OTHER, command="postgres"), cluster)
    assert not may_be_of(process(tmp_path / "proc", 8, user=OTHER, command=f"postgres -D {cluster}"), cluster)


def test_a_server_of_the_same_account_is_told_by_the_cluster_that_it_names(tmp_path: Path, cluster: Path) -> None:
    proc = tmp_path / "proc"
    assert may_be_of(process(proc, 7, command=f"/bin/postgres -D {cluster} --port=5432"), cluster)
    assert not may_be_of(process(proc, 8, command="/bin/postgres -D /var/lib/postgresql --port=5432"), cluster)
    assert may_be_of(process(proc, 9, parent=7, command="postgres: checkpointer"), cluster)
    assert not may_be_of(process(proc, 10, parent=8, command="postgres: checkpointer"), cluster)


def test_one_whose_first_process_is_gone_may_be_ours_and_any_other_program_is_not(
    tmp_path: Path, cluster: Path
) -> None:
    proc = tmp_path / "proc"
    assert may_be_of(process(proc, 7, parent=6, command="postgres: checkpointer"), cluster)
    assert not may_be_of(process(proc, 8, name="python", command=f"python -D {cluster}"), cluster)
    assert not may_be_of(proc / "9", cluster)
