"""What followers and clients ask of the ledger beyond tiles and proofs: what it is, entries, places, long polls."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from proto.envelope import open_envelope
from proto.event_fields import INTEGER_MAX
from proto.ids import LeafIndex, TreeSize
from proto.lifecycle import Book
from proto.log.entry import Entry
from proto.log.entry import decode as decode_entry
from proto.problem import NotFoundProblem, UnavailableProblem
from proto.wire.ledger import Body, EventPlace, LogInfo
from proto.wire.paths import EventPath
from services.edge import LineWriter, Media, Reply, Route, parameter_problem
from services.ledger import store
from services.ledger.publishing.freezing import frozen
from services.ledger.service import LEDGER
from services.persistence import postgres_states

EntriesRangeField = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
ENTRIES_PER_READ = 256
IMMUTABLE = "public, max-age=604800, immutable"
PUBLIC = {"Access-Control-Allow-Origin": "*"}
NO_STORE = {**PUBLIC, "Cache-Control": "no-store"}


class EntriesQuery(Body, frozen=True, kw_only=True):
    """`from` inclusive, `to` exclusive; without `to`, as far as one answer goes."""

    begin: EntriesRangeField = msgspec.field(name="from")
    end: EntriesRangeField | None = msgspec.field(name="to", default=None)


class AfterPath(Body, frozen=True, kw_only=True):
    """The tree size that the follower has."""

    size: EntriesRangeField


class AfterQuery(Body, frozen=True, kw_only=True):
    """How long to wait, at most as long as the ledger is configured to."""

    wait_seconds: Annotated[float, Meta(ge=0, le=300)] = 25.0


class LongPollsProblem(UnavailableProblem):
    """As many requests wait as the ledger lets wait."""

    slug = "long-polls"
    title = "Too many requests wait for a checkpoint"


async def log_info(request: web.Request) -> Reply:
    """Return what a client configures, and the sizes.

    Followers take the size for the log's word that there is no more, and that so much is coming. So it is confirmed: a
    commit that a failover may lose is not promised, and a leader that was replaced, which knows of fewer, says nothing.
    """
    ledger = request.app[LEDGER]
    head = await store.head(ledger.pool)
    size = head.size if head else TreeSize(0)
    async with ledger.pool.acquire() as connection:
        book = Book()
        await postgres_states.load_log(connection, book)
        (first,) = await store.entries_at(connection, [LeafIndex(0)])
        end = await frozen(connection)
    await ledger.confirmations.confirmed()
    opening = open_envelope(decode_entry(first.data).envelope)
    info = LogInfo(
        origin=ledger.origin,
        verifier_key=ledger.verifier.text,
        witness_policy=ledger.policy_text,
        tree_size=size,
        published_size=ledger.publication.size,
        rules_version=book.opened_log().rules_version_at(LeafIndex(size)),
        publish_interval_ms=ledger.config.publish_interval_ms,
        registrar=opening.event.issuer,
        opening=opening.event_id,
        is_frozen=end is not None,
        successor=end.successor if end else None,
    )
    return Reply(info, headers=NO_STORE)


async def entries(request: web.Request, *, query: EntriesQuery) -> web.StreamResponse:
    """Stream the exact bytes of published entries, one a line."""
    ledger = request.app[LEDGER]
    if query.end is not None and query.end < query.begin:
        raise parameter_problem("to", "`to` lies before `from`")
    end = min(ledger.publication.size, query.begin + ledger.config.entries_per_request_max)
    is_whole = query.end is not None and query.end <= end
    end = query.end if is_whole and query.end is not None else end
    headers = {**PUBLIC, "Cache-Control": IMMUTABLE} if is_whole else NO_STORE
    async with LineWriter(request, headers=headers) as lines:
        for begin in range(query.begin, end, ENTRIES_PER_READ):
            stored = await store.entries(ledger.pool, begin, min(begin + ENTRIES_PER_READ, end))
            await lines.write_raw(b"".join([entry.data + b"\n" for entry in stored]))
    return lines.response


async def event(request: web.Request, *, path: EventPath) -> Reply:
    """Return where an event stands, sequenced or published."""
    ledger = request.app[LEDGER]
    places = await store.kept_places(ledger.pool, [path.event_id], published_size=ledger.publication.size)
    found = places.get(path.event_id)
    if found is None:
        raise NotFoundProblem("No event of this id is on the log")
    place = EventPlace(
        event_id=found.event_id,
        index=found.index,
        leaf_hash=found.leaf_hash,
        received_at=found.received_at,
        is_published=found.index < ledger.publication.size,
    )
    return Reply(place, headers=NO_STORE)


async def checkpoint_after(request: web.Request, *, path: AfterPath, query: AfterQuery) -> Reply:
    """Return the checkpoint as soon as its size exceeds `size`; 204 when the wait is over."""
    ledger = request.app[LEDGER]
    if ledger.publication.waiting_count >= ledger.config.long_polls_max:
        raise LongPollsProblem("Ask again in a moment", retry_after_seconds=1)
    wait_seconds = min(query.wait_seconds, ledger.config.long_poll_wait_seconds_max)
    with ledger.metrics.publishing.long_polls.track_inprogress():
        found = await ledger.publication.larger_than(path.size, wait_seconds=wait_seconds, stopping=ledger.stopping)
    return Reply(found.note, headers=NO_STORE) if found else Reply(status=204, headers=NO_STORE)


def read_routes() -> list[Route]:
    """Return the routes for followers and clients."""
    return [
        Route(
            "GET",
            "/v1/log",
            log_info,
            operation="read_log",
            summary="What a client configures",
            description="Answered 503 while no synchronous standby confirms what the database holds; what was "
            "published is served meanwhile.",
            tag="log",
            response={200: LogInfo},
        ),
        Route(
            "GET",
            "/v1/entries",
            entries,
            operation="read_entries",
            summary="Published entries, exact bytes, one a line",
            description="`to` is clipped to what is published and to what one answer holds: ask again from there.",
            tag="log",
            query=EntriesQuery,
            response={200: Media("application/x-ndjson", Entry)},
        ),
        Route(
            "GET",
            "/v1/events/{event_id}",
            event,
            operation="read_event",
            summary="Where an event stands",
            tag="log",
            path_parameters=EventPath,
            response={200: EventPlace},
            problems=(NotFoundProblem,),
        ),
        Route(
            "GET",
            "/v1/checkpoint/after/{size}",
            checkpoint_after,
            operation="wait_for_checkpoint",
            summary="The checkpoint, as soon as it is larger (long poll)",
            tag="log",
            path_parameters=AfterPath,
            query=AfterQuery,
            response={200: Media("text/plain"), 204: None},
            problems=(LongPollsProblem,),
        ),
    ]
