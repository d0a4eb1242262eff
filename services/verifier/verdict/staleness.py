"""What records that are not up to date leave open: no part of an answer is good by what they may lack. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from proto.wire.verifier import Check
from services.follow.interface import Health
from services.verifier.verdict.sentences import sentence, when

_MAY_LACK: Mapping[str, str] = MappingProxyType({"status-active": "status", "components-hold": "components"})
"""Findings that rest on nothing being on record."""


def as_far_as_known(item: Check, health: Health, *, is_fresh: bool) -> Check:
    """Return a finding as it may be said by records of this health; what they may lack makes it unknown."""
    if is_fresh or item.result != "valid":
        return item
    if item.code in _MAY_LACK:
        name = _MAY_LACK[item.code]
        return _open(item, f"{name}-unread") if health.time is None else _open(item, f"{name}-stale", when(health.time))
    if item.code == "period-within" and health.state == "clock_behind":
        return _open(item, "period-clock")
    return item


def _open(item: Check, code: str, time: str = "") -> Check:
    return Check(check=item.check, result="unknown", code=code, detail=sentence(code, time=time))
