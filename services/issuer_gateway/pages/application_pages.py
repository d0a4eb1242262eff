"""Pages on which somebody applies for recognition, and sees what becomes of it. Decides and stores nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from proto.moment import to_datetime
from proto.wire.applications import EVIDENCE_MAX, ApplicationSeen
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.pages.application_words import (
    APPLICATION_STATES,
    DECISIONS,
    EVIDENCE_VERDICTS,
    FAULTS,
    REASON_WORDS,
)
from services.issuer_gateway.pages.in_languages import PageReader, PagesInLanguages

TYPED_FIELDS = (
    "programme",
    "given_name",
    "family_name",
    "email",
    "statement",
    "dossier_title",
    "dossier_description",
    "dossier_url",
    "publish",
)
_NOTHING = dict.fromkeys(TYPED_FIELDS, "")


class FormFault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with what was sent: of which field, what (a name in `FAULTS`), with the values of its words."""

    field: str
    what: str
    values: Mapping[str, int] = {}


class ApplicationPages(PagesInLanguages):
    """Renders the pages; made once, used by every request."""

    def __init__(self) -> None:
        super().__init__(
            application_states=APPLICATION_STATES,
            decisions=DECISIONS,
            evidence_verdicts=EVIDENCE_VERDICTS,
            reason_words=REASON_WORDS,
            evidence_max=EVIDENCE_MAX,
        )

    def institutions(self, found: Sequence[Tenant], reader: PageReader) -> web.Response:
        """Return the page that says which institutions take applications."""
        return self.rendered("recognition", reader, found=found)

    def form(
        self,
        tenant: Tenant,
        reader: PageReader,
        *,
        typed: Mapping[str, str],
        kept: Sequence[str] = (),
        faults: Sequence[FormFault] = (),
        status: int = 200,
    ) -> web.Response:
        """Return the page on which one applies; what was typed stands in it again, and `kept` files go with it."""
        wrong = [(each.field, reader.language.word(FAULTS[each.what], **each.values)) for each in faults]
        said = dict.fromkeys((*TYPED_FIELDS, "files"), "") | dict(reversed(wrong))
        values: dict[str, Any] = {"tenant": tenant, "typed": _NOTHING | dict(typed), "kept": kept}
        return self.rendered("apply", reader, status=status, wrong=wrong, faults=said, **values)

    def application(
        self,
        seen: ApplicationSeen,
        reader: PageReader,
        *,
        root: str,
        secret: str,
        fault: int | None = None,
    ) -> web.Response:
        """Return the page of an application, as whoever has its link sees it; `fault` is where words are missing.

        It is also the answer to its own forms, at longer paths, so its links begin with `root`.
        """
        values: dict[str, Any] = {"seen": seen, "root": root, "secret": secret, "fault": fault}
        is_overdue = to_datetime(seen.due_at) < datetime.now(UTC)
        return self.rendered("application", reader, status=422 if fault else 200, is_overdue=is_overdue, **values)
