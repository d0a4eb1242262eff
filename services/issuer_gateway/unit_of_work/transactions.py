"""One transaction for what belongs together; begun anew where a refusal is over once the log is followed further."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from proto.lifecycle import Refusal
from proto.problem import BusyProblem, OutcomeUnknownProblem
from services.issuer_gateway.domain.places_at_hand import lending
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.issuer_gateway.unit_of_work.audited_call import unrecorded
from services.issuer_gateway.unit_of_work.storage import RequestStorage
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import WAITED_ERRORS, CommitUnknownError

T = TypeVar("T")


def outcome_unknown() -> OutcomeUnknownProblem:
    """Return what is said of work whose COMMIT was not answered."""
    return OutcomeUnknownProblem(
        "The database went away while committing. Send the same request with the same Idempotency-Key again"
    )


class UnitOfWork:
    """Runs the work of requests. `advanced` fires when the log was followed further; a request waits `wait_seconds`.

    If we crash before the COMMIT, nothing of the work has happened; after it all has, whoever was told.
    """

    def __init__(self, storage: RequestStorage, advanced: Signal, *, wait_seconds: float) -> None:
        self._storage = storage
        self._advanced = advanced
        self._wait_seconds = wait_seconds

    async def in_transaction(self, work: Callable[[Connection], Awaitable[T]], *, waits: bool = True) -> T:
        """Run `work` in one transaction and return what it returns; whose request it is, is recorded in it too.

        A refusal that may be over once the gateway has followed the log further is tried again until the request's wait
        is over. Raises what `work` raises, `BusyProblem` and `OutcomeUnknownProblem`.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._wait_seconds if waits else 0.0)
        while True:
            try:
                with lending():
                    async with self._storage.transaction() as connection:
                        done = await work(connection)
                        if (call := unrecorded()) is not None:
                            await self._storage.add_audit_records(connection, [call.record()])
                if call is not None:
                    call.is_recorded = True
                return done  # noqa: TRY300 - it is returned only once it is committed
            except (Refusal, LogNotFollowedProblem) as refusal:
                if getattr(refusal, "is_final", False) or not await self._advanced.wait(deadline - loop.time()):
                    raise
            except WAITED_ERRORS as error:
                raise BusyProblem("Another request is working on the same thing; send this one again") from error
            except CommitUnknownError as error:
                raise outcome_unknown() from error
