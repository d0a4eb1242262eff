"""Places on status lists that were taken for institutions and are given to nobody yet. Pure; knows no list.

What a piece of work takes and stores nowhere goes back when it is over (`lending`): a request that was refused, sent
twice or is found to be done costs no bit of a list. What was stored goes back where its transaction was left before its
COMMIT was sent (`before_commit`), and never where that is not known for sure.
"""

import contextlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from contextvars import ContextVar

import msgspec

from proto.documents.status_list import status_entry
from proto.ids import InstitutionId

INSTITUTIONS_MAX = 4_096
"""Whose places are kept at hand."""


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A place on a status list that nobody else has."""

    institution_id: InstitutionId
    number: int
    index: int
    url: str

    @property
    def entry(self) -> dict[str, str]:
        """The `credentialStatus` of the document that has this place."""
        return status_entry(self.url, self.index)


class _Lent:
    """What one piece of work has taken and not stored, and where it goes back; `outer` is the work around it."""

    def __init__(self, outer: "_Lent | None") -> None:
        self.outer = outer
        self.places: dict[Given, PlacesAtHand] = {}


_LENT: ContextVar[_Lent | None] = ContextVar("places_lent", default=None)
_STORED: ContextVar[list[tuple[Given, _Lent, "PlacesAtHand"]] | None] = ContextVar("places_stored", default=None)


class PlacesAtHand:
    """The places that were taken for an institution and given to nobody yet, of at most `institutions_max`.

    Whose turn was longest ago loses its places: they are never given, and cost a bit each.
    """

    def __init__(self, *, institutions_max: int = INSTITUTIONS_MAX) -> None:
        self._institutions_max = institutions_max
        self._blocks: OrderedDict[InstitutionId, deque[Given]] = OrderedDict()

    def of(self, institution_id: InstitutionId) -> deque[Given]:
        """Return the places of an institution, to be taken from before anything is waited for, or under its lock."""
        block = self._blocks.setdefault(institution_id, deque())
        self._blocks.move_to_end(institution_id)
        while len(self._blocks) > self._institutions_max:
            self._blocks.popitem(last=False)
        return block

    def give(self, institution_id: InstitutionId) -> Given | None:
        """Return a place, which goes back if the work that `lending` surrounds stores it nowhere; None without one."""
        block = self.of(institution_id)
        if not block:
            return None
        place = block.popleft()
        lent = _LENT.get()
        if lent is not None:
            lent.places[place] = self
        return place

    def take_back(self, places: Iterable[Given]) -> None:
        """Have places at hand again that were given and that no document has."""
        for place in places:
            self.of(place.institution_id).append(place)


@contextlib.contextmanager
def lending() -> Iterator[None]:
    """Take back what the block was given and has not stored, when it is over, whatever it raises.

    What it prepares may be stored inside the block alone: no task that outlives it may take a place.
    """
    lent = _Lent(_LENT.get())
    token = _LENT.set(lent)
    try:
        yield
    finally:
        _LENT.reset(token)
        for place, at_hand in lent.places.items():
            at_hand.take_back([place])


@contextlib.contextmanager
def before_commit() -> Iterator[None]:
    """Lend what the block stores once more where it raises: its transaction is undone, for no COMMIT was sent yet.

    So it is for the inside of a transaction, within the work that is `lending`.
    """
    noted: list[tuple[Given, _Lent, PlacesAtHand]] = []
    token = _STORED.set(noted)
    try:
        yield
    except BaseException:
        for place, lent, at_hand in noted:
            lent.places[place] = at_hand
        raise
    finally:
        _STORED.reset(token)


def stored(places: Iterable[Given]) -> None:
    """Keep places that are stored now: they go back only where the transaction is left `before_commit`."""
    taken, noted = list(places), _STORED.get()
    lent = _LENT.get()
    while lent is not None:
        for place in taken:
            at_hand = lent.places.pop(place, None)
            if at_hand is not None and noted is not None:
                noted.append((place, lent, at_hand))
        lent = lent.outer
