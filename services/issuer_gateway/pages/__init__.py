"""The gateway's pages for learners: no script, nothing loaded, every value escaped. Decides and stores nothing.

It keeps nothing, so a crash in it costs the page.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from proto.documents.credential import Achievement
from proto.ids import AchievementId, AchievementUri
from proto.problem import Problem
from proto.wire.requests import Claimed, ClaimSeen, RequestSeen
from proto.wire.stacks import NamedAchievement
from services.edge.language_names import name_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.pages.in_languages import PageReader, PagesInLanguages
from services.issuer_gateway.pages.request_words import CLAIM_STATES, REQUEST_STATES, STATES_NOW
from services.issuer_gateway.papers.standing import ShownState
from services.issuer_gateway.papers.supplement import picked

_TEXTS = ("title", "description", "criteria", "prerequisites")
FORM_FIELDS = ("given_name", "family_name", "email", "message", "credentials")
_ID_DIGITS = 12


class Pages(PagesInLanguages):
    """Renders the pages; made once, used by every request."""

    def __init__(self, *, kept_days: int) -> None:
        super().__init__(states=REQUEST_STATES, claim_states=CLAIM_STATES, states_now=STATES_NOW, kept_days=kept_days)

    def achievement(
        self,
        tenant: Tenant,
        achievement_id: AchievementId,
        achievement: Achievement,
        reader: PageReader,
        *,
        names: Mapping[AchievementUri, NamedAchievement] | None = None,
        fault: str = "",
        wrong: str = "",
        typed: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> web.Response:
        """Return the page of an achievement: what it is and, where it takes requests, the form that asks for it.

        `names` are the titles of those that it asks for and is made of, where they are known. `fault` says what was
        wrong with what was typed, which stands in the form again, and `wrong` in which field.
        """

        def said(texts: Mapping[str, str] | None) -> tuple[str, str]:
            return picked(dict(texts or {}), reader.language, achievement.language)

        def listed(items: Sequence[Any]) -> list[tuple[tuple[str, str], str]]:
            return [(said(item.title), getattr(item, "url", None) or "") for item in items]

        return self.rendered(
            "achievement",
            reader,
            status=status,
            tenant=tenant,
            achievement_id=achievement_id,
            achievement=achievement,
            names=names or {},
            taught_in=name_of(achievement.language),
            texts={name: said(getattr(achievement, name)) for name in _TEXTS},
            lists=[
                ("Learning outcomes", listed(achievement.learning_outcomes)),
                ("What it entitles to", listed(achievement.entitlements)),
                ("Learned with", listed(achievement.learning_resources)),
            ],
            fault=fault,
            wrong=wrong,
            typed=dict.fromkeys(FORM_FIELDS, "") | dict(typed or {}),
        )

    def request(
        self, seen: RequestSeen, reader: PageReader, *, secret: str, state: ShownState | None = None
    ) -> web.Response:
        """Return the page of a request, as whoever has its link sees it; `state` is that of its credential now."""
        return self.rendered(
            "request",
            reader,
            seen=seen,
            title=_title(seen, reader),
            secret=secret,
            sign=state.sign if state else {"rejected": "invalid"}.get(seen.state, "indeterminate"),
            fallen=state if state and state.state != "active" else None,
        )

    def claim(self, seen: ClaimSeen, reader: PageReader) -> web.Response:
        """Return the page of a link before it is used: a button, so that looking at it uses nothing up."""
        return self.rendered("claim", reader, seen=seen, title=_title(seen, reader))

    def claimed(self, claimed: Claimed, reader: PageReader) -> web.Response:
        """Return the page with the document: as a file to keep, and as text."""
        content = msgspec.json.format(msgspec.json.encode(claimed.document), indent=2)
        return self.rendered(
            "claimed",
            reader,
            credential_id=claimed.credential_id,
            state=claimed.state,
            page=claimed.page,
            name=f"credential-{claimed.credential_id[:_ID_DIGITS]}.json",
            data=base64.b64encode(content).decode(),
            text=content.decode(),
        )

    def fault(self, problem: Problem, reader: PageReader) -> web.Response:
        """Return the page that says why something was refused."""
        return self.refusal("fault", problem, reader)


def _title(seen: RequestSeen | ClaimSeen, reader: PageReader) -> tuple[str, str]:
    """Return the title of an achievement in the reader's language, else in its own, with the tag of that language."""
    own = next((tag for tag, text in seen.titles.items() if text == seen.title), "und")
    return picked(dict(seen.titles) or {own: seen.title}, reader.language, own)
