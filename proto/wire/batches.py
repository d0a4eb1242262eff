"""Bodies of the issuer gateway's HTTP about lists: how far a batch is, what its rows became. Knows form and limits."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from proto.events import Record
from proto.ids import BatchId, CredentialId, EventId
from proto.moment import Moment

BATCH_ROWS_MAX = 1_000
BatchState = Literal["waiting", "running", "finished", "cancelled", "failed"]


class BatchRow(Record, frozen=True, kw_only=True):
    """What became of one row; `line` counts from 1 as in the file that was sent (a CSV's header is line 1).

    `state` is `checked` in a dry run, `accepted` where the credential exists (ask for it by its id), `already-awarded`
    where the same award was made before and names that credential, else `refused`.
    """

    line: int
    state: Literal["checked", "accepted", "already-awarded", "refused"]
    credential_id: CredentialId | None = None
    event_id: EventId | None = None
    problem: dict[str, Any] | None = None
    notes: Annotated[
        tuple[str, ...], Meta(description="Of a dry run: what the credential will be noted for; else they are with it")
    ] = ()


class BatchProgress(Record, frozen=True, kw_only=True):
    """How far a batch is. `failed` is a fault of the gateway, for its operator; what was done before it stays done."""

    batch_id: BatchId
    state: BatchState
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    published_count: Annotated[int, Meta(description="Accepted rows whose event is in a published checkpoint")] = 0
    is_dry_run: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        if self.state == "finished" and not self.is_dry_run:
            return self.published_count >= self.accepted_count
        return self.state not in {"waiting", "running"}


class BatchSummary(Record, frozen=True, kw_only=True):
    """A batch in a list; `waiting` is also one of few rows that broke off, and goes on when it is sent again."""

    batch_id: BatchId
    kind: Literal["awards", "changes"]
    state: BatchState
    created_at: Moment
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    is_dry_run: bool = False


class BatchPage(Record, frozen=True, kw_only=True):
    """Some of the institution's batches, the newest first."""

    batches: tuple[BatchSummary, ...]
    next_cursor: str | None = None


class BatchEvent(Record, frozen=True, kw_only=True):
    """A server-sent event of a batch: `data` is a `BatchProgress` as JSON text, `{}` at the end."""

    event: Literal["progress", "end"]
    data: str


class BatchAnswer(Record, frozen=True, kw_only=True):
    """`POST /v1/batches`: a result per row; send the same under the same key again to continue after a failure.

    Of a batch in the background `state` says how far it is; of more than 1,000 rows, `rows` is empty and `rows_at` says
    where they are.
    """

    batch_id: BatchId | None
    is_dry_run: bool
    is_complete: bool
    row_count: int
    accepted_count: int
    refused_count: int
    already_awarded_count: Annotated[int, Meta(description="Rows that were awarded before; nothing is done twice")] = 0
    published_count: Annotated[int, Meta(description="Accepted rows whose event is in a published checkpoint")] = 0
    state: BatchState | None = None
    rows_at: str | None = None
    read_as: Annotated[
        tuple[str, ...], Meta(description="In which way a table was read, where that is not the usual one")
    ] = ()
    rows: tuple[BatchRow, ...]
