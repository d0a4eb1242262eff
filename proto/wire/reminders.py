"""Bodies of the issuer gateway's HTTP about reminders. Knows form and limits."""

from typing import Literal

from proto.events import Record
from proto.ids import ApplicationId
from proto.moment import Moment


class Reminder(Record, frozen=True, kw_only=True):
    """An application that waits for a decision is due soon, or overdue; said once, and after an appeal once more."""

    reminder_id: int
    kind: Literal["due-soon", "overdue"]
    application_id: ApplicationId
    due_at: Moment
    created_at: Moment


class ReminderPage(Record, frozen=True, kw_only=True):
    """`GET /v1/reminders`: in the order in which they came; `next_after` asks for those that come later."""

    reminders: tuple[Reminder, ...]
    next_after: int
