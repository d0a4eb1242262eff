"""Answers of which everything but the moment was made before: encoded once, finished for each request. Pure.

What an answer says of a credential stays the same from one position of the log to the next and from one boundary of
time to the next (a beginning or an end of validity, a transition that takes effect). Only the question's moment, the
age of the records and the verdict that follows from it are new in each answer.
"""

import hashlib
from collections.abc import Iterable

import msgspec

from proto.ids import CredentialId, Did, Origin
from proto.moment import Moment
from proto.wire.verifier import Answer, AsOf, Check, Question, Verdict
from services.follow.interface import Health, Position
from services.verifier.verdict.verdict import Grounds, as_of, check, freshness, verdict

DOCUMENTS_MAX = 8
"""Forms of one document (with one proof or another, or none) that are remembered to match; more are checked anew."""
_ENCODE = msgspec.json.Encoder().encode
_NO_DOCUMENT = _ENCODE(check("document", "not_applicable", "no-document"))
_NO_PROOF = _ENCODE(check("proof", "not_applicable", "no-document"))
_FRESH = check("freshness", "valid", "fresh-log", age="")
_MATCHES = _ENCODE(check("document", "valid", "document-matches"))
_ABSTRACT_CHECKS = 2  # document and proof come first, then what is encoded before, then freshness


class Instant(msgspec.Struct, frozen=True, kw_only=True):
    """What is new in each answer: the moment of asking, and how old the records of `position` were then."""

    at: Moment
    position: Position
    health: Health
    freshness: Check
    middle: bytes
    """The encoded answer from the check `freshness` to `as_of`."""

    @property
    def is_fresh(self) -> bool:
        """Whether anything can be decided at all."""
        return self.freshness.result == "valid"


class EncodedAnswer:
    """What is on record of one credential, encoded; `documents` are the forms of its document that were seen to match.

    True for every moment from `begins_at` to before `ends_at` (None: for ever), at the position it was made from and
    at each later one that changed none of `credential_ids`, no recognition of it and none of `issuers`.
    """

    __slots__ = (
        "begins_at",
        "credential_ids",
        "document_parts",
        "documents",
        "ends_at",
        "findings",
        "issuers",
        "tag",
        "tail",
        "verdict",
    )

    def __init__(self, answer: Answer, grounds: Grounds) -> None:
        book, at = grounds.book, grounds.at
        boundaries = sorted(_boundaries(grounds))
        self.begins_at = max((moment for moment in boundaries if moment <= at), default="")
        self.ends_at = min((moment for moment in boundaries if moment > at), default=None)
        self.credential_ids: tuple[CredentialId, ...] = tuple(book.credentials)
        self.issuers: tuple[Did, ...] = tuple(book.issuers)
        self.verdict = _by_itself(answer)
        self.findings = _findings(answer)
        self.tail = _tail(answer)
        self.document_parts = self.findings, self.tail
        hashed = hashlib.sha256(self.findings + self.tail).hexdigest()
        self.tag = f'W/"{{}}-{hashed[:32]}"'
        self.documents: dict[bytes, Check] = {}

    def holds_at(self, at: Moment) -> bool:
        """Tell whether this is what an answer says for that moment."""
        return self.begins_at <= at and (self.ends_at is None or at < self.ends_at)

    def matched(self, form: bytes, answer: Answer) -> None:
        """Remember that the document in this form agrees with the record, and what was answered about it.

        Beside its proof that is what it says itself, in all of its forms: the days of validity as they were written.
        """
        parts = _findings(answer), _tail(answer)
        if parts != self.document_parts:
            self.document_parts = parts
        if len(self.documents) < DOCUMENTS_MAX:
            self.documents[form] = answer.checks[1]

    def status(self, instant: Instant) -> tuple[Verdict, bytes]:
        """Return the answer where only the credential's id was given."""
        found = self.verdict if instant.is_fresh else "indeterminate"
        return found, _answer(found, _NO_DOCUMENT, _NO_PROOF, instant, (self.findings, self.tail))

    def document(self, proof: Check, instant: Instant) -> tuple[Verdict, bytes]:
        """Return the answer for a document that matches, by what its proof is worth."""
        found = self.verdict
        if proof.result == "invalid":
            found = "invalid"
        elif proof.result == "unknown" and found == "valid":
            found = "indeterminate"
        if not instant.is_fresh:
            found = "indeterminate"
        return found, _answer(found, _MATCHES, _ENCODE(proof), instant, self.document_parts)

    def etag(self, found: Verdict) -> str:
        """Return the weak ETag of the answer for the id: verdict and record, not their age (RFC 9110 section 8.8.1)."""
        return self.tag.format(found)


def _answer(found: Verdict, document: bytes, proof: bytes, instant: Instant, parts: tuple[bytes, bytes]) -> bytes:
    findings, tail = parts
    checks = b",".join((document, proof, findings))
    return b"".join((b'{"verdict":"', found.encode(), b'","checks":[', checks, instant.middle, tail))


def _findings(answer: Answer) -> bytes:
    return _ENCODE(answer.checks[_ABSTRACT_CHECKS:-1])[1:-1] + b","


def instant_of(origin: Origin, position: Position, health: Health, at: Moment) -> Instant:
    """Return what every answer at this moment says of itself; the health was read at that moment or before."""
    found = freshness(health)
    return Instant(
        at=at,
        position=position,
        health=health,
        freshness=found,
        middle=_middle(found, Question(at=at), as_of(origin, position, health)),
    )


def _middle(found: Check, question: Question, known: AsOf) -> bytes:
    return b"".join((_ENCODE(found), b'],"question":', _ENCODE(question), b',"as_of":', _ENCODE(known)))


def _tail(answer: Answer) -> bytes:
    """Return the encoded answer after `as_of`; what is looked for holds bare quotes, so no text can fake it."""
    middle = _middle(answer.checks[-1], answer.question, answer.as_of)
    _, found, tail = _ENCODE(answer).partition(middle)
    assert found, "the fields of an answer are encoded in their order"
    return tail


def _by_itself(answer: Answer) -> Verdict:
    """Return the verdict on the credential alone, were the records fresh."""
    return verdict((*answer.checks[_ABSTRACT_CHECKS:-1], _FRESH))


def _boundaries(grounds: Grounds) -> Iterable[Moment]:
    """Yield every moment at which the state of the credential or of a part may change by itself."""
    for credential in grounds.book.credentials.values():
        for life in credential.lives if credential else ():
            yield life.valid_from
            if life.valid_until is not None:
                yield life.valid_until
            yield from (change.effective_at for change in life.changes)
