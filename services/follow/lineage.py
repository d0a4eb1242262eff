"""A log that continues others: each is followed to its end, in turn, into the same projection. Knows no database.

What ends where is said by the next log's opening, which is taken as a hint here and proven later: the follower of the
next log refuses an opening that names another end than the one that was handed over.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import msgspec
from msgspec.structs import replace

from proto import events
from proto.envelope import open_envelope
from proto.events import Predecessor
from proto.log import entry as entries
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.moment import Moment
from proto.problem import InvalidProblem, MalformedProblem, Problem
from services.clients.log_client import LogAnswerProblem, LogClient
from services.follow.follower import Follower
from services.follow.interface import FollowBounds, ForeignPositionProblem, Observer, Position, Sink


class PredecessorLog(msgspec.Struct, frozen=True, kw_only=True):
    """Where a log is read that others continue, and the vkey under which its checkpoints are signed."""

    client: LogClient
    verifier_key: str


class OtherEndProblem(LogAnswerProblem):
    """A log does not end with the tree that the opening of the next one names; what it showed is proven, or empty.

    `note` is its signed checkpoint and `shown_size` the size of that; `named` is what the opening says.
    """

    slug = "other-end"
    title = "The log does not end where the next one begins"

    def __init__(self, detail: str, *, note: bytes, shown_size: int, named: Predecessor) -> None:
        super().__init__(detail)
        self.note = note
        self.shown_size = shown_size
        self.named = named


class HeirSink(Sink, Protocol):
    """A projection that can be handed over from a log to the one that continues it."""

    async def hand_over(self, position: Position) -> None:
        """Keep all states, forget the tree, and store the position, in one transaction.

        The position is of size 0; `inherited` names the tree whose final state the projection holds.
        """


async def follow_predecessors(
    sink: HeirSink,
    predecessors: Sequence[PredecessorLog],
    heir: PredecessorLog,
    *,
    clock: Callable[[], Moment],
    bounds: FollowBounds | None = None,
    observer: Observer | None = None,
) -> None:
    """Bring the projection to where `heir` begins; returns at once where that is done. Oldest predecessor first.

    Raises `ForeignPositionProblem` for a projection of another log, `UnknownRulesProblem` and `FaultyLogProblem` as a
    follower does, `LogAnswerProblem` where a log does not end where the next begins, and what can be tried again.
    """
    chain = [*predecessors, heir]
    begun = _begun(await sink.position(), chain)
    for log, following in pairwise(chain[begun:]):
        named = await _named_by(following.client)
        follower = Follower(
            log.client, sink, verifier_key=log.verifier_key, clock=clock, bounds=bounds, observer=observer
        )
        await follower.step()
        position = await sink.position()
        if follower.origin != named.origin:
            raise LogAnswerProblem(f"{follower.origin} is not the log that is continued, {named.origin}")
        if position is None or (position.size, position.root_hash.hex()) != (named.size, named.root_hash):
            shown = position or Position()
            raise OtherEndProblem(
                f"{follower.origin} has {shown.size} entries and the root {shown.root_hash.hex()}; the log that "
                f"continues it begins after {named.size} and {named.root_hash}",
                note=shown.checkpoint or b"",
                shown_size=shown.size,
                named=named,
            )
        await sink.hand_over(Position(last_received_at=position.last_received_at, inherited=named))


def _begun(position: Position | None, chain: Sequence[PredecessorLog]) -> int:
    """Return the place in the chain of the log that the projection is at."""
    if position is None:
        return 0
    for place, log in enumerate(chain):
        before = parse_vkey(chain[place - 1].verifier_key).name if place else None
        if position.size == 0 and position.inherited is not None and position.inherited.origin == before:
            return place
        if position.checkpoint and _is_of(position.checkpoint, log.verifier_key):
            return place
    raise ForeignPositionProblem("The projection was made from none of the configured logs: begin with an empty one")


def _is_of(note: bytes, verifier_key: str) -> bool:
    try:
        open_checkpoint(note, parse_vkey(verifier_key))
    except Problem:
        return False
    return True


async def _named_by(client: LogClient) -> Predecessor:
    """Return the predecessor that the first entry of a log names, unproven."""
    async for line in client.entries(0, 1):
        try:
            event = open_envelope(entries.decode(line).envelope).event
        except (MalformedProblem, InvalidProblem) as problem:
            raise LogAnswerProblem(
                f"The log at {client.url} does not begin as a log begins: {problem.detail}"
            ) from None
        if isinstance(event, events.LogOpened) and event.predecessor:
            return replace(event.predecessor)
        break
    raise LogAnswerProblem(f"The log at {client.url} continues no other: configure no predecessors")
