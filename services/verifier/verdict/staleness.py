"""What records that are not up to date leave open: no part of an answer is good by what they may lack. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from proto.lifecycle import StateName
from proto.wire.statements import LiveState
from proto.wire.verifier import ShownState
from services.follow.interface import Health
from services.verifier.verdict.findings import CheckFinding, finding

_MAY_LACK: Mapping[str, str] = MappingProxyType({"status-active": "status", "components-hold": "components"})
"""Findings that rest on nothing being on record."""


def as_far_as_known(item: CheckFinding, health: Health, *, is_fresh: bool) -> CheckFinding:
    """Return a finding as it may be said by records of this health; what they may lack makes it unknown."""
    if is_fresh or item.result != "valid":
        return item
    if item.code in _MAY_LACK:
        name = _MAY_LACK[item.code]
        if health.time is None:
            return finding(item.check, "unknown", f"{name}-unread")
        return finding(item.check, "unknown", f"{name}-stale", time=health.time)
    if item.code == "period-within" and health.state == "clock_behind":
        return finding(item.check, "unknown", "period-clock")
    return item


def shown_state(state: StateName, *, is_certain: bool) -> ShownState:
    """Return a state as it may be said: that a credential is active rests on nothing else being on record."""
    return "unknown" if state == "active" and not is_certain else state


def live_state(*, is_certain: bool) -> LiveState:
    """Return how a statement that holds may be said to stand: that it does rests on no withdrawal being on record."""
    return "live" if is_certain else "unknown"
