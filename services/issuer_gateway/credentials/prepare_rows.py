"""Many awards made ready to be issued, each row by itself: what one row breaks is that row's alone."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from proto.documents.credential import Award
from proto.ids import ApiKeyId
from proto.lifecycle import Refusal
from proto.moment import Moment
from proto.one_of_many import OneOfMany
from proto.problem import InvalidProblem, MalformedProblem, Problem
from services.edge import Log
from services.issuer_gateway.credentials.prepare_award import PrepareAward, unknown_achievement
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.award_draft import AwardDrafts
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.status_lists import StatusLists
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection, Pool, keep_alive

ROWS_AT_A_TIME = 10
"""After so many rows of a batch, others get their turn."""


class ReadRow(msgspec.Struct, frozen=True):
    """One row of a batch as it was read: its line, its award or why it cannot be read, its `record` of a file."""

    line: int
    award: Award | None = None
    problem: Problem | None = None
    record: bytes = b""
    is_csv: bool = False
    rest: Award | None = None
    """Of a wrong row, the award without what is wrong: more can be said of it."""


def may_pass(problem: Problem) -> bool:
    """Tell whether the same event may be admitted later."""
    return isinstance(problem, Refusal) and not problem.is_final


def with_fault(problem: Problem, more: Problem) -> Problem:
    """Return a row's problem with one more fault of it."""
    first = {"pointer": problem.pointer or "", "code": problem.members.get("code", problem.slug)}
    errors = problem.members.get("errors") or [{**first, "detail": problem.detail}]
    added = {"pointer": more.pointer or "", "code": more.members.get("code", more.slug), "detail": more.detail}
    return problem_of_faults([*errors, added])


def problem_of_faults(errors: Sequence[dict[str, str]]) -> Problem:
    """Return the problem of a row with one or more faults, each with pointer, code and detail."""
    first = errors[0]
    if len(errors) == 1:
        return InvalidProblem(first["detail"], pointer=first["pointer"], members={"code": first["code"]})
    said = " | ".join(f"{error['pointer'].removeprefix('/')}: {error['detail']}".removeprefix(": ") for error in errors)
    members = {"code": first["code"], "errors": list(errors)}
    return InvalidProblem(f"{len(errors)} faults. {said}", pointer=first["pointer"], members=members)


class PrepareRows:
    """Prepares the rows of one institution."""

    def __init__(self, pool: Pool, prepare: PrepareAward, status_lists: StatusLists, *, log: Log) -> None:
        self._pool = pool
        self._prepare = prepare
        self._status_lists = status_lists
        self._log = log

    async def prepare(
        self,
        tenant: Tenant,
        rows: Sequence[ReadRow],
        now: Moment,
        *,
        is_dry: bool = False,
        api_key_id: ApiKeyId | None = None,
        connection: Connection | None = None,
    ) -> tuple[dict[int, PreparedAward], dict[int, Problem]]:
        """Return by line what is ready to be issued, and why the others are not; what `is_dry` is never stored.

        In the caller's transaction where there is a `connection`, which is kept alive meanwhile.
        """
        stated = [award for row in rows if (award := row.award or row.rest) is not None]
        uris = [award.achievement for award in stated]
        known = await achievements.by_uris(connection or self._pool, tenant.institution_id, uris)
        items: dict[int, PreparedAward] = {}
        refused: dict[int, Problem] = {}
        if not is_dry:
            await self._status_lists.reserve(tenant, len(uris))
        drafts = AwardDrafts()
        for count, row in enumerate(rows, start=1):
            if count % ROWS_AT_A_TIME == 0:
                await (asyncio.sleep(0) if connection is None else keep_alive(connection))
            if row.award is None:
                refused[row.line] = await self._with_more(tenant, row, known, now)
            elif row.award.achievement not in known:
                refused[row.line] = unknown_achievement(row.award.achievement)
            else:
                with OneOfMany() as this:
                    achievement = known[row.award.achievement]
                    items[row.line] = await self._prepare.prepare(
                        tenant, row.award, achievement, now=now, is_dry=is_dry, api_key_id=api_key_id, drafts=drafts
                    )
                if this.broken is not None:
                    refused[row.line] = problem_of_row(self._log, row.line, this.broken)
        return items, refused

    def give_up(self, items: Iterable[PreparedAward]) -> None:
        """Have the places on the status list again of what was prepared and is stored nowhere, and never will be."""
        self._status_lists.take_back(item.place for item in items if item.place is not None)

    async def _with_more(
        self,
        tenant: Tenant,
        row: ReadRow,
        known: Mapping[str, achievements.StoredAchievement],
        now: Moment,
    ) -> Problem:
        """Return why a row cannot be read, with what would be wrong of its award besides."""
        problem = row.problem or MalformedProblem("The row cannot be read")
        if row.rest is None:
            return problem
        achievement = known.get(row.rest.achievement)
        if achievement is None:
            return with_fault(problem, unknown_achievement(row.rest.achievement))
        with OneOfMany() as this:
            await self._prepare.prepare(tenant, row.rest, achievement, now=now, is_dry=True)
        return with_fault(problem, this.broken) if isinstance(this.broken, Problem) else problem
