"""Which entries of a log belong into the bundle about a credential. Pure reading of a book; fetches nothing.

An entry belongs to it if the credential's issue rests on it (or the document's own proof: the addition of the issuer's
assertion keys), and if it counts against something in it: transitions of
the credential and of its parts, and statements that condemn a key. So that whoever asks for a bundle of a revoked
credential is told. What a holder leaves out again cannot be missed by anybody offline, and no verdict relies on it.

Where a log continues others, entries of all of them belong into it. They are then named by their stamps' indices, which
count through (`proto.lifecycle.states.LogState`): the first entry of a log comes after the last of its predecessor.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from proto.ids import CredentialId, Did, LeafIndex, TreeSize
from proto.lifecycle.book import Book
from proto.lifecycle.states import Key, Stamp
from proto.lifecycle.voidness import counts, profile


def entries_about(
    book: Book, credential_id: CredentialId, size: TreeSize, *, openings: Iterable[Stamp] = ()
) -> list[LeafIndex]:
    """Return, in order, the indices of all entries among the first `size` that belong to this credential's bundle.

    The book must hold what `proto.lifecycle.credential_needs` asks for, and the log's state. Empty where the log does
    not know the credential within that size. For a log that continues others, `openings` are the stamps of their
    openings, which no state remembers, and indices and `size` count the entries of all.
    """
    gathering = _Gathering(book, size)
    if not gathering.credential(credential_id):
        return []
    gathering.assertion_keys(credential_id)
    for stamp in (*openings, *(rule.stamp for rule in book.opened_log().rules)):
        gathering.stamp(stamp)
    return sorted(gathering.found)


def by_log(indices: Iterable[LeafIndex], firsts: Sequence[int]) -> list[list[LeafIndex]]:
    """Return per log the indices there of entries that are counted through; `firsts` are the logs' first ones."""
    found: list[list[LeafIndex]] = [[] for _ in firsts]
    for index in indices:
        log = bisect_right(firsts, index) - 1
        found[log].append(LeafIndex(index - firsts[log]))
    return found


class _Gathering:
    """Follows what each entry rests on, until nothing new is found."""

    def __init__(self, book: Book, size: TreeSize) -> None:
        self.found: set[LeafIndex] = set()
        self._book = book
        self._size = size
        self._keys: set[str] = set()
        self._credentials: set[CredentialId] = set()

    def take(self, index: LeafIndex) -> bool:
        """Take an entry; False if it is taken already or lies beyond the tree."""
        if index in self.found or index >= self._size:
            return False
        self.found.add(index)
        return True

    def stamp(self, stamp: Stamp) -> None:
        """Take what was said at a stamp, with the speaker's admission and the key that signed it."""
        if not self.take(stamp.index):
            return
        self._admission(stamp.speaker, before=stamp.index)
        key = self._book.key(stamp.key_id)
        if key is not None:
            self._key(key)

    def _admission(self, did: Did, *, before: int) -> None:
        """Take what the register said of a speaker then: its admission and its newest profile, and those that count."""
        issuer = self._book.issuer(did)
        if issuer is None:
            return
        earlier = [entry for entry in issuer.profiles if entry.stamp.index < before]
        admissions = [entry for entry in earlier if entry.is_admission]
        counting = [entry for entry in admissions if counts(self._book, entry.stamp)]
        in_force = profile(self._book, issuer, before=before)
        for entry in (*earlier[-1:], *admissions[-1:], *counting[-1:], *([in_force] if in_force else [])):
            self.stamp(entry.stamp)

    def _key(self, key: Key) -> None:
        """Take the addition of a key and all that condemns it."""
        if key.key_id in self._keys:
            return
        self._keys.add(key.key_id)
        self.stamp(key.added)
        for retirement in key.retirements:
            if retirement.invalid_from is not None:
                self.stamp(retirement.stamp)

    def credential(self, credential_id: CredentialId) -> bool:
        """Take a credential's issues, its components and its transitions; False if it is not within the tree."""
        if credential_id in self._credentials:
            return True
        credential = self._book.credential(credential_id)
        lives = [life for life in credential.lives if life.stamp.index < self._size] if credential else []
        if credential is None or not lives:
            return False
        self._credentials.add(credential_id)
        for life in lives:  # more than one only where earlier issues are void: what was done under them outlives them
            self.stamp(life.stamp)
        for component in lives[0].components:
            self.credential(component)
        for change in lives[-1].changes:
            if change.stamp.index < self._size:
                self._successors(credential.issuer, change.stamp)
                self.stamp(change.stamp)
        return True

    def assertion_keys(self, credential_id: CredentialId) -> None:
        """Take the keys with which the credential's issuer signs documents."""
        credential = self._book.credential(credential_id)
        issuer = self._book.issuer(credential.issuer) if credential else None
        for key in issuer.keys if issuer else ():
            if key.purpose == "assertion" and key.added.index < self._size:
                self._key(key)

    def _successors(self, did: Did, stamp: Stamp) -> None:
        """Take the closings by which somebody else than issuer and registrar came to answer for the credential."""
        seen: set[Did] = set()
        while did not in seen and stamp.speaker not in {did, self._book.opened_log().registrar}:
            seen.add(did)
            issuer = self._book.issuer(did)
            closings = (
                [s for s in issuer.standings if s.kind == "closed" and s.stamp.index < stamp.index] if issuer else []
            )
            for closing in closings:
                self.stamp(closing.stamp)
                self._admission(did, before=closing.stamp.index)
                if closing.successor:
                    self._admission(closing.successor, before=closing.stamp.index)
            did = next((c.successor for c in reversed(closings) if c.successor), did)
