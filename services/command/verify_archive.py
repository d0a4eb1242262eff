"""`credentify verify FILE.zip`: what a learner exported, unpacked into a folder that goes again."""

import contextlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from proto.problem import InvalidProblem, NotFoundProblem
from services.command.verify_folder import PDF_BYTES_MAX

_ZIP_MARK = b"PK\x03\x04"
UNREADABLE_ARCHIVE = (OSError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What the library raises for damage; for encryption and unknown ways of packing it is a `RuntimeError`."""
FILES_MAX = 10_000
BYTES_MAX = 1024**3
"""Of all files of an archive together, unpacked."""
_NAME_BYTES_MAX = 200
"""Of a file's name, from its end: file systems take 255."""
DOCUMENTS = "documents/"
"""Where an export of ours holds what is to be checked; the rest of it explains, proves or repeats that."""


def is_archive(file: str) -> bool:
    """Tell whether `file` is a ZIP, by its first bytes, whatever it is called."""
    try:
        with Path(file).open("rb") as stream:
            return stream.read(len(_ZIP_MARK)) == _ZIP_MARK
    except OSError:
        return False


@contextlib.contextmanager
def unpacked(file: str) -> Iterator[Path]:
    """Unpack the documents of an archive into a folder of their own, and remove it in the end.

    Where it has a folder `documents`, as an export has, only that; otherwise all. Raises `NotFoundProblem` where it
    cannot be read or is encrypted, and `InvalidProblem` where it holds too much.
    """
    with tempfile.TemporaryDirectory(prefix="credentify-verify-") as folder:
        try:
            with zipfile.ZipFile(file) as archive:
                _unpack(archive, Path(folder))
        except UNREADABLE_ARCHIVE as error:
            raise unreadable_archive(file) from error
        yield Path(folder)


def unreadable_archive(file: str) -> NotFoundProblem:
    """Return what is said of an archive that cannot be unpacked."""
    return NotFoundProblem(
        f"{file} cannot be unpacked: it is damaged, encrypted or packed in an unusual way. Unpack it yourself, and "
        "name the folder"
    )


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    files = [each for each in archive.infolist() if not each.is_dir()]
    for number, each in enumerate(_bounded([item for item in files if item.filename.startswith(DOCUMENTS)] or files)):
        _place(folder, each.filename, number).write_bytes(bytes_in(archive, each))


def files_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Return the files of an archive; raises `InvalidProblem` for too many, or too large ones."""
    return _bounded([each for each in archive.infolist() if not each.is_dir()])


def bytes_in(archive: zipfile.ZipFile, file: zipfile.ZipInfo) -> bytes:
    """Return what a file of an archive holds, up to a bound that no document passes."""
    with archive.open(file) as packed:  # as many bytes as it says it has: more is a damaged archive
        return packed.read(min(file.file_size, PDF_BYTES_MAX + 1))


def _bounded(files: list[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    if len(files) > FILES_MAX or sum(each.file_size for each in files) > BYTES_MAX:
        raise InvalidProblem(
            f"An archive holds at most {FILES_MAX} documents and {BYTES_MAX // 1024**2} MiB unpacked: send it in parts"
        )
    return files


def _place(folder: Path, name: str, number: int) -> Path:
    """Return where a file of an archive goes: its name is a stranger's, no folder in it is followed, none is lost."""
    kept = Path(name).name.encode(errors="replace")[-_NAME_BYTES_MAX:].decode(errors="ignore")
    while (target := folder / kept).exists():  # it came twice, or names no file (`..`)
        kept = f"{number}-{kept}"
    return target
