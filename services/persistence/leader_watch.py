"""Ends the sessions of this process with a node that leads no more, where the database's URL names several nodes.

A leader that was stopped, cut off, or replaced while it goes on keeps the connections that were made to it: what is
asked over them is answered late or never, and nothing of it can be committed. So a second time-out would pass after
each switch-over for every connection of a pool. Decides nothing about what may be signed: that is the fence's.
"""

import asyncio
import contextlib
import weakref
from collections.abc import Callable

import msgspec

from services.operator_fault import OperatorFault
from services.persistence.postgres_errors import DATABASE_ERRORS
from services.persistence.postgres_nodes import TIMELINE, nodes_of
from services.persistence.postgres_session import PoolLimits, Session, open_session

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 2.0
LOOKS_BETWEEN_CHOICES = 10
"""So often the leader is only asked whether it answers, before all nodes are asked again which one leads."""
LOOKS_IN_DOUBT = 10
"""So often all nodes are asked at each look once a standby has left the leader: it may be on its way to lead."""
_LIMITS = PoolLimits(connect_timeout_ms=4_000, command_timeout_ms=3_000, statement_timeout_ms=3_000)
_STILL = "SELECT pg_is_in_recovery() AS is_standby, (SELECT count(*) FROM pg_stat_replication) AS standbys"
"""The number of standbys is there for every role to see, who they are is not."""
_NODE = f"SELECT {TIMELINE} AS timeline, pg_postmaster_start_time()::text AS started_at"
_TROUBLES = (*DATABASE_ERRORS, OperatorFault)
"""Whatever is wrong with our own session, such as a certificate that is being replaced: those of others go on."""


class ServingNode(msgspec.Struct, frozen=True):
    """Who answers a session: the timeline on which it writes, and when the server was started."""

    timeline: str
    started_at: str


class LeaderWatch:
    """Knows the sessions of this process, and asks each second whether their node still leads.

    `tell` is called with how many sessions were ended, each time that there are any.
    """

    def __init__(self, url: str, *, application_name: str, tell: Callable[[int], None]) -> None:
        self._url, self._application_name, self._tell = url, application_name, tell
        self._sessions: weakref.WeakKeyDictionary[Session, ServingNode] = weakref.WeakKeyDictionary()
        self._own: Session | None = None
        self._looks = self._standbys = self._doubtful_looks = 0

    @property
    def is_needed(self) -> bool:
        """Whether the URL leaves a choice; behind a single address somebody else chooses, and ends the sessions."""
        return len(nodes_of(self._url)) > 1

    async def hold(self, session: Session) -> None:
        """Remember a session that was opened, and which node answers it; raises what the driver does."""
        if self.is_needed:
            self._sessions[session] = await _node_of(session)

    async def run(self) -> None:
        """Look for ever; ends by cancellation only."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self.look()
        finally:
            self._drop()

    async def look(self) -> None:
        """End what is held of a node that leads no more; where no node leads, end nothing.

        Between two choices the leader is only asked whether it answers, over the connection that was made last. It may
        answer for long after another leads (its own agent was stopped, or cannot reach it), but not keep its standbys.
        """
        self._looks += 1
        if self._looks % LOOKS_BETWEEN_CHOICES and await self._still_leads():
            return
        self._doubtful_looks = max(0, self._doubtful_looks - 1)
        self._drop()
        with contextlib.suppress(*_TROUBLES):
            self._own = await open_session(
                self._url, application_name=self._application_name, limits=_LIMITS, is_first=False, asks_all=True
            )
            self._end_others(await _node_of(self._own))

    async def _still_leads(self) -> bool:
        """Say whether the leader answers, and nothing makes it doubtful that it leads."""
        if self._own is None:
            return False
        try:
            found = await self._own.fetchrow(_STILL, timeout=ANSWER_SECONDS)
        except _TROUBLES:
            return False
        assert found is not None, "a query without FROM has one row"
        if found["standbys"] < self._standbys:
            self._doubtful_looks = LOOKS_IN_DOUBT
        self._standbys = found["standbys"]
        return not found["is_standby"] and not self._doubtful_looks

    def _end_others(self, leader: ServingNode) -> None:
        """End the sessions with other nodes, but none on a newer timeline: then we have asked an older leader."""
        gone = [
            session
            for session, node in self._sessions.items()
            if node != leader and node.timeline <= leader.timeline and not session.is_closed()
        ]
        for session in gone:
            session.terminate()
        if gone:
            self._tell(len(gone))

    def _drop(self) -> None:
        if self._own is not None:
            self._own.terminate()
            self._own = None


async def _node_of(session: Session) -> ServingNode:
    row = await session.fetchrow(_NODE)
    assert row is not None, "a query without FROM has one row"
    return ServingNode(row["timeline"], row["started_at"])
