"""Pages in the language of who reads them: named to no search engine and no other site. Stores nothing."""

from pathlib import Path
from typing import Any

from aiohttp import web

from proto.documents.vocabulary import RESULT_STATUS_LABELS
from proto.stacking import ects_text
from services.edge import Templates
from services.issuer_gateway.languages import LANGUAGES, LearnerLanguage
from services.issuer_gateway.pages import when

_FOLDER = Path(__file__).parent
_HEADERS = {"X-Robots-Tag": "noindex, noarchive", "Vary": "Accept-Language"}


class PagesInLanguages:
    """Renders templates in which `t` says an English text in the reader's language; made once."""

    def __init__(self, **values: Any) -> None:
        self._templates = Templates(_FOLDER)
        self._templates.style += (_FOLDER / "sheet.css").read_text(encoding="utf-8")
        self._templates.environment.filters.update(ects=ects_text, when=when)
        self._templates.environment.globals.update(
            style=self._templates.style, result_statuses=RESULT_STATUS_LABELS, **values
        )

    def rendered(
        self, template: str, language: LearnerLanguage, /, *, status: int = 200, **values: Any
    ) -> web.Response:
        """Return a page, with the choice of its language."""
        html = self._templates.environment.get_template(f"{template}.html.jinja").render(
            language=language,
            t=language.word,
            choices=[(each.code, each.name) for each in LANGUAGES.values()],
            **values,
        )
        response = self._templates.page(html, status=status)
        response.headers.update({**_HEADERS, "Content-Language": language.code})
        return response
