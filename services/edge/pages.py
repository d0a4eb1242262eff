"""What pages for people have in common: one style, templates in which every value is escaped. Knows no page."""

from pathlib import Path

import jinja2
from aiohttp import web

from services.edge.reply import html_page

_STYLE_FILE = Path(__file__).parent / "page.css"
_NO_STORE = {"Cache-Control": "no-store"}


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
        )
        self.environment.globals.update(style=self.style)

    def page(self, html: str, *, status: int = 200) -> web.Response:
        """Return a page that was rendered: it loads nothing, runs no script, and is kept by nobody."""
        response = html_page(html, style=self.style, status=status)
        response.headers.update(_NO_STORE)
        return response
