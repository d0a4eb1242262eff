"""What pages for people have in common: one style, templates in which every value is escaped. Knows no page."""

from pathlib import Path
from types import CodeType

import jinja2
from aiohttp import web
from jinja2.bccache import Bucket

from services.edge.reply import html_page

_STYLE_FILE = Path(__file__).parent / "page.css"
_NO_STORE = {"Cache-Control": "no-store"}


class _Compiled(jinja2.BytecodeCache):
    """The code of the templates that this process has compiled: pages share their pieces, and each is compiled once.

    It follows from a template's text alone: what its filters and globals are, each environment says when it renders.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code of this text, if it was compiled before."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of this text."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


class Templates:
    """The templates of one folder; the global `style` is the text that belongs between their `<style>` tags."""

    def __init__(self, folder: Path) -> None:
        self.style = _STYLE_FILE.read_text(encoding="utf-8")
        self.environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
            bytecode_cache=_COMPILED,
        )
        self.environment.globals.update(style=self.style)

    def page(self, html: str, *, status: int = 200) -> web.Response:
        """Return a page that was rendered: it loads nothing, runs no script, and is kept by nobody."""
        response = html_page(html, style=self.style, status=status)
        response.headers.update(_NO_STORE)
        return response
