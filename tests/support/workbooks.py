"""Workbooks (XLSX) as Excel writes them, made by hand: shared strings, numbers, days in a format of days."""

import datetime as dt
import io
import string
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

Cell = str | float | dt.date | None
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_EPOCH = dt.date(1899, 12, 30)
_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-'
    'package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>'
)
_STYLES = (
    f'<styleSheet {_MAIN}><numFmts count="1"><numFmt numFmtId="164" formatCode="dd.mm.yyyy"/></numFmts><cellXfs '
    'count="2"><xf numFmtId="0"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


def workbook(
    rows: Sequence[Sequence[Cell]],
    *,
    first_row: int = 1,
    sheets_before: int = 0,
    far: str | None = None,
) -> bytes:
    """Return a workbook whose list begins on a row, on the first sheet or behind some that are empty.

    `far` is one more cell in which something stands.
    """
    strings = list(dict.fromkeys(cell for row in rows for cell in row if isinstance(cell, str)))
    count = sheets_before + 1
    body = "".join(_row(number, row, strings) for number, row in enumerate(rows, start=first_row))
    body += f'<row r="{far.strip(string.ascii_letters)}"><c r="{far}"><v>1</v></c></row>' if far else ""
    parts = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook {_MAIN} xmlns:r="{_RELATIONS}"><sheets>'
        + "".join(f'<sheet name="S{n}" sheetId="{n}" r:id="rId{n}"/>' for n in range(1, count + 1))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations(
            {f"rId{n}": ("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, count + 1)}
            | {"rId90": ("styles", "styles.xml"), "rId91": ("sharedStrings", "sharedStrings.xml")}
        ),
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": f"<sst {_MAIN}>"
        + "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in strings)
        + "</sst>",
    }
    for number in range(1, count + 1):
        data = body if number == count else ""
        parts[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {_MAIN}><sheetData>{data}</sheetData></worksheet>"
    return zipped({name: (_HEAD + text).encode() for name, text in parts.items()})


def zipped(parts: dict[str, bytes]) -> bytes:
    """Return an archive of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def _relations(found: dict[str, tuple[str, str]]) -> str:
    items = "".join(
        f'<Relationship Id="{name}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for name, (kind, target) in found.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{items}</Relationships>'


def _row(number: int, cells: Sequence[Cell], strings: list[str]) -> str:
    shown = (_cell(f"{chr(65 + place)}{number}", cell, strings) for place, cell in enumerate(cells))
    return f'<row r="{number}">{"".join(shown)}</row>'


def _cell(place: str, cell: Cell, strings: list[str]) -> str:
    if cell is None:
        return f'<c r="{place}"/>'
    if isinstance(cell, str):
        return f'<c r="{place}" t="s"><v>{strings.index(cell)}</v></c>'
    if isinstance(cell, dt.date):
        return f'<c r="{place}" s="1"><v>{(cell - _EPOCH).days}</v></c>'
    return f'<c r="{place}"><v>{cell}</v></c>'
