"""Pages of the office that decides on recognition: who waits, one application, how it decides. Decides nothing."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from proto.ids import AchievementUri, CredentialId
from proto.problem import Problem
from proto.sentence import Sentence
from proto.wire.agreements import AgreementPage
from proto.wire.applications import ApplicationAnswer, Precedent, ReasonCode, RecognitionReport
from proto.wire.grade_conditions import GradeConditionList, GradePreview
from proto.wire.own_statements import EndorsementPage, InvitationPage, StandingDecisionAnswer
from proto.wire.stacks import NamedAchievement
from services.edge.check_words import CHECK_NAMES, CHECK_RESULTS
from services.issuer_gateway.domain.listed_application import ListedApplication
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
    """How a page of the office is asked for: by whom, in which language, with which token its forms are sent."""

    tenant: Tenant
    reader: PageReader
    token: str
    root: str


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
        return self._page("applications", page, found=found, report=report, wanted=wanted, more=more)

    def application(
        self, page: PageOfOffice, answer: ApplicationAnswer, *, typed: TypedDecision | None = None
    ) -> web.Response:
        """Return one application; `typed` is a decision that was not taken, which stands in its form again."""
        status = 200 if typed is None else _CONFLICT if typed.unlike or not typed.field else _WRONG
        return self._page("application", page, status=status, seen=answer, typed=typed)

    def report(self, page: PageOfOffice, report: RecognitionReport) -> web.Response:
        """Return how the office decides, and like cases that it decided unlike."""
        return self._page("report", page, report=report)

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
