"""`credentify bundle`: fetches the offline bundle about a credential from a ledger. Checks its form, not its proofs."""

import sys
from pathlib import Path

import click

from proto.bundles.bundle import Bundle, decode_bundle
from proto.ids import CredentialId, parse_credential_id
from proto.number_words import number_of, number_of_entries
from proto.problem import ConflictProblem, InvalidProblem, NotFoundProblem
from services.clients.http_client import HttpClient
from services.clients.http_session import client_session
from services.command.output import as_json_option, command, console, print_json
from services.verifier.documents import reader
from services.verifier.documents.sent_document import SentDocument

DEFAULT_LEDGER = "http://127.0.0.1:8101"
_ID_LENGTH = 64


def credential_id_in(text: str) -> CredentialId:
    """Return `text` as a credential id, or the id of the document in the file of that name (- for standard input)."""
    if len(text) == _ID_LENGTH and not Path(text).exists():
        return parse_credential_id(text)
    try:
        data = sys.stdin.buffer.read() if text == "-" else Path(text).read_bytes()
    except OSError as error:
        raise NotFoundProblem(f"{text} is no credential id, and cannot be read: {error.strerror}") from error
    found = reader.read(SentDocument(data))
    if found.credential_id is None:
        raise InvalidProblem(f"{text} is no credential that could be on a log: {found.fault}")
    return found.credential_id


@click.command()
@click.argument("credential", metavar="CREDENTIAL_ID|DOCUMENT")
@click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address.")
@click.option("--out", metavar="FILE", default="-", help="Where to write the bundle; default: standard output.")
@click.option("--verifier", metavar="URL", help="With --statement: whose dated word is to be kept beside the bundle.")
@click.option("--statement", metavar="FILE", help="Where to write what the verifier states.")
@as_json_option
@command
async def bundle(
    *, credential: str, ledger: str, out: str, verifier: str | None, statement: str | None, as_json: bool
) -> None:
    """Fetch what shows offline that a credential is authentic, for `credentify verify --offline`."""
    credential_id = credential_id_in(credential)
    if (verifier is None) != (statement is None):
        raise InvalidProblem("A verifier's word is written to a file: give both --verifier and --statement")
    async with client_session() as session:
        data = await HttpClient(session, ledger).request_bytes("GET", f"/v1/bundles/{credential_id}")
        if verifier is not None and statement is not None:
            path = f"/v1/credentials/{credential_id}/statement"
            _write(statement, await HttpClient(session, verifier).request_bytes("GET", path))
    found = decode_bundle(data)
    if found.credential_id != credential_id:
        raise ConflictProblem(f"{ledger} answered with the bundle of another credential, {found.credential_id}")
    if out == "-":
        sys.stdout.buffer.write(data)
        return
    _write(out, data)
    _print_written(found, out, len(data), as_json=as_json)


def _write(file: str, data: bytes) -> None:
    try:
        Path(file).write_bytes(data)
    except OSError as error:
        raise InvalidProblem(f"{file} cannot be written: {error.strerror}") from error


def _print_written(found: Bundle, out: str, byte_count: int, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"credential_id": found.credential_id, "file": out, "entries": found.entry_count, "bytes": byte_count}
        )
        return
    console.print(
        f"bundle    {out}: {number_of_entries(found.entry_count)}, {number_of(byte_count, 'byte')}",
        markup=False,
    )
    console.print("          not verified yet: credentify verify --offline DOCUMENT BUNDLE --policy FILE", markup=False)
