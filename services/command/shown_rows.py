"""How the documents of a folder or an export came out: of few all, of many those that do not hold."""

from services.command.output import console
from services.command.terminal import clean
from services.command.verify_folder import FolderRow

SHOWN_MAX = 20


class ShownRows:
    """Keeps as many rows as are printed, while documents are checked."""

    def __init__(self) -> None:
        self._count = self._wrong_count = 0
        self._first: list[FolderRow] = []
        self._wrong: list[FolderRow] = []

    def add(self, row: FolderRow) -> None:
        """Take the next row."""
        self._count += 1
        if len(self._first) < SHOWN_MAX:
            self._first.append(row)
        if row.verdict != "valid":
            self._wrong_count += 1
            if len(self._wrong) < SHOWN_MAX:
                self._wrong.append(row)

    def show(self) -> None:
        """Print all rows where there are few, else the first of those that are not valid, and how many are left out."""
        is_few = self._count <= SHOWN_MAX
        for row in self._first if is_few else self._wrong:
            said = ", ".join(filter(None, (row.title, row.holder, row.issuer_name)))
            console.print(clean(f"{row.verdict:<13} {row.file}{': ' if said else ''}{said}"), markup=False)
            if row.verdict != "valid" and row.finding:
                console.print(f"{'':<13} {clean(row.finding)}", markup=False)
        if not is_few and self._wrong_count > SHOWN_MAX:
            left = self._wrong_count - SHOWN_MAX
            console.print(f"and {left} more that are not valid: --report FILE.csv names all", markup=False)
