"""`credentify say-again`: what the condemnation of a stolen key made void and was genuine, said again from its list.

The list is the one that `credentify stolen-key --list` wrote, less what was the thief's. The gateway says only what it
said for this institution before, each event once: a run that broke off is begun again with the same list.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import click
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.ids import CredentialId, EventId, LeafIndex
from proto.problem import InvalidProblem
from proto.wire.said_again import LeftOut, MissingPart, SaidAgain
from services.clients.gateway import GatewayClient
from services.clients.http_client import AnsweredProblem
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import EXIT_PROBLEM, as_json_option, command, console, print_json
from services.command.stolen_key import ISSUES, Voided

_DECODE = msgspec.json.Decoder(Voided).decode
_ISSUES = frozenset(str(kind.__struct_config__.tag) for kind in ISSUES)
_STATEMENTS = frozenset({"achievement-recognised.v1", "credential-recognised.v2", "endorser-invited.v1"})
_RESTING = frozenset(
    {"credential-recognised.v2", "recognition-withdrawn.v1", "achievement-recognition-withdrawn.v1"}
    | {"endorser-uninvited.v1", "endorsement-withdrawn.v1", "credential-endorsed.v1"}
)
"""Types of events that may name, or need, one of `_STATEMENTS` before them."""
_NOT_OURS, _FORBIDDEN, _TRANSIENT_FROM = "unknown-event-here", 403, 500
_WAITS_S = (0.5, 1, 2, 4, 8, 15, 30)
State = Literal["said-again", "would-be-said-again", "after-others", "not-said-here", "refused"]
_WORDS: dict[State, str] = {
    "said-again": "said again",
    "would-be-said-again": "would be said again",
    "after-others": "rests on what stands above it: decided once that is said",
    "not-said-here": "was not said by this gateway for this institution: left void",
    "refused": "refused",
}


class SaidRow(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one event of the list."""

    index: LeafIndex
    event_id: EventId
    event_type: str
    state: State
    credential_count: int = 0
    now: EventId | None = None
    left_out: tuple[LeftOut, ...] = ()
    code: str | None = None
    detail: str | None = None
    parts_missing: tuple[MissingPart, ...] = ()

    @property
    def is_right(self) -> bool:
        """Whether nothing is left to be done by hand."""
        return self.state != "refused" and not self.left_out


def read_list(path: Path) -> list[Voided]:
    """Return the events of a list in the order of the log; raises `InvalidProblem` for a line that is none."""
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(_DECODE(line))
        except DECODE_ERRORS as error:
            raise InvalidProblem(
                f"Line {number} is no line that credentify stolen-key --list has written: take out whole lines only"
            ) from error
    return sorted(found, key=lambda each: each.index)


async def _said(client: GatewayClient, voided: Sequence[Voided], *, is_dry: bool) -> list[SaidRow]:
    """Say each again, or try to, in the order of the log: later ones rest on earlier ones."""
    rows: list[SaidRow] = []
    issued: set[CredentialId] = set()
    has_statements = False
    for each in voided:
        rests = not issued.isdisjoint(each.credential_ids) or (has_statements and each.event_type in _RESTING)
        row = await _one(client, each, is_dry=is_dry, rests=rests, issued=issued)
        rows.append(row)
        has_statements = has_statements or each.event_type in _STATEMENTS
        if each.event_type in _ISSUES and row.state not in {"refused", "not-said-here"}:
            issued.update(set(each.credential_ids) - {left.credential_id for left in row.left_out})
    return rows


async def _one(
    client: GatewayClient, each: Voided, *, is_dry: bool, rests: bool, issued: Collection[CredentialId]
) -> SaidRow:
    """Say one again; what the rules refuse for now only, since what it rests on is on its way, is asked again."""
    for wait in (*([] if is_dry else _WAITS_S), None):
        try:
            return _row(each, await client.say_event_again(each.event_id, dry_run=is_dry))
        except AnsweredProblem as problem:
            if wait is None or problem.answer.get("final") is not False:
                row = _refused(each, problem)
                is_waiting = is_dry and (rests or _are_above(row.parts_missing, issued))
                is_waiting = is_waiting and row.state == "refused"
                return msgspec.structs.replace(row, state="after-others") if is_waiting else row
            await asyncio.sleep(wait)
    raise AssertionError("the last try is answered")


def _are_above(missing: Sequence[MissingPart], issued: Collection[CredentialId]) -> bool:
    """Tell whether a stack is refused for parts that are void alone, all of which are issued again before it."""
    return bool(missing) and all(part.state == "void" and part.credential_id in issued for part in missing)


def _row(each: Voided, answer: SaidAgain) -> SaidRow:
    return SaidRow(
        index=each.index,
        event_id=each.event_id,
        event_type=each.event_type,
        state="would-be-said-again" if answer.again is None else "said-again",
        credential_count=len(answer.credential_ids),
        now=answer.again.event_id if answer.again else None,
        left_out=answer.left_out,
    )


def _refused(each: Voided, problem: AnsweredProblem) -> SaidRow:
    """Return the row of a refusal; raises what is no answer about this event: an outage, or a key without the scope."""
    slug = problem.answer_slug
    if problem.answer_status in {401, _FORBIDDEN} or problem.answer_status >= _TRANSIENT_FROM:
        raise problem
    state: State = "not-said-here" if slug == _NOT_OURS else "refused"
    code = str(problem.answer.get("code", slug))
    detail = None if state == "not-said-here" else problem.detail
    return SaidRow(
        index=each.index,
        event_id=each.event_id,
        event_type=each.event_type,
        state=state,
        code=code,
        detail=detail,
        parts_missing=msgspec.convert(problem.answer.get("parts", []), tuple[MissingPart, ...]),
    )


@click.command("say-again")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gateway_option
@institution_key_option
@click.option("--dry-run", is_flag=True, help="Say what would come of it, and sign nothing.")
@click.option("--yes", is_flag=True, help="Do not try it first and ask.")
@as_json_option
@command
async def say_again(*, file: Path, gateway: str, api_key_file: Path, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Say again what FILE lists, which `stolen-key --list` wrote; take the lines of what was the thief's out first.

    Ids, documents and links of credentials stay as they were. Repeat it after a break: nothing is said twice.
    """
    voided = read_list(file)
    async with gateway_client(gateway, api_key_file) as client:
        rows = [] if yes and not dry_run else await _said(client, voided, is_dry=True)
        if not dry_run:
            if not yes:
                _print(rows)
                click.confirm("Say this again, under the institution's present key?", abort=True, err=True)
            rows = await _said(client, voided, is_dry=False)
    if as_json:
        print_json(rows)
    else:
        _print(rows)
    if not all(row.is_right for row in rows):
        sys.exit(EXIT_PROBLEM)


def _print(rows: Sequence[SaidRow]) -> None:
    for row in rows:
        about = f", {row.credential_count} credentials" if row.credential_count else ""
        told = f" ({row.code}): {row.detail}" if row.detail and row.state == "refused" else ""
        console.print(f"entry {row.index}  {row.event_type}{about}: {_WORDS[row.state]}{told}", markup=False)
        for each in row.left_out:
            console.print(f"  left out  {each.credential_id} ({each.code}): {each.detail}", markup=False)
        for part in row.parts_missing if row.state == "refused" else ():
            console.print(f"  part  {part.credential_id}: {part.state or 'not on the log'}", markup=False)
    counts = Counter(row.state for row in rows)
    said = ", ".join(f"{count} {_WORDS[state].partition(':')[0]}" for state, count in counts.items())
    console.print(f"{len(rows)} events: {said or 'nothing to do'}", markup=False)
