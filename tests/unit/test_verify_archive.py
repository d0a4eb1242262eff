"""Archives of strangers, unpacked to be verified: no name leads out of the folder, and no document is lost."""

import zipfile
from pathlib import Path

import pytest

from proto.problem import InvalidProblem, NotFoundProblem
from services.command import verify_archive
from services.command.verify_archive import unpacked


def archive(folder: Path, files: list[tuple[str | zipfile.ZipInfo, bytes]]) -> str:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files:
            made.writestr(name, content)
    return str(path)


def contents(file: str) -> list[bytes]:
    with unpacked(file) as folder:
        assert all(path.parent == folder for path in folder.rglob("*"))
        return sorted(path.read_bytes() for path in folder.rglob("*"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "names",
    [
        ["a.json", "a.json", "a.json"],
        ["2-a.json", "a.json", "a.json"],
        ["documents/a.json", "documents/x/a.json", "documents/../a.json"],
        ["../../a.json", "/etc/a.json", "..", "."],
        ["资" * 90 + "1.json", "资" * 90 + "1.json", "é" * 300 + ".json"],
        ["\u202e\x1b[31m.json", "con.json", "a\\..\\b.json"],
    ],
)
def test_each_file_is_there_once_and_only_in_the_folder(tmp_path: Path, names: list[str]) -> None:
    files: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        (name, str(number).encode()) for number, name in enumerate(names)
    ]
    assert contents(archive(tmp_path, files)) == [content for _, content in files]


def test_a_link_is_a_file_that_holds_where_it_would_lead(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.json")
    link.external_attr = 0o120777 << 16
    with unpacked(archive(tmp_path, [(link, b"/etc/passwd")])) as folder:
        (found,) = folder.iterdir()
        assert not found.is_symlink()
        assert found.read_bytes() == b"/etc/passwd"


def test_an_archive_that_unpacks_to_more_than_it_may_is_refused_by_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_archive, "BYTES_MAX", 1_000)
    with pytest.raises(InvalidProblem, match="in parts"):
        contents(archive(tmp_path, [("a.json", bytes(1_001))]))


def test_an_archive_that_unpacks_to_more_than_it_says_is_damaged(tmp_path: Path) -> None:
    file = Path(archive(tmp_path, [("a.json", bytes(900_000))]))
    file.write_bytes(file.read_bytes().replace((900_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(NotFoundProblem, match="damaged"):
        contents(str(file))
