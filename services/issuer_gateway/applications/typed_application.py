"""From what a form was filled in with to an application, and to every field in which something is wrong. Pure."""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proto.base64_strict import decode_base64
from proto.documents.wording import check_address, check_texts
from proto.problem import InvalidProblem, MalformedProblem
from proto.wire.applications import EVIDENCE_MAX, FILE_CHARACTERS_MAX, ApplicationBody
from services.issuer_gateway.applications.evidence import may_hold_a_credential
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.pages.application_pages import TYPED_FIELDS, FormFault

FILE_BYTES_MAX = FILE_CHARACTERS_MAX // 4 * 3
KEPT_CHARACTERS_MAX = 1_048_576
"""So much of files, in base64, goes back with a form in which something is wrong; larger ones are chosen again."""
_OF_DOSSIER = ("dossier_title", "dossier_description", "dossier_url")


class TypedApplication(msgspec.Struct, frozen=True, kw_only=True):
    """What came from the form: its texts, and its files, with those that were sent before and are kept in the page."""

    texts: Mapping[str, str]
    files: Sequence[bytes]

    @property
    def kept(self) -> Sequence[str]:
        """Return the files in base64, to go back with the page: those that can be sent, so that no other is in the way.

        None where they are too large for that.
        """
        found = [base64.b64encode(each).decode() for each in self._right_files]
        return found if sum(map(len, found)) <= KEPT_CHARACTERS_MAX else ()

    @property
    def must_choose_again(self) -> bool:
        """Tell whether files that can be sent are too large to go back with the page."""
        return bool(self._right_files) and not self.kept

    @property
    def _right_files(self) -> Sequence[bytes]:
        right = [each for each in self.files if len(each) <= FILE_BYTES_MAX and may_hold_a_credential(each)]
        return right[:EVIDENCE_MAX]


def typed_application(texts: Mapping[str, str], files: Sequence[bytes], kept: Sequence[bytes]) -> TypedApplication:
    """Return what a form was filled in with; a field for files that nobody chose sends an empty one.

    The same file twice, chosen again beside one that was kept, is one.
    """
    return TypedApplication(
        texts={name: texts.get(name, "").strip().replace("\r\n", "\n") for name in TYPED_FIELDS},
        files=[*dict.fromkeys([*filter(None, map(_unpacked, kept)), *filter(None, files)])],
    )


def _unpacked(kept: bytes) -> bytes:
    try:
        return decode_base64(kept.decode())
    except (MalformedProblem, binascii.Error, UnicodeDecodeError):
        return b""  # no page of ours says that


def faults_in(tenant: Tenant, typed: TypedApplication) -> list[FormFault]:
    """Return everything that is wrong, in the order of the form's fields; nothing where it can be sent."""
    faults = [*_text_faults(tenant, typed.texts), *_file_faults(typed)]
    if faults and typed.must_choose_again:
        faults.append(FormFault(field="files", what="files-kept"))
    return faults


def body_of(tenant: Tenant, typed: TypedApplication) -> ApplicationBody:
    """Return the application; raises `msgspec.ValidationError` for what `faults_in` finds too."""
    texts = typed.texts
    evidence: list[dict[str, Any]] = [{"file": base64.b64encode(each).decode()} for each in typed.files]
    if any(texts[name] for name in _OF_DOSSIER):
        dossier = {name.removeprefix("dossier_"): texts[name] for name in _OF_DOSSIER if texts[name]}
        evidence.append({"dossier": dossier})
    values: dict[str, Any] = {name: texts[name] for name in ("email", "statement") if texts[name]}
    values |= {name: texts[name] for name in ("programme", "given_name", "family_name")}
    values |= {"institution": tenant.slug, "publish": bool(texts["publish"]), "evidence": evidence}
    return msgspec.convert(values, ApplicationBody)


def _text_faults(tenant: Tenant, texts: Mapping[str, str]) -> Iterator[FormFault]:
    if texts["programme"] not in {each.uri for each in tenant.programmes or ()}:
        yield FormFault(field="programme", what="programme")
    is_dossier = any(texts[name] for name in _OF_DOSSIER)
    for name in ("given_name", "family_name", "email", "statement", *(_OF_DOSSIER if is_dossier else ())):
        if not _is_right(tenant, name, texts[name]):
            yield FormFault(field=name, what=name)


def _is_right(tenant: Tenant, name: str, text: str) -> bool:
    """Tell whether a field may say that, by the same types and rules as a body of the API."""
    if not text:
        return name in {"email", "statement", "dossier_url"}
    said: dict[str, Any] = {"given_name": "A", "family_name": "B", "programme": tenant.own_prefix}
    dossier = {"title": "T", "description": "D"}
    (dossier if name in _OF_DOSSIER else said)[name.removeprefix("dossier_")] = text
    try:
        msgspec.convert({**said, "institution": tenant.slug, "evidence": [{"dossier": dossier}]}, ApplicationBody)
        check_texts([(f"/{name}", text)])
        check_address(text if name == "email" else None, "/email")
    except (msgspec.ValidationError, InvalidProblem):
        return False
    return True


def _file_faults(typed: TypedApplication) -> Iterator[FormFault]:
    has_dossier = any(typed.texts[name] for name in _OF_DOSSIER)
    if not typed.files and not has_dossier:
        yield FormFault(field="files", what="files")
    if len(typed.files) + has_dossier > EVIDENCE_MAX:
        yield FormFault(field="files", what="files-many", values={"count": EVIDENCE_MAX})
    for number, content in enumerate(typed.files, 1):
        if len(content) > FILE_BYTES_MAX:
            yield FormFault(field="files", what="files-large", values={"number": number})
        elif not may_hold_a_credential(content):
            yield FormFault(field="files", what="files-kind", values={"number": number})
