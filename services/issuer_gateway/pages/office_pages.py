"""Pages of the office that decides on recognition: who waits, one application, how it decides. Decides nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from proto.ids import AchievementUri, CredentialId
from proto.moment import from_datetime
from proto.problem import Problem
from proto.sentence import Sentence
from proto.wire.agreements import AgreementPage
from proto.wire.applications import ApplicationAnswer, Precedent, ReasonCode, RecognitionReport
from proto.wire.content import Texts
from proto.wire.grade_conditions import GradeConditionList, GradePreview
from proto.wire.own_statements import EndorsementPage, InvitationPage, StandingDecisionAnswer
from proto.wire.stacks import NamedAchievement
from proto.wire.verifier import CheckName
from services.edge.check_words import CHECK_NAMES, CHECK_RESULTS
from services.issuer_gateway.domain.listed_application import ListedApplication
from services.issuer_gateway.domain.programmes import title_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.pages.application_words import APPLICATION_STATES, DECISIONS, REASON_WORDS
from services.issuer_gateway.pages.in_languages import PageReader, PagesInLanguages
from services.issuer_gateway.pages.office_words import (
    AGREEMENT_STATES,
    ENDORSER_ROLES,
    GRADES_JUDGED,
    SIGN_IN_FAULTS,
    STANDING_STATES,
    THEN_VALID,
    VERDICTS,
)

_WRONG, _CONFLICT = 422, 409


class PageOfOffice(msgspec.Struct, frozen=True, kw_only=True):
    """How a page of the office is asked for: by whom, in which language, with which token its forms are sent.

    `programmes` are the titles of programmes on it that the institution does not state itself, where they are known.
    """

    tenant: Tenant
    reader: PageReader
    token: str
    root: str
    programmes: Mapping[str, Texts] = {}

    def called(self, programme: str) -> tuple[str, str] | None:
        """Return the title of a programme and the language of it; None where nobody here knows one."""
        own = title_of(self.tenant, programme)
        if own is not None:
            return own, "und"
        return self.reader.picked(found) if (found := self.programmes.get(programme)) else None


class TypedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed for a decision that was not taken, and why: of piece `number`; `unlike` are like cases."""

    number: int
    texts: Mapping[str, str]
    reasons: Sequence[ReasonCode]
    fault: Sentence
    field: str = ""
    unlike: Sequence[Precedent] = ()


class EndorsementsShown(msgspec.Struct, frozen=True, kw_only=True):
    """Invitations that an institution made and got, and who stands by one credential, where one was asked for."""

    made: InvitationPage
    got: InvitationPage
    credential_id: CredentialId | None
    of_credential: EndorsementPage
    was_sent: bool = False


class OfficePages(PagesInLanguages):
    """Renders the pages; made once, used by every request."""

    def __init__(self) -> None:
        super().__init__(
            application_states=APPLICATION_STATES,
            decisions=DECISIONS,
            reason_words=REASON_WORDS,
            verdicts=VERDICTS,
            then_valid=THEN_VALID,
            check_names=CHECK_NAMES,
            check_results=CHECK_RESULTS,
            standing_states=STANDING_STATES,
            agreement_states=AGREEMENT_STATES,
            grades_judged=GRADES_JUDGED,
            endorser_roles=ENDORSER_ROLES,
            query_text=lambda **values: "?" + urlencode({name: each for name, each in values.items() if each}),
        )

    def sign_in(self, reader: PageReader, *, root: str, then: str, fault: str = "", status: int = 200) -> web.Response:
        """Return the page on which one signs in; `then` is where it leads."""
        said = SIGN_IN_FAULTS.get(fault, "")
        return self.rendered("office/sign_in", reader, status=status, root=root, then=then, fault=said, office=None)

    def fault(self, problem: Problem, reader: PageReader, *, root: str) -> web.Response:
        """Return the page that says why something was refused."""
        return self.refusal("office/fault", problem, reader, root=root, office=None)

    def applications(
        self,
        page: PageOfOffice,
        found: Sequence[ListedApplication],
        report: RecognitionReport,
        *,
        wanted: Mapping[str, Any],
        more: str | None,
    ) -> web.Response:
        """Return the list of applications, those that are due first, with what is to be done in numbers."""
        soon = from_datetime(datetime.now(UTC) + timedelta(days=page.tenant.remind_days_before))
        values: dict[str, Any] = {"found": found, "report": report, "wanted": wanted, "more": more}
        return self._page("applications", page, soon=soon, **values)

    def application(
        self,
        page: PageOfOffice,
        answer: ApplicationAnswer,
        *,
        typed: TypedDecision | None = None,
        worded: Mapping[tuple[int, CheckName], str] | None = None,
    ) -> web.Response:
        """Return one application; `typed` is a decision that was not taken, which stands in its form again.

        `worded` is what checks found, by evidence and check, in the reader's language, as far as it is known.
        """
        status = 200 if typed is None else _CONFLICT if typed.unlike or not typed.field else _WRONG
        return self._page("application", page, status=status, seen=answer, typed=typed, worded=worded or {})

    def report(self, page: PageOfOffice, report: RecognitionReport) -> web.Response:
        """Return how the office decides, and like cases that it decided unlike."""
        return self._page("report", page, report=report)

    def settings(
        self,
        page: PageOfOffice,
        *,
        typed: Mapping[str, str],
        may_change: bool,
        due_days: int,
        kept_days: int,
        was_kept: bool = False,
        fault: Sentence | None = None,
        field: str = "",
    ) -> web.Response:
        """Return what the institution has set for recognition, with the forms that change it.

        `due_days` and `kept_days` are the gateway's own: how long a decision may take, and how long it is kept then.
        """
        days: dict[str, Any] = {"due_days": due_days, "kept_days": kept_days}
        values: dict[str, Any] = {"may_change": may_change, "was_kept": was_kept, "fault": fault, "field": field}
        return self._page("settings", page, status=_WRONG if fault else 200, typed=typed, **days, **values)

    def standing_decisions(
        self,
        page: PageOfOffice,
        found: Sequence[StandingDecisionAnswer],
        *,
        typed: Mapping[str, str],
        more: str | None = None,
        fault: Sentence | None = None,
        field: str = "",
        was_sent: bool = False,
    ) -> web.Response:
        """Return the institution's standing decisions, with the form that makes one."""
        values: dict[str, Any] = {"found": found, "more": more, "fault": fault, "field": field, "was_sent": was_sent}
        status = _WRONG if fault else 200
        return self._page("standing_decisions", page, status=status, typed=typed, **values)

    def grades(
        self,
        page: PageOfOffice,
        held: GradeConditionList,
        *,
        typed: Mapping[str, str],
        preview: GradePreview | None = None,
        fault: Sentence | None = None,
        field: str = "",
    ) -> web.Response:
        """Return for which grades the office decides at once, with the form that tries out and says it."""
        values: dict[str, Any] = {"held": held.grade_conditions, "preview": preview, "fault": fault, "field": field}
        return self._page("grades", page, status=_WRONG if fault else 200, typed=typed, **values)

    def agreements(
        self,
        page: PageOfOffice,
        found: AgreementPage,
        *,
        typed: Mapping[str, str],
        names: Mapping[AchievementUri, NamedAchievement] | None = None,
        fault: Sentence | None = None,
        field: str = "",
    ) -> web.Response:
        """Return the institution's agreements, with the forms that propose one and take one in.

        `names` are the titles of achievements in them, where they are known.
        """
        values: dict[str, Any] = {"names": names or {}, "fault": fault, "field": field}
        return self._page("agreements", page, status=_WRONG if fault else 200, found=found, typed=typed, **values)

    def endorsements(
        self,
        page: PageOfOffice,
        shown: EndorsementsShown,
        *,
        typed: Mapping[str, str],
        fault: Sentence | None,
        field: str,
    ) -> web.Response:
        """Return whom the institution lets endorse and what it endorses, with the forms that say it."""
        status = _WRONG if fault else 200
        return self._page("endorsements", page, status=status, shown=shown, typed=typed, fault=fault, field=field)

    def _page(self, template: str, page: PageOfOffice, /, *, status: int = 200, **values: Any) -> web.Response:
        shown: dict[str, Any] = {"office": page, "root": page.root}
        return self.rendered(f"office/{template}", page.reader, status=status, **shown, **values)
