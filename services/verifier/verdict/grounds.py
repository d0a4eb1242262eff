"""Everything that a verdict rests on, gathered by others. Pure; judges nothing."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from proto.documents.open_badge_claims import DocumentClaims
from proto.ids import Did, Origin
from proto.lifecycle import Book, Credential, Life, Recognition, Stamp, Statement, UnloadedStateError, is_known, life_of
from proto.moment import Moment
from proto.wire.content import Texts
from services.follow.interface import Health, Position
from services.verifier.verdict.findings import CheckFinding
from services.verifier.verdict.quality import NO_COPY, QualityCopy

PartTitles = Mapping[tuple[Did, str], Texts]
"""What achievements are called, by language: by the institution that awards them and their address."""
NO_TITLES: PartTitles = MappingProxyType({})


class ForeignFindings(msgspec.Struct, frozen=True, kw_only=True):
    """What a document shows by itself whose institution is not on the register: proof, dates, status."""

    proof: CheckFinding
    period: CheckFinding
    status: CheckFinding


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a document: its claims, or why it has none (`fault`), and what its own proof is worth.

    `foreign` is there where the institution that it names is not on the register, and then stands for what the log
    would say; a verdict is never `valid` by it, since no entry is there.
    """

    claims: DocumentClaims | None
    fault: str = ""
    proof: CheckFinding
    foreign: ForeignFindings | None = None
    other: str | None = None
    """The code of what it is, where it is nothing that is judged here."""


class Grounds(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a verdict rests on.

    `book` holds the credential with all that its state needs; `is_included` is None where the proof could not be made;
    `health` was read before the book, so that the book is never older than it says.
    """

    book: Book
    credential: Credential | None
    recognitions: Sequence[Recognition]
    statements: Sequence[Statement] = ()
    is_included: bool | None
    document: Document | None
    health: Health
    position: Position
    origin: Origin
    now: Moment
    at: Moment
    known_at: Moment | None
    quality: QualityCopy = NO_COPY
    """What a copy of a quality register says; no check rests on it."""
    titles: PartTitles = NO_TITLES
    """What catalogues call the parts of a stack; no check rests on it."""

    def index_of(self, stamp: Stamp) -> int:
        """Return the index of an entry on this log; negative for what it inherited from the log that it continues."""
        return stamp.index - (self.book.log.first_stamp if self.book.log else 0)

    @property
    def life(self) -> Life | None:
        """The issue that is asked about, as far as it was known; None also where the records are incomplete."""
        if self.credential is None or not self._is_complete:
            return None
        return life_of(self.book, self.credential, known_at=self.known_at)

    @property
    def is_issued(self) -> bool:
        """Whether the log had an issue of the credential by the asked moment of knowledge."""
        return self.credential is not None and any(
            is_known(life.stamp, self.known_at) for life in self.credential.lives
        )

    @property
    def foreign(self) -> ForeignFindings | None:
        """What the document shows by itself, where the log knows neither it nor its institution."""
        return self.document.foreign if self.document and self.credential is None else None

    def written_days(self, life: Life) -> tuple[str | None, str | None]:
        """Return the first and the last day of validity as the document writes them, where it agrees with the log."""
        claims = self.document.claims if self.document else None
        if claims is None or (claims.valid_from, claims.valid_until) != (life.valid_from, life.valid_until):
            return None, None
        return claims.valid_from_day, claims.valid_until_day

    @property
    def _is_complete(self) -> bool:
        """Whether the records hold the institution, and every key that said something about the credential."""
        book, credential = self.book, self.credential
        if credential is None or book.log is None:
            return False
        stamps = [stamp for life in credential.lives for stamp in (life.stamp, *(c.stamp for c in life.changes))]
        try:
            registrar = book.issuer(book.log.registrar)
            return registrar is not None and all(book.key(stamp.key_id) is not None for stamp in stamps)
        except UnloadedStateError:
            return False
