"""`POST /v1/events`: one envelope, or NDJSON of many with an answer per line. The signature is the only authority."""

from typing import Any

import msgspec
from aiohttp import web

from proto import envelope as envelopes
from proto.envelope import ENVELOPE_BYTES_MAX, Envelope, Opened
from proto.lifecycle import Refusal
from proto.one_of_many import OneOfMany
from proto.problem import BusyProblem, MalformedProblem, OutcomeUnknownProblem, Problem
from proto.subjects import BATCH_IDS_MAX
from proto.wire.ledger import Appended, AppendLine
from services.edge import LOG, Media, Reply, Route, annotate, problem_of_line, read_lines
from services.edge.body import LINE_MEDIA_TYPES, Turns
from services.edge.media_type import media_type_of
from services.ledger.config import Config
from services.ledger.domain import UnfinishedRulesProblem
from services.ledger.receipts import awaited_receipt, wait_seconds_of
from services.ledger.sequencing.free_space import NoSpaceProblem
from services.ledger.sequencing.sequencer import NotAppendedProblem
from services.ledger.sequencing.submission import Outcome, SequencingAnswer, Submission
from services.ledger.service import LEDGER, Ledger

_ENCODE = msgspec.json.Encoder().encode
_DECODE_EACH = 64
"""Lines decoded between two turns of the event loop, so that a large submission does not hold up the others."""
_CREATED, _KNOWN = 201, 200
_TOO_MANY_IDS = (
    f"The events of one submission are about at most {BATCH_IDS_MAX} credentials: send this line again in another one"
)


class _Sent(msgspec.Struct):
    """A line as it came: its number among the lines sent, and what it holds or why it is refused."""

    number: int
    opened: Opened | Problem


async def append(request: web.Request, *, raw: bytes) -> Reply | web.Response:
    """Answer one envelope, or lines of them."""
    if media_type_of(request) in LINE_MEDIA_TYPES:
        return await _append_lines(request)
    ledger = request.app[LEDGER]
    outcomes = await _submitted(ledger, [envelopes.open_envelope(envelopes.decode(raw))])
    outcome = outcomes[0]
    _count(ledger, outcomes)
    if isinstance(outcome, Problem):
        raise outcome
    status = _CREATED if outcome.is_new else _KNOWN
    appended, applied = await _with_receipt(request, outcome.appended)
    return Reply(appended, status=status, headers={"Content-Type": "application/json", **applied})


async def _with_receipt(request: web.Request, appended: Appended) -> tuple[Appended, dict[str, str]]:
    """Return the answer with its receipt where that was preferred and came in time, and the header that says so."""
    seconds = wait_seconds_of(request.headers.getall("Prefer", ()))
    if seconds is None:
        return appended, {}
    try:
        receipt = await awaited_receipt(request.app[LEDGER], appended.index, wait_seconds=seconds)
    except Exception as error:  # noqa: BLE001 - the event is appended, whatever becomes of its receipt
        request.app[LOG].failure("receipt_failed", error, index=appended.index)
        receipt = None
    if receipt is None:
        return appended, {}
    return msgspec.structs.replace(appended, receipt=receipt.decode()), {"Preference-Applied": f"wait={seconds}"}


async def _append_lines(request: web.Request) -> web.Response:
    ledger = request.app[LEDGER]
    sent = await _read(request, ledger.config)
    opened = [each.opened for each in sent if not isinstance(each.opened, Problem)]
    decided = iter(await _submitted(ledger, opened) if opened else [])
    outcomes = [each.opened if isinstance(each.opened, Problem) else next(decided) for each in sent]
    _count(ledger, outcomes)
    annotate(request, events=len(sent))
    lines = [_ENCODE(_line(each.number, outcome)) for each, outcome in zip(sent, outcomes, strict=True)]
    return web.Response(body=b"\n".join([*lines, b""]), content_type="application/x-ndjson")


async def _read(request: web.Request, config: Config) -> list[_Sent]:
    """Return the lines that were sent, each decoded or refused by itself."""
    sent: list[_Sent] = []
    turns = Turns(lines_each=_DECODE_EACH)
    room = BATCH_IDS_MAX
    async for line in read_lines(request, line_bytes_max=ENVELOPE_BYTES_MAX, line_count_max=config.lines_max):
        opened = _opened_or_fault(request, len(sent) + 1, line.content)
        if isinstance(opened, Opened):
            room -= opened.weight
            opened = opened if room >= 0 else BusyProblem(_TOO_MANY_IDS)
        sent.append(_Sent(len(sent) + 1, opened))
        await turns.worked(len(line.content or b""))
    return sent


def _opened_or_fault(request: web.Request, number: int, content: bytes | None) -> Opened | Problem:
    """Return the envelope of a line, or why there is none: whatever one line breaks, the others are appended."""
    if content is None:
        return MalformedProblem(f"An envelope has at most {ENVELOPE_BYTES_MAX} bytes; this line has more")
    with OneOfMany() as this:
        opened = envelopes.open_envelope(envelopes.decode(content))
    return problem_of_line(request.app[LOG], this.broken, number=number) if this.broken is not None else opened


async def _submitted(ledger: Ledger, opened: list[Opened]) -> list[Outcome]:
    submission = Submission(opened)
    try:
        await ledger.intake.submit(submission)
    except Problem as problem:
        _count(ledger, [problem] * len(opened))
        raise
    return [outcome for outcome in submission.outcomes if outcome is not None]


def _line(number: int, outcome: Outcome) -> AppendLine:
    if isinstance(outcome, SequencingAnswer):
        return AppendLine(line=number, status=_CREATED if outcome.is_new else _KNOWN, appended=outcome.appended)
    return AppendLine(line=number, status=outcome.status, problem=outcome.document())


def _count(ledger: Ledger, outcomes: list[Outcome]) -> None:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        name = outcome.slug if isinstance(outcome, Problem) else "appended" if outcome.is_new else "known"
        counts[name] = counts.get(name, 0) + 1
    for name, count in counts.items():
        ledger.metrics.sequencing.events.labels(name).inc(count)


_DESCRIPTION = """Anyone may submit: the signature is the authority. `application/json` holds one DSSE envelope and is
answered 201, or 200 with the first answer if the event is on the log already. `application/x-ndjson` holds up to 1,000
envelopes, one a line, about up to 16,384 credentials in all, and is answered 200 with one line per line sent, in order;
a refused line disturbs no other. An event about many credentials is appended whole or not at all; its refusal names
every credential that breaks a rule.
Nothing is answered before it is committed. After a 503 or a lost connection send the same bytes again. With `Prefer:
wait=N`, one envelope's answer carries the receipt if the entry is published within N seconds."""


def submit_routes(config: Config) -> list[Route]:
    """Return the one route by which the log grows."""
    responses: dict[int, Any] = {_CREATED: Appended, _KNOWN: Media("application/x-ndjson", AppendLine)}
    return [
        Route(
            "POST",
            "/v1/events",
            append,
            operation="append_events",
            summary="Append signed events",
            again="the receipt of the first time, for each event that is on the log already",
            description=_DESCRIPTION,
            tag="log",
            request=bytes,
            request_media=("application/json",),
            request_lines=Envelope,
            response=responses,
            problems=(
                MalformedProblem,
                Refusal,
                UnfinishedRulesProblem,
                BusyProblem,
                NotAppendedProblem,
                OutcomeUnknownProblem,
                NoSpaceProblem,
            ),
            body_bytes_max=config.submission_bytes_max,
        )
    ]
