"""The lists of awards that requests of this process work on, so that an erasure reaches them. Knows no database."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator

from proto.ids import InstitutionId


@dataclasses.dataclass(frozen=True, eq=False)
class _ListInHand:
    """One list: whom it is about, and who of them was erased since it came."""

    refs: frozenset[str]
    erased: set[str] = dataclasses.field(default_factory=set)


class ListsInHand:
    """By institution, the lists that requests have in hand now; none stays behind its request."""

    def __init__(self) -> None:
        self._lists: dict[str, list[_ListInHand]] = {}

    @contextlib.contextmanager
    def hold(self, institution_id: InstitutionId, refs: Iterable[str]) -> Iterator[set[str]]:
        """Give the learners who are erased while a list is in hand, as they are."""
        mine = _ListInHand(frozenset(refs))
        lists = self._lists.setdefault(institution_id, [])
        lists.append(mine)
        try:
            yield mine.erased
        finally:
            lists.remove(mine)
            if not lists:
                del self._lists[institution_id]

    def erase(self, institution_id: InstitutionId, ref: str) -> bool:
        """Tell the lists that are about a learner of its erasure; return whether there is one."""
        found = self._about(institution_id, ref)
        for each in found:
            each.erased.add(ref)
        return bool(found)

    def are_about(self, institution_id: InstitutionId, ref: str) -> bool:
        """Tell whether a list is about a learner."""
        return bool(self._about(institution_id, ref))

    def _about(self, institution_id: InstitutionId, ref: str) -> list[_ListInHand]:
        return [each for each in self._lists.get(institution_id, ()) if ref in each.refs]
