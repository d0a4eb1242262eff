"""Reads witness policies (C2SP tlog-policy) from files, for whoever starts a service. Decides nothing by them."""

from collections.abc import Sequence
from pathlib import Path

from proto.log.note_key import VerifierKey
from proto.log.pin import Pin, parse_pins
from proto.log.policy import NO_QUORUM, POLICY_BYTES_MAX, Policy, parse_policy
from proto.problem import InvalidProblem, MalformedProblem
from services.settings import SettingsFault


def read_policy(path: Path) -> Policy:
    """Return the policy in a file; raises `SettingsFault`, which names the file and the line."""
    return _parsed(path, _read(path))


def read_policy_about(path: Path | None, log: VerifierKey) -> Policy | None:
    """Return the policy in a file that a follower of `log` obeys, or None without a file.

    Raises `SettingsFault`, also for a policy that lists logs and not this one: it was written for another.
    """
    if path is None:
        return None
    policy = read_policy(path)
    if policy.logs and log not in [known.key for known in policy.logs]:
        raise SettingsFault(f"{path} lists logs, and not the key of {log.name} that is to be followed")
    return policy


def read_logs(path: Path) -> tuple[VerifierKey, ...]:
    """Return the keys of the `log` lines of a file, which may lack everything else of a policy."""
    data = _read(path)
    has_quorum = any(line.split()[:1] == [b"quorum"] for line in data.splitlines())
    text = data if has_quorum else data + f"\nquorum {NO_QUORUM}\n".encode()
    return tuple(log.key for log in _parsed(path, text).logs)


def policy_text(path: Path | None, vkeys: Sequence[str], pins: Sequence[str]) -> str:
    """Return as a policy whom a follower trusts: its file, and what settings say of logs and pins that it lacks.

    Raises `SettingsFault` for a file that is no policy.
    """
    known = read_policy(path) if path is not None else None
    logs = {log.key.text for log in known.logs} if known else set()
    lines = [f"log {vkey}" for vkey in vkeys if vkey not in logs]
    lines += [f"registrar {pin}" for pin in pins if known is None or pin not in known.pins]
    written = _read(path).decode() if path is not None else f"quorum {NO_QUORUM}\n"
    return "".join(f"{line}\n" for line in lines) + written


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsFault(f"The witness policy {path} cannot be read: {error.strerror}") from error


def _parsed(path: Path, data: bytes) -> Policy:
    try:
        return parse_policy(data)
    except (MalformedProblem, InvalidProblem) as problem:
        raise SettingsFault(f"{path} is not a witness policy: {problem.detail}") from problem


def read_pins(texts: Sequence[str]) -> tuple[Pin, ...]:
    """Return the pins of a setting; raises `SettingsFault`."""
    try:
        return parse_pins(texts)
    except InvalidProblem as problem:
        raise SettingsFault(problem.detail) from problem
