"""An application as it stands in the office's list: whose, towards what, how far. Holds nothing of what was shown."""

import msgspec

from proto.ids import ApplicationId
from proto.moment import Moment
from proto.wire.applications import Applicant, ApplicationState


class ListedApplication(msgspec.Struct, frozen=True, kw_only=True):
    """An application to choose from; `applicant` is None once it is erased, and so are its documents."""

    application_id: ApplicationId
    state: ApplicationState
    due_at: Moment
    is_overdue: bool
    programme: str
    programme_title: str | None
    applicant: Applicant | None
    document_count: int

    @property
    def is_erased(self) -> bool:
        """Whether what was written and shown is gone."""
        return self.applicant is None
