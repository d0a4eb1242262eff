"""Applications for recognition, and what can be stacked, as calls."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from proto.ids import ApplicationId
from proto.wire.applications import (
    ApplicationAnswer,
    ApplicationBody,
    ApplicationMade,
    ApplicationPage,
    ApplicationSeen,
    DecisionBody,
    RecognitionReport,
)
from proto.wire.gateway import StackRequest
from proto.wire.reminders import Reminder, ReminderPage
from proto.wire.stacks import StackAdvicePage, StackPreview
from services.clients.http_client import HttpClient
from services.clients.pages import every_page

Json = dict[str, Any]


class ApplicationCalls(HttpClient):
    """Calls of applicants, by their secret link, and of the office that decides; and advice on stacks."""

    async def apply_for_recognition(
        self, application: ApplicationBody | Json, *, key: str | None = None
    ) -> ApplicationMade:
        """Ask an institution to recognise what others taught; the secret link in the answer is shown this once."""
        return await self.call("POST", "/v1/recognition-applications", ApplicationMade, send=application, key=key)

    async def application_by_link(self, secret: str) -> ApplicationSeen:
        """Return how an application stands, for its applicant."""
        return await self.call("GET", f"/v1/application-links/{secret}", ApplicationSeen)

    async def appeal(self, secret: str, number: int, text: str) -> ApplicationSeen:
        """Ask for another decision on a piece of evidence, by another person."""
        path = f"/v1/application-links/{secret}/items/{number}/appeal"
        return await self.call("POST", path, ApplicationSeen, send={"text": text})

    async def export_application_by_link(self, secret: str) -> bytes:
        """Return all that is kept of an application (ZIP), for its applicant."""
        return await self.request_bytes("GET", f"/v1/application-links/{secret}/export")

    async def export_application(self, application_id: ApplicationId) -> bytes:
        """Return all that is kept of an application (ZIP), which the institution hands to its applicant."""
        return await self.request_bytes("GET", f"/v1/recognition-applications/{application_id}/export")

    async def say_whose_application(self, application_id: ApplicationId, learner: str | None) -> ApplicationAnswer:
        """Say which learner of the institution an applicant is, by its own name; None: it is none."""
        path = f"/v1/recognition-applications/{application_id}/learner"
        return await self.call("PUT", path, ApplicationAnswer, send={"learner": learner})

    async def withdraw_application(self, secret: str) -> ApplicationSeen:
        """Withdraw an application, and erase all that was written, shown and decided in it."""
        return await self.call("DELETE", f"/v1/application-links/{secret}", ApplicationSeen)

    async def application_page(self, secret: str) -> bytes:
        """Return the page (HTML) of an application."""
        return await self.request_bytes("GET", f"/applications/{secret}")

    async def appeal_on_page(self, secret: str, number: int, fields: Mapping[str, str]) -> bytes:
        """Send the form that appeals; return the page that follows."""
        return await self._form(f"/applications/{secret}/items/{number}/appeal", fields)

    async def withdraw_application_on_page(self, secret: str) -> bytes:
        """Send the form that withdraws an application; return the page that follows."""
        return await self._form(f"/applications/{secret}/withdraw", {})

    async def applications(
        self,
        *,
        state: str | None = None,
        programme: str | None = None,
        overdue: bool = False,
        appealed: bool = False,
        cursor: str | None = None,
    ) -> ApplicationPage:
        """Return applications to the institution, those that are due first; `appealed` with an appeal that waits."""
        chosen = {"state": state, "programme": programme, "cursor": cursor}
        chosen |= {"overdue": "true" if overdue else None, "appealed": "true" if appealed else None}
        query = {name: value for name, value in chosen.items() if value}
        return await self.call("GET", "/v1/recognition-applications", ApplicationPage, query=query)

    async def all_applications(
        self,
        *,
        state: str | None = None,
        programme: str | None = None,
        overdue: bool = False,
        appealed: bool = False,
    ) -> AsyncIterator[ApplicationAnswer]:
        """Yield all applications to the institution that `applications` would return page by page."""
        chosen: Json = {"state": state, "programme": programme, "overdue": overdue, "appealed": appealed}
        async for page in every_page(lambda cursor: self.applications(**chosen, cursor=cursor)):
            for item in page.applications:
                yield item

    async def application_evidence(self, application_id: ApplicationId, number: int) -> bytes:
        """Return a piece of evidence as the file that it came as."""
        return await self.request_bytes("GET", f"/v1/recognition-applications/{application_id}/items/{number}/file")

    async def application(self, application_id: ApplicationId) -> ApplicationAnswer:
        """Return an application with its evidence as it was checked, and how like cases were decided."""
        return await self.call("GET", f"/v1/recognition-applications/{application_id}", ApplicationAnswer)

    async def decide_application(
        self, application_id: ApplicationId, number: int, decision: DecisionBody | Json, *, key: str | None = None
    ) -> ApplicationAnswer:
        """Decide on a piece of evidence: in full, in part, or refused with reasons."""
        path = f"/v1/recognition-applications/{application_id}/items/{number}/decision"
        return await self.call("POST", path, ApplicationAnswer, send=decision, key=key)

    async def reminders(self, *, after: int = 0) -> ReminderPage:
        """Return what the office is reminded of, behind the number of the last one that is known."""
        return await self.call("GET", "/v1/reminders", ReminderPage, query={"after": after})

    async def all_reminders(self, *, after: int = 0) -> AsyncIterator[Reminder]:
        """Yield all that the office is reminded of, page after page, behind the number of the last that is known."""
        while (found := await self.reminders(after=after)).reminders:
            for each in found.reminders:
                yield each
            after = found.next_after

    async def recognition_report(self) -> RecognitionReport:
        """Return how the office decides, and like cases that were decided unlike."""
        return await self.call("GET", "/v1/recognition-report", RecognitionReport)

    async def stacks_for(self, learner: str, *, cursor: str | None = None) -> StackAdvicePage:
        """Return what a learner can stack now, and what is missing for the rest."""
        query = {"cursor": cursor} if cursor else {}
        return await self.call("GET", f"/v1/learners/{quote(learner, safe='')}/stacks", StackAdvicePage, query=query)

    async def preview_stack(self, request: StackRequest | Json) -> StackPreview:
        """Add the parts of a stack up, without making it."""
        return await self.call("POST", "/v1/stacks/preview", StackPreview, send=request)

    async def _form(self, path: str, fields: Mapping[str, str]) -> bytes:
        media_type = "application/x-www-form-urlencoded"
        return await self.request_bytes("POST", path, body=urlencode(fields).encode(), content_type=media_type)
