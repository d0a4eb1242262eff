"""The gateway's pages for learners: no script, nothing loaded, every value escaped. Decides and stores nothing.

It keeps nothing, so a crash in it costs the page.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from proto.documents.credential import Achievement
from proto.ids import AchievementId
from proto.moment import Moment
from proto.problem import Problem
from proto.stacking import ects_text
from proto.wire.requests import Claimed, ClaimSeen, RequestSeen
from services.edge import Templates, retry_after
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.languages import DEFAULT, LANGUAGES
from services.issuer_gateway.papers.standing import ShownState

_STATES = {
    "open": "Waiting for the institution",
    "accepted": "Accepted",
    "rejected": "Not accepted",
    "withdrawn": "Withdrawn",
    "lapsed": "Lapsed: it was not decided in time",
}
_TEXTS = ("title", "description", "criteria", "prerequisites")
FORM_FIELDS = ("given_name", "family_name", "email", "message", "credentials")
FIELD_FAULTS: Mapping[str, str] = {
    "given_name": "A given name has at most 300 characters.",
    "family_name": "A family name has at most 300 characters.",
    "email": "That is no mail address. Write one such as mia@uni.example, or leave it empty.",
    "message": "That is more than 2000 characters. Say it in fewer.",
    "credentials": "Not all of these are credential ids, or there are more than 16. An id has 64 digits and letters a "
    "to f; a link that ends in one will do, too.",
}
"""What is wrong with a field of the form, in words that say what to write."""
_ID_DIGITS = 12


def when(moment: Moment) -> str:
    """Return a moment as pages write it: its day and minute in UTC."""
    return f"{moment[:10]} {moment[11:16]} UTC"


class Pages:
    """Renders the pages; made once, used by every request."""

    def __init__(self, *, kept_days: int) -> None:
        self._templates = Templates(Path(__file__).parent)
        self._templates.environment.filters.update(ects=ects_text, when=when)
        self._templates.environment.globals.update(
            states=_STATES,
            kept_days=kept_days,
        )

    def achievement(
        self,
        tenant: Tenant,
        achievement_id: AchievementId,
        achievement: Achievement,
        *,
        fault: str = "",
        wrong: str = "",
        typed: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Return the page of an achievement: what it is and, where it takes requests, the form that asks for it.

        `fault` says what was wrong with what was typed, which stands in the form again, and `wrong` in which field.
        """
        html = self._rendered(
            "achievement",
            tenant=tenant,
            achievement_id=achievement_id,
            achievement=achievement,
            texts={name: achievement.text_in(getattr(achievement, name) or {"en": ""}) for name in _TEXTS},
            fault=fault,
            wrong=wrong,
            typed=dict.fromkeys(FORM_FIELDS, "") | dict(typed or {}),
        )
        return self._templates.page(html, status=422 if fault else 200)

    def request(self, seen: RequestSeen, *, secret: str, state: ShownState | None = None) -> web.Response:
        """Return the page of a request, as whoever has its link sees it; `state` is that of its credential now."""
        sign = state.sign if state else {"rejected": "invalid"}.get(seen.state, "indeterminate")
        html = self._rendered(
            "request",
            seen=seen,
            secret=secret,
            sign=sign,
            fallen=(state.word(LANGUAGES[DEFAULT]), state.said(LANGUAGES[DEFAULT]))
            if state and state.state != "active"
            else None,
        )
        return self._templates.page(html)

    def claim(self, seen: ClaimSeen) -> web.Response:
        """Return the page of a link before it is used: a button, so that looking at it uses nothing up."""
        return self._templates.page(self._rendered("claim", seen=seen))

    def claimed(self, claimed: Claimed) -> web.Response:
        """Return the page with the document: as a file to keep, and as text."""
        content = msgspec.json.format(msgspec.json.encode(claimed.document), indent=2)
        html = self._rendered(
            "claimed",
            credential_id=claimed.credential_id,
            state=claimed.state,
            page=claimed.page,
            name=f"credential-{claimed.credential_id[:_ID_DIGITS]}.json",
            data=base64.b64encode(content).decode(),
            text=content.decode(),
        )
        return self._templates.page(html)

    def fault(self, problem: Problem) -> web.Response:
        """Return the page that says why something was refused."""
        page = self._templates.page(self._rendered("fault", problem=problem), status=problem.status)
        page.headers.update(retry_after(problem))
        return page

    def _rendered(self, template: str, /, **values: Any) -> str:
        return self._templates.environment.get_template(f"{template}.html.jinja").render(**values)
