"""What is checked offline: a credential and its bundle, a paper or picture that holds it, an export that holds many."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from proto.documents.baked_picture import credential_in, kind_of
from proto.problem import NotFoundProblem, Problem
from services.command.verify_archive import DOCUMENTS, UNREADABLE_ARCHIVE, bytes_in, files_of, unreadable_archive
from services.verifier.documents.pdf import PdfReader
from services.verifier.documents.reader import is_pdf

_BUNDLE = "bundles/{name}.bundle"
"""Where an export of ours holds what shows that `documents/{name}.json` is authentic."""


class UsageProblem(Problem):
    """The command was called in a way that it cannot follow."""

    slug = "usage"
    title = "The command is incomplete"


class OfflineFile(msgspec.Struct, frozen=True, kw_only=True):
    """A credential document and its bundle, None where there is none; `name` is that of the document's file."""

    name: str
    document: bytes
    bundle: bytes | None


def read_file(file: str) -> bytes:
    """Return what a file holds, `-` for standard input; raises `NotFoundProblem`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFoundProblem(f"{file} cannot be read: {error.strerror}") from error


async def file_with_bundle(file: str, bundle: str | None) -> tuple[bytes, bytes]:
    """Return the document that a file is or holds, and its bundle: the one that is named, else that of the same paper.

    Raises `UsageProblem` where neither is there, and as `PdfReader` and `credential_in`.
    """
    data, held = read_file(file), None
    if is_pdf(data):
        data, held = await PdfReader().with_bundle(data)
    elif kind_of(data) is not None:
        data = credential_in(data)
    proof = read_file(bundle) if bundle is not None else held
    if proof is None:
        raise UsageProblem(
            "Offline, name the bundle and a policy: credentify verify --offline FILE BUNDLE --policy FILE. A paper "
            "(PDF) that an institution made with its bundle, and a ZIP as a learner exports it, need no BUNDLE"
        )
    return data, proof


def exported(file: str) -> Iterator[OfflineFile]:
    """Yield each document of an export with its bundle; raises `NotFoundProblem` for none, else as `unpacked`."""
    try:
        with zipfile.ZipFile(file) as archive:
            found = {each.filename: each for each in files_of(archive)}
            documents = [each for name, each in found.items() if name.startswith(DOCUMENTS) and name.endswith(".json")]
            if not documents:
                raise NotFoundProblem(f"{file} holds no folder documents, as an export does: name one document of it")
            for each in documents:
                bundle = found.get(_BUNDLE.format(name=PurePosixPath(each.filename).stem))
                yield OfflineFile(
                    name=each.filename,
                    document=bytes_in(archive, each),
                    bundle=bytes_in(archive, bundle) if bundle else None,
                )
    except UNREADABLE_ARCHIVE as error:
        raise unreadable_archive(file) from error
