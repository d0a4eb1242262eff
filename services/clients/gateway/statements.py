"""What institutions say of each other's achievements and credentials, as calls."""

from typing import Any

from proto.ids import CredentialId, EventId
from proto.wire.gateway import EventAnswer, RecognitionRequest
from proto.wire.grade_conditions import GradeConditionList, GradePreview, GradeTrial
from proto.wire.institutions import GradeCondition
from proto.wire.own_statements import (
    EndorsementPage,
    EndorsementRequest,
    EndorserRequest,
    InvitationPage,
    StandingDecisionPage,
    StandingDecisionRequest,
)
from services.clients.http_client import HttpClient
from services.clients.pages import page_query

Json = dict[str, Any]


class StatementCalls(HttpClient):
    """Calls about recognitions, standing decisions, invitations and endorsements; all are named by their event ids."""

    async def recognise(self, request: RecognitionRequest | Json, *, key: str | None = None) -> EventAnswer:
        """Recognise a credential towards a programme."""
        return await self.call("POST", "/v1/recognitions", EventAnswer, send=request, key=key)

    async def withdraw_recognition(self, event_id: EventId, *, key: str | None = None) -> EventAnswer:
        """Withdraw a recognition."""
        return await self.call("DELETE", f"/v1/recognitions/{event_id}", EventAnswer, key=key)

    async def make_standing_decision(
        self, request: StandingDecisionRequest | Json, *, key: str | None = None
    ) -> EventAnswer:
        """Decide once how an achievement of another institution counts."""
        return await self.call("POST", "/v1/standing-decisions", EventAnswer, send=request, key=key)

    async def standing_decisions(self, *, cursor: str | None = None, limit: int | None = None) -> StandingDecisionPage:
        """Return the institution's standing decisions, the newest first."""
        query = page_query(cursor, limit)
        return await self.call("GET", "/v1/standing-decisions", StandingDecisionPage, query=query)

    async def withdraw_standing_decision(self, event_id: EventId, *, key: str | None = None) -> EventAnswer:
        """Withdraw a standing decision; what was recognised under it stays."""
        return await self.call("DELETE", f"/v1/standing-decisions/{event_id}", EventAnswer, key=key)

    async def grade_conditions(self) -> GradeConditionList:
        """Return for which grades the institution's standing decisions decide at once."""
        return await self.call("GET", "/v1/grade-conditions", GradeConditionList)

    async def set_grade_condition(self, condition: GradeCondition | Json) -> GradeConditionList:
        """Say for which grades a standing decision decides at once, in place of what was said of it before."""
        return await self.call("PUT", "/v1/grade-conditions", GradeConditionList, send=condition)

    async def preview_grade_condition(self, trial: GradeTrial | Json) -> GradePreview:
        """Return what a condition means and whom it would have touched; nothing is kept."""
        return await self.call("POST", "/v1/grade-conditions/preview", GradePreview, send=trial)

    async def remove_grade_condition(self, *, achievement_issuer: str, achievement: str, programme: str) -> None:
        """Ask for no grades any more of an institution's achievement towards a programme."""
        place = {"achievement_issuer": achievement_issuer, "achievement": achievement, "programme": programme}
        await self.request_bytes("DELETE", "/v1/grade-conditions", query=place)

    async def invite_endorser(self, request: EndorserRequest | Json, *, key: str | None = None) -> EventAnswer:
        """Invite an institution to endorse the credentials of an achievement, in one role."""
        return await self.call("POST", "/v1/endorsers", EventAnswer, send=request, key=key)

    async def endorsers(
        self, *, received: bool = False, cursor: str | None = None, limit: int | None = None
    ) -> InvitationPage:
        """Return the invitations that the institution made, or those that it got (`received`), the newest first."""
        query = page_query(cursor, limit) | ({"received": "true"} if received else {})
        return await self.call("GET", "/v1/endorsers", InvitationPage, query=query)

    async def uninvite_endorser(self, event_id: EventId, *, key: str | None = None) -> EventAnswer:
        """Withdraw an invitation, and with it what was endorsed by it."""
        return await self.call("DELETE", f"/v1/endorsers/{event_id}", EventAnswer, key=key)

    async def endorse(
        self, credential_id: CredentialId, request: EndorsementRequest | Json, *, key: str | None = None
    ) -> EventAnswer:
        """Endorse a credential of an institution that has invited this one."""
        path = f"/v1/credentials/{credential_id}/endorsements"
        return await self.call("POST", path, EventAnswer, send=request, key=key)

    async def endorsements(
        self, credential_id: CredentialId, *, cursor: str | None = None, limit: int | None = None
    ) -> EndorsementPage:
        """Return the endorsements of a credential, the newest first."""
        path = f"/v1/credentials/{credential_id}/endorsements"
        return await self.call("GET", path, EndorsementPage, query=page_query(cursor, limit))

    async def withdraw_endorsement(
        self, credential_id: CredentialId, event_id: EventId, *, key: str | None = None
    ) -> EventAnswer:
        """Withdraw an endorsement."""
        path = f"/v1/credentials/{credential_id}/endorsements/{event_id}"
        return await self.call("DELETE", path, EventAnswer, key=key)
