"""RDF forms that one question needs: those that are known, and those that are yet to be made. Makes none."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.problem import InvalidProblem
from services.crypto.data_integrity import ProofNotCheckedProblem
from services.crypto.rdf_canonical import CanonicalForm

NODES_MAX = 64
_ENCODE = msgspec.json.Encoder().encode


class FormPendingProblem(ProofNotCheckedProblem):
    """The form is not made yet: the question is asked once more when it is."""


class Forms:
    """The forms of one question, by the bytes of what they are forms of: each is made once, however many proofs ask.

    `of` is what `services.crypto.data_integrity.verify_proof` takes as `forms`.
    """

    def __init__(self) -> None:
        self._found: dict[bytes, CanonicalForm | InvalidProblem] = {}
        self._missing: dict[bytes, bytes] = {}

    def of(self, documents: Sequence[Mapping[str, Any]]) -> list[CanonicalForm]:
        """Return their forms, or raise why one has none; `FormPendingProblem` where one is yet to be made."""
        found = [self._of(document) for document in documents]
        for form in found:
            if isinstance(form, InvalidProblem):
                raise form
        forms = [form for form in found if isinstance(form, CanonicalForm)]
        if len(forms) < len(found):
            raise FormPendingProblem("What the document means was not worked out in time; ask again")
        return forms

    def _of(self, document: Mapping[str, Any]) -> CanonicalForm | InvalidProblem | None:
        data = _ENCODE(document)
        key = hashlib.sha256(data).digest()
        found = self._found.get(key)
        if found is None and len(self._missing) < NODES_MAX:
            self._missing[key] = data
        return found

    @property
    def missing(self) -> list[bytes]:
        """The JSON of everything whose form was asked for and is not known."""
        return list(self._missing.values())

    def learn(self, forms: Sequence[CanonicalForm | InvalidProblem]) -> None:
        """Take in what became of `missing`, in its order."""
        self._found |= dict(zip(self._missing, forms, strict=True))
        self._missing.clear()
