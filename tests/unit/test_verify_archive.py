"""`credentify verify` unpacks an archive: what is a stranger's in it does no harm."""

import zipfile
from pathlib import Path

import pytest

from proto.problem import InvalidProblem
from services.command import verify_archive
from services.command.verify_archive import is_archive, unpacked


def packed(file: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return str(file)


def test_of_an_export_its_documents_alone_are_unpacked(tmp_path: Path) -> None:
    file = packed(tmp_path / "a", {"documents/a.json": b"{}", "record.json": b"1", "pdf/a.pdf": b"%PDF"})
    with unpacked(file) as folder:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"a.json": b"{}"}
    assert not folder.exists()


def test_names_lead_nowhere_else_and_none_is_lost_where_two_are_the_same(tmp_path: Path) -> None:
    with unpacked(
        packed(tmp_path / "a", {"../../x.json": b"1", "/x.json": b"2", "b/": b"", "b/x.json": b"3"})
    ) as folder:
        assert sorted(path.read_bytes() for path in folder.iterdir()) == [b"1", b"2", b"3"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed(tmp_path / "a", {"a.json": b"0" * 2_000_000})
    monkeypatch.setattr(verify_archive, "BYTES_MAX", 1_000_000)
    with pytest.raises(InvalidProblem, match="in parts"), unpacked(file):
        pass


def test_a_pdf_and_a_missing_file_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"%PDF-1.7 PK")
    assert not is_archive(str(tmp_path / "a.zip"))
    assert not is_archive(str(tmp_path / "b.zip"))
