"""Pages of what a learner holds: a credential as a sheet, all of one learner, what others are shown. Stores nothing.

No script, nothing loaded from elsewhere, every value escaped; kept by no cache, found by no search engine, named to no
other site.
"""

import base64
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from proto.ids import HolderLinkId
from proto.stacking import ects_text
from proto.wire.content import Content
from proto.wire.stacks import StackAdvice
from services.edge.qr_code import qr_svg
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.languages import LearnerLanguage
from services.issuer_gateway.pages.in_languages import PageReader, PagesInLanguages
from services.issuer_gateway.pages.stack_words import UNMET_WORDS
from services.issuer_gateway.papers.supplement import Facts, picked, scale_of, sections, title_of

_PROFILE = "https://www.linkedin.com/profile/add"
PART_WORDS = (
    ("result", "the result, and what was said of the award"),
    ("date_of_birth", "date of birth"),
    ("evidence", "evidence"),
    ("identifier", "the identifier of the holder"),
)
"""What a learner may choose, by the names of the form's fields."""


class PageOf(msgspec.Struct, frozen=True, kw_only=True):
    """How a page is asked for, and by whose link; `root` leads to the gateway's own beginning."""

    reader: PageReader
    tenant: Tenant
    has_logo: bool
    until: str
    secret: str
    root: str

    @property
    def language(self) -> LearnerLanguage:
        """The language of the page."""
        return self.reader.language


class ShareRow(msgspec.Struct, frozen=True, kw_only=True):
    """A share as its maker sees it."""

    link_id: HolderLinkId
    link: str
    audience: str
    until: str
    views: int
    is_whole: bool
    has_result: bool


class HeldRow(msgspec.Struct, frozen=True, kw_only=True):
    """A credential in the list of all that a learner holds."""

    content: Content
    facts: Facts


class CredentialPages(PagesInLanguages):
    """Renders the pages; made once, used by every request."""

    def sheet(
        self,
        page: PageOf,
        opened: Any,
        *,
        is_share: bool,
        is_one_of_many: bool,
        shares: Sequence[ShareRow] = (),
    ) -> web.Response:
        """Return a credential as a sheet to print; its owner also gets what shares and ends it."""
        content, facts, language = opened.content, opened.facts, page.language
        here = f"{page.root}/credentials/{page.secret}/{facts.credential_id}"
        svg = qr_svg(facts.check_url) if facts.check_url else ""
        return self._page(
            "credential",
            page,
            opened=opened,
            title=title_of(content, language),
            outcomes=[pair for item in content.learning_outcomes if (pair := _said(item.title, page, content))[0]],
            sections=sections(content, facts, language),
            qr=f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" if svg else "",
            here=here,
            verifier=(facts.check_url or "").removesuffix(f"c/{facts.credential_id}"),
            up=f"{page.root}/credentials/{page.secret}",
            is_share=is_share,
            is_one_of_many=is_one_of_many,
            shares=shares,
            parts=PART_WORDS,
            scale_of=scale_of,
            profile=profile_link(content, facts, language) if facts.shown_state.state == "active" else "",
            mail=mail_text(content, facts, language),
        )

    def holdings(
        self, page: PageOf, held: Sequence[HeldRow], *, sum_hundredths: int, stacks: Sequence[StackAdvice] | None = ()
    ) -> web.Response:
        """Return the page of all that a learner holds, with what can be made of it; None where that is not known."""
        offered = None if stacks is None else [(_picked_title(each, page), each) for each in stacks]
        rows = [
            {
                "id": item.facts.credential_id,
                "title": title_of(item.content, page.language),
                "state": item.facts.shown_state.state,
                "word": item.facts.shown_state.word(page.language),
                "ects": item.content.ects_hundredths,
                "remaining": item.facts.shown_state.ects_hundredths_remaining,
                "day": (item.content.awarded_at or item.content.valid_from or "")[:10],
            }
            for item in held
        ]
        holder = next((item.content.holder.name for item in held if item.content.holder.name), "")
        here = f"{page.root}/credentials/{page.secret}"
        said: dict[str, Any] = {"stacks": offered, "unmet": UNMET_WORDS}
        return self._page("holdings", page, held=rows, holder=holder, sum=sum_hundredths, here=here, **said)

    def ended(self, reader: PageReader) -> web.Response:
        """Return what is seen once a learner has ended a link."""
        return self.rendered("ended", reader)

    def _page(self, template: str, page: PageOf, /, **values: Any) -> web.Response:
        return self.rendered(
            template,
            page.reader,
            tenant=page.tenant,
            has_logo=page.has_logo,
            until=page.until,
            root=page.root,
            **values,
        )


def _picked_title(advice: StackAdvice, page: PageOf) -> tuple[str, str]:
    return picked(advice.title, page.language, next(iter(advice.title), "und"))


def _said(texts: Any, page: PageOf, content: Content) -> tuple[str, str]:
    return picked(texts, page.language, content.language)


def profile_link(content: Content, facts: Facts, language: LearnerLanguage) -> str:
    """Return the address that adds a credential to a LinkedIn profile; it names the public record and no secret."""
    begun, ends = content.awarded_at or content.valid_from or "", content.valid_until or ""
    said = {
        "startTask": "CERTIFICATION_NAME",
        "name": title_of(content, language)[0],
        "organizationName": facts.legal_name,
        "issueYear": begun[:4],
        "issueMonth": begun[5:7].lstrip("0"),
        "expirationYear": ends[:4],
        "expirationMonth": ends[5:7].lstrip("0"),
        "certUrl": facts.check_url or "",
        "certId": facts.credential_id,
    }
    return f"{_PROFILE}?{urlencode({name: value for name, value in said.items() if value})}"


def mail_text(content: Content, facts: Facts, language: LearnerLanguage) -> str:
    """Return a credential in plain words for a mail: what it is, by whom, how much, where it is checked. No grade."""
    word = language.word
    credits_ = f"{ects_text(content.ects_hundredths)} ECTS" if content.ects_hundredths is not None else ""
    level = word("EQF level {level} of 8", level=content.level.eqf) if content.level.eqf else ""
    lines = [
        title_of(content, language)[0],
        f"{word('Awarded by')}: {facts.legal_name} ({facts.country})",
        f"{word('Awarded on')}: {(content.awarded_at or content.valid_from or '')[:10]}",
        ", ".join(filter(None, (credits_, level))),
        f"{word('Credential id')}: {facts.credential_id}",
        f"{word('Check it at')}: {facts.check_url}" if facts.check_url else "",
    ]
    return "\n".join(filter(None, lines))
