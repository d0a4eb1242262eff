"""Follows a log over HTTP and proves every step; verifier, gateway and auditor use it. Knows no database.

After a crash it goes on from the position that its sink has stored with what was applied: nothing is applied twice, and
nothing is skipped. What was proven and not applied is proven again.

`Follower` drives a `Sink`: it hands over only entries that were proven to be under a signed checkpoint and that break
no rule, in chunks, each with the position after it.
"""

from services.follow.beginning import Beginning
from services.follow.condition import FollowerKnowledge, HealthPolicy
from services.follow.follower import Follower
from services.follow.interface import (
    Applied,
    ClockBehindProblem,
    FaultyLogProblem,
    FollowBounds,
    FollowerState,
    ForeignPositionProblem,
    Health,
    LogEvidence,
    Observer,
    Position,
    Sink,
    SinkMovedProblem,
    SinkUnavailableProblem,
)
from services.follow.lineage import HeirSink, OtherEndProblem, PredecessorLog, follow_predecessors
from services.follow.suspects import OwnRoot

__all__ = [
    "Applied",
    "Beginning",
    "ClockBehindProblem",
    "FaultyLogProblem",
    "FollowBounds",
    "Follower",
    "FollowerKnowledge",
    "FollowerState",
    "ForeignPositionProblem",
    "Health",
    "HealthPolicy",
    "HeirSink",
    "LogEvidence",
    "Observer",
    "OtherEndProblem",
    "OwnRoot",
    "Position",
    "PredecessorLog",
    "Sink",
    "SinkMovedProblem",
    "SinkUnavailableProblem",
    "follow_predecessors",
]
