"""What a ledger makes of its witness policy: whom it asks, what it tells its clients. Asks nobody itself."""

from collections.abc import Mapping, Sequence

import msgspec

from proto.log.note_key import VerifierKey
from proto.log.policy import NO_QUORUM, Policy, PolicyLog, PolicyWitness
from services.ledger.config import Config
from services.policy_file import read_policy
from services.settings import SettingsFault

_SCHEMES = ("http://", "https://")


class WitnessPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`required` decides what is published, and `text` tells clients; `own` checks what this ledger hands out itself.

    In `own` every witness is known and none is needed: receipts must be made also of what was published before the
    policy was configured, or without a quorum where that is configured. `monitoring` are the prefixes, by the
    witnesses' names, under which they show what they cosigned, where those are not their URLs.
    """

    required: Policy
    own: Policy
    text: str
    monitoring: Mapping[str, str]

    @property
    def asked(self) -> tuple[PolicyWitness, ...]:
        """The witnesses that are asked: those with a URL."""
        return tuple(witness for witness in self.required.witnesses if witness.url)


def witness_policy(config: Config, log: VerifierKey, *, before: Sequence[VerifierKey] = ()) -> WitnessPolicy:
    """Return the policy of the settings, `quorum none` without a file.

    The logs `before`, which this one continues, are known in `own` and `text`: bundles hold their checkpoints. Raises
    `SettingsFault` for a file that cannot be used: one that lists other logs only, has URLs of another kind, or whose
    quorum could never be met by those that are asked.
    """
    if config.policy_file is None:
        required = Policy(logs=(PolicyLog(key=log),))
        own = _with_logs(required, before)
        monitoring = _monitoring(config, required)
        return WitnessPolicy(required=required, own=own, text=_text(own), monitoring=monitoring)
    policy = read_policy(config.policy_file)
    if fault := _fault(policy, log):
        raise SettingsFault(f"The witness policy {config.policy_file}: {fault}")
    known = policy.logs or (PolicyLog(key=log),)
    required = msgspec.structs.replace(policy, logs=known)
    told = _with_logs(required, before)
    own = msgspec.structs.replace(told, quorum=NO_QUORUM)
    monitoring = _monitoring(config, required)
    return WitnessPolicy(required=required, own=own, text=_text(told), monitoring=monitoring)


def _monitoring(config: Config, policy: Policy) -> dict[str, str]:
    found: dict[str, str] = {}
    asked = {witness.name for witness in policy.witnesses if witness.url}
    for text in config.witness_monitoring:
        name, _, url = text.partition(" ")
        if not url.strip().startswith(_SCHEMES):
            raise SettingsFault(f"A witness's monitoring prefix is given as name, blank, http(s) URL; {text!r} is not")
        if name not in asked:
            raise SettingsFault(f"A monitoring prefix is given for {name!r}, a witness that the policy does not ask")
        found[name] = url.strip()
    return found


def _with_logs(policy: Policy, keys: Sequence[VerifierKey]) -> Policy:
    known = {log.key for log in policy.logs}
    more = tuple(PolicyLog(key=key) for key in keys if key not in known)
    return msgspec.structs.replace(policy, logs=(*policy.logs, *more))


def _fault(policy: Policy, log: VerifierKey) -> str | None:
    if policy.logs and log not in [known.key for known in policy.logs]:
        return f"it lists logs, and not {log.text}"
    for witness in policy.witnesses:
        if witness.url and not witness.url.startswith(_SCHEMES):
            return f"the URL of the witness {witness.name} does not begin with http:// or https://"
    if not policy.is_quorum([witness.key for witness in policy.witnesses if witness.url]):
        return f"its quorum {policy.quorum} can never be met by the witnesses that have a URL"
    return None


def _text(policy: Policy) -> str:
    """Return the policy for clients: without comments, and without URLs, which clients do not need."""
    lines = [f"log {log.key.text}" for log in policy.logs]
    lines += [f"witness {witness.name} {witness.key.text}" for witness in policy.witnesses]
    lines += [f"group {group.name} {group.threshold} {' '.join(group.members)}" for group in policy.groups]
    return "\n".join([*lines, f"quorum {policy.quorum}", ""]).encode("utf-8", "replace").decode()
