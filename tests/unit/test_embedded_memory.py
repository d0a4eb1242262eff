"""What the bundled PostgreSQL may keep of the memory: the machine's, or what a control group leaves of it."""

from pathlib import Path

from services.command.doctor_database import room_for_pages
from services.embedded.memory import settings_for, usable_bytes

GIB = 1024**3


def _group(folder: Path, lines: str, limits: dict[str, str]) -> tuple[Path, Path]:
    cgroup = folder / "cgroup"
    cgroup.write_text(lines)
    for name, said in limits.items():
        place = folder / "mounted" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(said + "\n")
    return cgroup, folder / "mounted"


def test_an_eighth_of_the_memory_holds_pages_within_bounds() -> None:
    assert settings_for(8 * GIB) == {"shared_buffers": "1024MB", "effective_cache_size": "4096MB"}
    assert settings_for(GIB // 2)["shared_buffers"] == "128MB"
    assert settings_for(512 * GIB)["shared_buffers"] == "4096MB"


def test_a_limit_of_any_folder_above_binds(tmp_path: Path) -> None:
    limits = {"memory.max": "max", "pod/memory.max": str(GIB), "pod/box/memory.max": "max"}
    assert usable_bytes(*_group(tmp_path, "0::/pod/box\n", limits)) == GIB


def test_a_limit_of_the_kernels_first_version_binds(tmp_path: Path) -> None:
    limits = {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/box/memory.limit_in_bytes": str(GIB)}
    assert usable_bytes(*_group(tmp_path, "4:cpu,memory:/box\n0::/\n", limits)) == GIB


def test_a_machine_without_limits_or_control_groups_says_what_it_has(tmp_path: Path) -> None:
    none = usable_bytes(tmp_path / "none", tmp_path)
    assert none >= GIB // 4
    assert usable_bytes(*_group(tmp_path, "0::/\n", {"memory.max": "max"})) == none


def test_the_doctor_says_so_where_a_large_database_has_what_postgresql_takes_by_itself() -> None:
    by_itself = 128 * 1024**2
    short = room_for_pages("ledger", by_itself, 3 * GIB)
    assert short is not None
    assert (short.state, short.about) == ("note", "database")
    assert short.found.startswith("its 3.2 GB")
    assert "a quarter" in short.todo
    assert room_for_pages("ledger", by_itself, GIB) is None, "a small one needs no more"
    assert room_for_pages("ledger", by_itself + 1, 300 * GIB) is None, "somebody has chosen it"
