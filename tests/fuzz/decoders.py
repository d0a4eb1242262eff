"""Every function that strangers' bytes reach first, by a name that is also the folder of its seeds.

Whatever the bytes are, each returns or raises a `Problem`; anything else is a finding.
"""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import msgspec

from proto import days, events
from proto import envelope as envelopes
from proto.base64_strict import decode_base64
from proto.bundles.bundle import decode_bundle
from proto.canonical import canonical_json, decode_json
from proto.documents.baked_picture import credential_in, kind_of
from proto.documents.credential import Achievement, Award
from proto.documents.duration import hours_of
from proto.documents.open_badge_claims import claims
from proto.documents.status_check import read_entries, read_status
from proto.documents.vc import check_credential
from proto.ids import Did, KeyId, owner_of, parse_credential_id
from proto.imports.elm import import_elm
from proto.imports.microhe import import_microhe
from proto.imports.open_badge import import_open_badge
from proto.keys import PublicKey, SecretKey, decode_public_key, public_key_of
from proto.log import entry as entries
from proto.log.checkpoint import parse_checkpoint
from proto.log.note import parse_note
from proto.log.note_key import parse_vkey
from proto.log.policy import parse_policy
from proto.log.receipt import parse_receipt
from proto.log.tile import decode_bundle as decode_entry_bundle
from proto.log.tile import parse_path
from proto.log.witness import parse_add_checkpoint
from proto.moment import Moment, normalise
from proto.plain_json import decode_plain
from proto.problem import InvalidProblem, Problem
from proto.tables.awards_csv import REQUIRED_COLUMNS, award_in, parse_awards
from proto.tables.cells import RowError, read_row
from proto.tables.changes_csv import ChangeRow, read_change
from proto.tables.reading import READ_AS_USUAL
from proto.tables.records import FileRecord
from services.crypto.data_integrity import proofs_of, verify_proof
from services.crypto.rdf_canonical import CanonicalForm, form_of
from services.crypto.rdf_forms import Forms
from services.edge import decode_json as decode_typed
from services.edge.cursor import decode_cursor
from services.edge.form import multipart, urlencoded
from services.issuer_gateway.batches.rows import rows_of
from services.verifier.documents import foreign_documents, reader
from services.verifier.documents.sent_document import SentDocument

NOW = Moment("2026-11-28T12:00:00.000Z")
_KEY = SecretKey(bytes(range(32))).public_key
_AWARD = msgspec.json.Decoder(Award)
_ACHIEVEMENT = msgspec.json.Decoder(Achievement)
_CHANGE = msgspec.json.Decoder(ChangeRow)
Decode = Callable[[bytes], Any]


def _text(parse: Callable[[str], Any]) -> Decode:
    """Return a decoder for a function that takes text, as an HTTP parameter or a JSON member brings it."""
    return lambda data: parse(data.decode("utf-8", "replace"))


def _each(*decoders: Decode) -> Decode:
    """Return a decoder that asks all of these, whatever the others refuse."""

    def decode(data: bytes) -> None:
        for each in decoders:
            with contextlib.suppress(Problem):
                each(data)

    return decode


def _document(data: bytes) -> None:
    """Read a document and judge it as one of an institution that nobody knows; forms are made as their process does."""
    document = reader.read(SentDocument(data))
    forms = Forms()
    for _ in range(2):
        if document.is_credential:
            foreign_documents.findings(document.content, at=NOW, now=NOW, forms=forms.of)
        forms.learn([_form(node) for node in forms.missing])


def _form(node: bytes) -> CanonicalForm | InvalidProblem:
    """Return what the process for it would, which takes anything for the document's own fault."""
    try:
        return form_of(msgspec.json.decode(node))
    except InvalidProblem as problem:
        return problem


def _sent_along(data: bytes) -> None:
    sent = SentDocument(data)
    if (found := reader.with_status_lists(sent)) is not None:
        document = reader.read(found.document)
        foreign_documents.findings(document.content, at=NOW, now=NOW, status_lists=found.status_lists, forms=Forms().of)
    for item in reader.split(sent, documents_max=100) or ():
        reader.read(item)


def _object(data: bytes) -> Mapping[str, Any]:
    content = decode_json(data)
    return content if isinstance(content, Mapping) else {}


def _proof(data: bytes) -> None:
    document = _object(data)
    for proof in proofs_of(document):
        verify_proof(document, proof, _KEY, now=NOW)


def _status(data: bytes) -> None:
    document = _object(data)
    check_credential(document)
    for entry in read_entries(document):
        read_status(entry, document, issuer=Did("did:key:x"), now=NOW)


def _json(data: bytes) -> None:
    plain = decode_plain(data)
    if plain is not None:
        assert plain[1] == canonical_json(plain[0])
    canonical_json(decode_json(data))


def _rows(data: bytes) -> None:
    for media in ("application/x-ndjson", "application/json"):
        with contextlib.suppress(Problem):
            rows_of(data, media)


def _records(data: bytes) -> None:
    header, _, rest = data.partition(b"\n")
    names = header.decode("utf-8", "replace").split(",")
    for number, line in enumerate(rest.split(b"\n"), start=2):
        record = FileRecord(number, line)
        read_change(names, record)
        with contextlib.suppress(RowError):  # not by `read_award`, which takes anything for the row's own fault
            award_in(read_row(names, record, required=REQUIRED_COLUMNS), READ_AS_USUAL)


DECODERS: Mapping[str, Decode] = {
    "bundles": decode_bundle,
    "csv": _each(parse_awards, _records, _rows),
    "dids": _each(
        _text(lambda text: public_key_of(Did(text))),
        _text(lambda text: decode_public_key(PublicKey(text))),
        _text(lambda text: owner_of(KeyId(text))),
        _text(parse_credential_id),
    ),
    "documents": _each(_document, lambda data: claims(_object(data)), lambda data: check_credential(_object(data))),
    "entries": _each(entries.decode, lambda data: decode_entry_bundle(data, 3)),
    "envelopes": _each(lambda data: envelopes.open_envelope(envelopes.decode(data)), events.decode),
    "forms": _each(urlencoded, lambda data: multipart(data, b"x")),
    "imports": _each(
        lambda data: import_open_badge(decode_json(data)),
        lambda data: import_elm(decode_json(data)),
        lambda data: import_microhe(decode_json(data)),
    ),
    "json": _json,
    "keys": _each(_text(parse_vkey), parse_policy, _text(parse_path)),
    "ndjson": _each(
        _rows,
        lambda data: decode_typed(data, _AWARD, unique_keys=True),
        lambda data: decode_typed(data, _ACHIEVEMENT, unique_keys=True),
        lambda data: decode_typed(data, _CHANGE, unique_keys=True),
    ),
    "notes": _each(parse_note, parse_add_checkpoint, _text(parse_checkpoint)),
    "pictures": lambda data: credential_in(data) if kind_of(data) else None,
    "proofs": _proof,
    "rdf": lambda data: form_of(_object(data)),
    "receipts": parse_receipt,
    "sent_along": _sent_along,
    "status_lists": _status,
    "times": _each(
        _text(normalise),
        _text(lambda text: days.begin(text, UTC)),
        _text(lambda text: days.end(text, UTC)),
        _text(hours_of),
        _text(decode_base64),
        _text(lambda text: decode_cursor(text, "credentials", str)),
    ),
}
