"""Answers of which everything but the moment was made before: encoded once, finished for each request. Pure.

What an answer says of a credential stays the same from one position of the log to the next and from one boundary of
time to the next (a beginning or an end of validity, a transition that takes effect). Only the question's moment, the
age of the records and the verdict that follows from it are new in each answer. The sentences of a language are encoded
when they are first asked for in it.
"""

import hashlib
from collections.abc import Iterable
from functools import cache

import msgspec

from proto.ids import CredentialId, Did, Origin
from proto.lifecycle import StandingDecision, StatementGroup, endorsements_of
from proto.moment import Moment, from_ms, to_ms
from proto.wire.verifier import Answer, AsOf, CheckName, Question, Result, Verdict
from services.follow.interface import Health, Position
from services.verifier.languages import ENGLISH, LANGUAGES, Language
from services.verifier.verdict.findings import CheckFinding, Judgement, finding
from services.verifier.verdict.grounds import Grounds
from services.verifier.verdict.verdict import as_of, freshness, verdict

TITLES_SECONDS_MAX = 60
"""Titles of a stack's parts are looked up again after this time: catalogues are read beside the log."""
DOCUMENTS_MAX = 8
"""Forms of one document (with one proof or another, or none) that are remembered to match; more are checked anew."""
_ENCODE = msgspec.json.Encoder().encode
_NO_DOCUMENT = finding("document", "not_applicable", "no-document")
_NO_PROOF = finding("proof", "not_applicable", "no-document")
_FRESH = finding("freshness", "valid", "fresh-log", age=0.0)
_MATCHES = finding("document", "valid", "document-matches")
_ABSTRACT_CHECKS = 2  # document and proof come first, then what is encoded before, then freshness


class Instant:
    """What is new in each answer: the moment of asking, and how old the records of `position` were then."""

    __slots__ = ("_freshness", "_known", "_middles", "at", "health", "is_fresh", "position")

    def __init__(self, origin: Origin, position: Position, health: Health, at: Moment) -> None:
        """Take the health as it was read at that moment or before."""
        self.at = at
        self.position = position
        self.health = health
        self._freshness = freshness(health)
        self.is_fresh = self._freshness.result == "valid"
        """Whether anything can be decided at all."""
        self._known: AsOf = as_of(origin, position, health)
        self._middles: dict[str, bytes] = {}

    def middle(self, language: Language) -> bytes:
        """Return the encoded answer from the check `freshness` to `as_of`."""
        found = self._middles.get(language.code)
        if found is None:
            fresh, question = _ENCODE(language.check(self._freshness)), _ENCODE(Question(at=self.at))
            parts = (fresh, b'],"question":', question, b',"as_of":', _ENCODE(self._known))
            found = self._middles[language.code] = b"".join(parts)
        return found


class EncodedRecord:
    """What an answer says but for its verdict, its first two checks and its moment; the checks in each language."""

    __slots__ = ("_findings", "checks", "tail")

    def __init__(self, judgement: Judgement) -> None:
        self.checks = judgement.checks[_ABSTRACT_CHECKS:-1]
        self.tail = _tail(judgement)
        """The encoded answer after `as_of`."""
        self._findings: dict[str, bytes] = {}

    def findings(self, language: Language) -> bytes:
        """Return the encoded checks, each with a comma after it."""
        found = self._findings.get(language.code)
        if found is None:
            found = _ENCODE([language.check(item) for item in self.checks])[1:-1] + b","
            self._findings[language.code] = found
        return found


class EncodedAnswer:
    """What is on record of one credential, encoded; `documents` are the forms of its document that were seen to match.

    True for every moment from `begins_at` to before `ends_at` (None: for ever), at the position it was made from and
    at each later one that changed none of `credential_ids`, no recognition of it, none of `issuers`, no
    endorsement of it and nothing of `said_elsewhere`.
    """

    __slots__ = (
        "begins_at",
        "credential_ids",
        "document_record",
        "documents",
        "ends_at",
        "issuers",
        "record",
        "said_elsewhere",
        "tag",
        "verdict",
    )

    def __init__(self, judgement: Judgement, grounds: Grounds) -> None:
        book, at = grounds.book, grounds.at
        boundaries = sorted(_boundaries(grounds))
        self.begins_at = max((moment for moment in boundaries if moment <= at), default="")
        self.ends_at = min((moment for moment in boundaries if moment > at), default=None)
        self.credential_ids: tuple[CredentialId, ...] = tuple(book.credentials)
        self.issuers: tuple[Did, ...] = tuple(book.issuers)
        self.said_elsewhere: tuple[str, ...] = tuple({*book.groups, *book.statements} - set(_own_groups(grounds)))
        """Names of groups and statements that it rests on, but for the group of the credential's own endorsements."""
        self.record = self.document_record = EncodedRecord(judgement)
        self.verdict = verdict((*self.record.checks, _FRESH))
        """The verdict on the credential alone, were the records fresh."""
        hashed = hashlib.sha256(self.record.findings(ENGLISH) + self.record.tail).hexdigest()
        self.tag = f'W/"{{}}-{hashed[:32]}"'
        self.documents: dict[bytes, CheckFinding] = {}

    def holds_at(self, at: Moment) -> bool:
        """Tell whether this is what an answer says for that moment."""
        return self.begins_at <= at and (self.ends_at is None or at < self.ends_at)

    def matched(self, form: bytes, judgement: Judgement) -> None:
        """Remember that the document in this form agrees with the record, and what was found of it.

        Beside its proof that is what it says itself, in all of its forms: the days of validity as they were written.
        """
        found = EncodedRecord(judgement)
        if (found.checks, found.tail) != (self.document_record.checks, self.document_record.tail):
            self.document_record = found
        if len(self.documents) < DOCUMENTS_MAX:
            self.documents[form] = judgement.checks[1]

    def status(self, instant: Instant, language: Language) -> tuple[Verdict, bytes]:
        """Return the answer where only the credential's id was given; the records are fresh at that instant."""
        found = self.verdict
        return found, _answer(found, (_NO_DOCUMENT, _NO_PROOF), instant, self.record, language)

    def document(self, proof: CheckFinding, instant: Instant, language: Language) -> tuple[Verdict, bytes]:
        """Return the answer for a document that matches, by what its proof is worth; the records are fresh."""
        found = self.verdict
        if proof.result == "invalid":
            found = "invalid"
        elif proof.result == "unknown" and found == "valid":
            found = "indeterminate"
        return found, _answer(found, (_MATCHES, proof), instant, self.document_record, language)

    def etag(self, found: Verdict) -> str:
        """Return the weak ETag of the answer for the id: verdict and record, not their age (RFC 9110 section 8.8.1)."""
        return self.tag.format(found)


def _answer(
    found: Verdict,
    first: tuple[CheckFinding, CheckFinding],
    instant: Instant,
    record: EncodedRecord,
    language: Language,
) -> bytes:
    document, proof = (_encoded(item, language) for item in first)
    checks = b",".join((document, proof, record.findings(language)))
    return b"".join((b'{"verdict":"', found.encode(), b'","checks":[', checks, instant.middle(language), record.tail))


def _encoded(found: CheckFinding, language: Language) -> bytes:
    """Return the encoded check; one without values is the same each time."""
    if found.values:
        return _ENCODE(language.check(found))
    return _encoded_plain(language.code, found.check, found.result, found.code)


@cache
def _encoded_plain(language: str, name: CheckName, result: Result, code: str) -> bytes:
    return _ENCODE(LANGUAGES[language].check(finding(name, result, code)))


def _tail(judgement: Judgement) -> bytes:
    """Return the encoded answer after `as_of`, which is the last that every answer has."""
    head = Answer(verdict=judgement.verdict, checks=(), question=judgement.question, as_of=judgement.as_of)
    whole = msgspec.structs.replace(
        head,
        credential=judgement.credential,
        status=judgement.status,
        issuer=judgement.issuer,
        stack=judgement.stack,
        recognitions=judgement.recognitions,
        endorsements=judgement.endorsements,
        standing_decisions=judgement.standing_decisions,
    )
    begun, encoded = _ENCODE(head)[:-1], _ENCODE(whole)
    assert encoded.startswith(begun), "the fields of an answer are encoded in their order"
    return encoded[len(begun) :]


def _own_groups(grounds: Grounds) -> tuple[StatementGroup, ...]:
    return (endorsements_of(grounds.credential.credential_id),) if grounds.credential else ()


def _boundaries(grounds: Grounds) -> Iterable[Moment]:
    """Yield every moment at which the state of credential or part, or a decision on it, may change by itself."""
    for credential in grounds.book.credentials.values():
        for life in credential.lives if credential else ():
            yield life.valid_from
            if life.valid_until is not None:
                yield life.valid_until
            yield from (change.effective_at for change in life.changes)
    if grounds.quality.ends_at is not None:
        yield grounds.quality.ends_at
    if grounds.credential is not None and any(life.components for life in grounds.credential.lives):
        yield from_ms(to_ms(grounds.at) + TITLES_SECONDS_MAX * 1_000)
    for statement in grounds.statements:
        if isinstance(statement, StandingDecision):
            yield statement.valid_from
            yield statement.valid_until
