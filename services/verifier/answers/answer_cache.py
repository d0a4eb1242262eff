"""Encoded answers and decoded institutions in memory, all of one position of the log. Knows no SQL and no HTTP.

Nothing here outlives its position: `on_applied` moves everything on to the next one together, after dropping what the
applied entries changed, and whoever puts something in names the position it was read from. Who writes the records
calls it (`projection.listener`). Belongs to one event loop.
"""

from collections import OrderedDict, defaultdict
from typing import TypeVar

from proto.ids import CredentialId
from proto.lifecycle import Book, Endorsement, Statement
from proto.moment import Moment
from services.follow import Position
from services.verifier.answers.encoded_answer import EncodedAnswer

ISSUERS_MAX = 2_048
_Name = TypeVar("_Name")


class AnswerCache:
    """Keeps at most `answers_max` encoded answers, the least recently asked for going first."""

    def __init__(self, *, answers_max: int) -> None:
        self.position: Position | None = None
        """Where everything here is from; None: not known, and nothing is kept."""
        self._register = Book()
        self._answers: OrderedDict[CredentialId, EncodedAnswer] = OrderedDict()
        self._answers_max = answers_max
        self._resting_on: defaultdict[CredentialId, set[CredentialId]] = defaultdict(set)
        self._resting_on_said: defaultdict[str, set[CredentialId]] = defaultdict(set)
        """By the names of statements and groups; what is said of the credential itself is not here."""

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, credential_id: CredentialId, at: Moment) -> EncodedAnswer | None:
        """Return what was encoded of a credential, if it is true for that moment."""
        found = self._answers.get(credential_id)
        if found is None or not found.holds_at(at):
            return None
        self._answers.move_to_end(credential_id)
        return found

    def put(self, credential_id: CredentialId, encoded: EncodedAnswer, position: Position) -> bool:
        """Keep what was encoded from the records of a position; False where that is not the one kept here."""
        if not self.is_at(position):
            return False
        self._drop(credential_id)
        self._answers[credential_id] = encoded
        for part in encoded.credential_ids:
            if part != credential_id:
                self._resting_on[part].add(credential_id)
        for name in encoded.said_elsewhere:
            self._resting_on_said[name].add(credential_id)
        if len(self._answers) > self._answers_max:
            self._drop(next(iter(self._answers)))
        return True

    def book(self) -> Book:
        """Return a book with what is known of the register; what is loaded into it of that is known to the next one.

        Only for reading, on the event loop, from the records of this position.
        """
        if len(self._register.issuers) > ISSUERS_MAX:
            self._register = Book()
        return Book.of_the_next_batch(self._register)

    def learn(self, book: Book) -> None:
        """Know the log's state from a book that `book` returned."""
        if book.issuers is self._register.issuers:
            self._register.log = book.log

    def is_at(self, position: Position) -> bool:
        """Tell whether records of that position are the ones kept here: same tree, so the same states."""
        own = self.position
        return own is not None and own.size == position.size and own.root_hash == position.root_hash

    def on_applied(self, book: Book, position: Position) -> None:
        """Move on to the position that the changes of `book` led to, dropping whatever they may have changed."""
        if book.is_log_changed or book.changed_issuers:  # rare: the register, keys, rules
            self.on_replaced(None)
        is_empty = not (self._answers or self._resting_on)  # as it is while much is caught up with
        for credential_id in () if is_empty else book.changed_credentials:
            self._drop(credential_id)
            for stack in tuple(self._resting_on.get(credential_id, ())):
                self._drop(stack)
        for event_id in book.changed_recognitions:
            recognition = book.recognitions[event_id]
            if recognition is not None:
                self._drop(recognition.credential_id)
        for event_id in book.changed_statements:
            self._drop_what_rests_on(book.statements[event_id])
        self.position = position

    def on_replaced(self, position: Position | None) -> None:
        """Drop everything; what is kept from now on is of this position. None: of none, until another is known."""
        self.position = position
        self._register = Book()
        self._answers.clear()
        self._resting_on.clear()
        self._resting_on_said.clear()

    def _drop_what_rests_on(self, statement: Statement | None) -> None:
        """Drop what a decision, an invitation or an endorsement, new or withdrawn, may have changed."""
        if statement is None:
            return
        for name in (statement.stamp.event_id, *statement.groups()):
            for credential_id in tuple(self._resting_on_said.get(name, ())):
                self._drop(credential_id)
        if isinstance(statement, Endorsement):
            self._drop(statement.credential_id)

    def _drop(self, credential_id: CredentialId) -> None:
        found = self._answers.pop(credential_id, None)
        if found is not None:
            for part in found.credential_ids:
                _forget(self._resting_on, part, credential_id)
            for name in found.said_elsewhere:
                _forget(self._resting_on_said, name, credential_id)


def _forget(resting_on: dict[_Name, set[CredentialId]], name: _Name, credential_id: CredentialId) -> None:
    resting = resting_on.get(name)
    if resting is not None:
        resting.discard(credential_id)
        if not resting:
            del resting_on[name]
