"""How the cells of one file are to be read, found out by a glance at all of them. Knows no award.

Nothing is guessed: what is not written in the usual way and is taken all the same is said in a note.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from proto.events import Record
from proto.tables.cells import RowError, read_row
from proto.tables.day_order import ORDER_NAMES, DayOrder, Orders
from proto.tables.records import FileRecord

_DECIMAL_COMMA = re.compile(r"^[0-9]{1,4},[0-9]{1,2}$", re.ASCII)
_ODD = re.compile(rb'[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}|"[^"]*[0-9],[0-9]')
"""What a record holds, at least, that is written in a way that has to be found out; a comma in a cell is quoted."""


class Reading(Record, frozen=True, kw_only=True):
    """How the cells of one file are read: in which order its columns write day and month, and what to say of it."""

    orders: dict[str, DayOrder] = msgspec.field(default_factory=dict)
    notes: tuple[str, ...] = ()


READ_AS_USUAL = Reading()


class Glance:
    """Looks at each record of a file before any is read: in which order days are written, whether commas are points."""

    def __init__(self, header: Sequence[str], day_columns: Iterable[str]) -> None:
        self._header = tuple(header)
        self._day_columns = frozenset(day_columns)
        self._orders = Orders()
        self._has_comma = False

    def see(self, record: FileRecord) -> None:
        """Look at one record."""
        if not _ODD.search(record.content):
            return
        try:
            cells = read_row(self._header, record, required=()).cells
        except RowError:
            return
        for name in self._day_columns & cells.keys():
            self._orders.see(name, cells[name])
        self._has_comma = self._has_comma or _DECIMAL_COMMA.match(cells.get("ects", "")) is not None

    def reading(self, stated: DayOrder | None, notes: Sequence[str] = ()) -> Reading:
        """Return how the file is read, by what was seen and what its sender states."""
        orders = self._orders.found(stated)
        said = [f"Days in {name} are read as {ORDER_NAMES[order]}" for name, order in sorted(orders.items())]
        if self._has_comma:
            said.append("Commas in ects are read as decimal points")
        return Reading(orders=orders, notes=(*notes, *said))
