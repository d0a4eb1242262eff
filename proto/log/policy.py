"""Trust policies (C2SP tlog-policy): which logs and witnesses are known, and which cosignatures suffice. No clock."""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint, parse_checkpoint, parse_decimal
from proto.log.note import parse_note
from proto.log.note_key import TIMESTAMP_MAX, KeyKind, VerifierKey, parse_vkey
from proto.log.pin import Pin, parse_pins
from proto.problem import InvalidProblem, MalformedProblem, Problem

POLICY_BYTES_MAX = 65_536
MEMBERS_MAX = 64
NO_QUORUM = "none"


class QuorumProblem(Problem):
    """A checkpoint that fewer witnesses cosigned than the policy requires, or of a log that it does not know."""

    slug = "quorum-missing"
    title = "The witness policy is not satisfied"
    status = 422


class PolicyLog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known log; `url` is for whoever talks to it."""

    key: VerifierKey
    url: str | None = None


class PolicyWitness(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A known witness under the name that groups and quorum use; `url` is its submission prefix."""

    name: str
    key: VerifierKey
    url: str | None = None


class PolicyGroup(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group that has witnessed when at least `threshold` of its members (witnesses or groups) have."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parsed policy; `quorum` is the name of a witness or group, or `none` where no cosignature is required."""

    logs: tuple[PolicyLog, ...] = ()
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[PolicyGroup, ...] = ()
    quorum: str = NO_QUORUM
    verifiers: tuple[VerifierKey, ...] = ()
    """Lines `verifier VKEY`, ours too: whose dated word on a credential is taken offline, and named as its word."""
    pins: tuple[Pin, ...] = ()
    """Lines `registrar PIN`, which are ours (C2SP has none): one has to be met by how the logs begin; none: any."""

    @property
    def witness_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of all known witnesses."""
        return tuple(witness.key for witness in self.witnesses)

    def is_quorum(self, cosigners: Collection[VerifierKey]) -> bool:
        """Tell whether the witnesses whose cosignatures verified satisfy the quorum; always so for `none`."""
        return self.quorum == NO_QUORUM or self.quorum_at(dict.fromkeys(cosigners, 0)) is not None

    def quorum_at(self, cosigned_at: Mapping[VerifierKey, int], *, latest: int = TIMESTAMP_MAX) -> int | None:
        """Return the newest POSIX time (seconds) such that cosignatures of that time or later satisfy the quorum.

        None where they do not, and for `none`, where no witness vouches for any time. `cosigned_at` are times of
        verified cosignatures; those after `latest` are no times that a witness can have seen, and do not count.
        """
        believed = {key: time for key, time in cosigned_at.items() if time <= latest}
        times: dict[str, int | None] = {w.name: believed.get(w.key) for w in self.witnesses}
        for group in self.groups:  # members stand before their group, so theirs are known
            known = (times[member] for member in group.members)
            newest_first = sorted((time for time in known if time is not None), reverse=True)
            times[group.name] = newest_first[group.threshold - 1] if len(newest_first) >= group.threshold else None
        return times.get(self.quorum)


def open_under_policy(data: bytes, policy: Policy) -> OpenedCheckpoint:
    """Return the checkpoint in a signed note if a log of the policy signed it and the quorum cosigned it.

    Raises `MalformedProblem` or `SignatureProblem` as `open_checkpoint` does, and `QuorumProblem` for a log that the
    policy does not know or too few cosignatures.
    """
    note = parse_note(data)
    origin = parse_checkpoint(note.text).origin
    known = [log.key for log in policy.logs if log.key.name == origin]
    log = next((key for key in known if any(line.is_by(key) for line in note.signatures)), None)
    if log is None:
        raise QuorumProblem("No log of the policy signed this checkpoint")
    opened = open_checkpoint(data, log, policy.witness_keys)
    if not policy.is_quorum(opened.cosigned_at):
        raise QuorumProblem(
            f"{len(opened.cosigned_at)} known witnesses cosigned, which does not satisfy the quorum {policy.quorum!r}"
        )
    return opened


def parse_policy(data: bytes) -> Policy:
    """Return the policy in a file's bytes.

    Raises `MalformedProblem` for lines of another form and `InvalidProblem` for keys that cannot be used, duplicate
    keys or names, unknown members, impossible thresholds and anything but exactly one quorum line; both name the line.
    """
    if len(data) > POLICY_BYTES_MAX:
        raise MalformedProblem(f"The policy has {len(data)} bytes; at most {POLICY_BYTES_MAX} are read")
    draft = _Draft()
    # Names are opaque octets (tlog-policy, Character set): what is not UTF-8 survives as surrogates.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        try:
            draft.read(line)
        except (MalformedProblem, InvalidProblem) as problem:
            raise type(problem)(f"Line {number} of the policy: {problem.detail}") from problem
    return draft.policy()


class _Draft:
    """A policy while its lines are read."""

    def __init__(self) -> None:
        self.logs: list[PolicyLog] = []
        self.witnesses: list[PolicyWitness] = []
        self.groups: list[PolicyGroup] = []
        self.quorum: str | None = None
        self.pins: tuple[Pin, ...] = ()
        self.verifiers: list[VerifierKey] = []
        self.names: set[str] = {NO_QUORUM}
        self.taken: set[str] = {NO_QUORUM}

    def read(self, line: str) -> None:
        """Take in one line; raises `MalformedProblem` or `InvalidProblem` without the line's number."""
        if any((c < " " and c != "\t") or c == "\x7f" for c in line):
            raise MalformedProblem("A policy holds no control character but tab and newline")
        match [item for item in line.replace("\t", " ").split(" ") if item]:
            case []:
                pass
            case [first, *_] if first.startswith("#"):
                pass
            case ["log", vkey, *url] if len(url) <= 1:
                self._add_log(vkey, url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._add_witness(name, vkey, url)
            case ["group", name, threshold, *members]:
                self._add_group(name, threshold, members)
            case ["quorum", name]:
                self._set_quorum(name)
            case ["verifier", vkey]:
                self.verifiers.append(_key(vkey, KeyKind.ED25519, self.verifiers))
            case ["registrar", pin]:
                self.pins = parse_pins([*self.pins, pin])
            case _:
                raise MalformedProblem(
                    "it is neither log, witness, group, quorum, registrar nor verifier with its values"
                )

    def policy(self) -> Policy:
        """Return what was read; raises `InvalidProblem` when no quorum line was."""
        if self.quorum is None:
            raise InvalidProblem("The policy has no quorum line; `quorum none` requires no cosignature")
        return Policy(
            logs=tuple(self.logs),
            witnesses=tuple(self.witnesses),
            groups=tuple(self.groups),
            quorum=self.quorum,
            verifiers=tuple(self.verifiers),
            pins=self.pins,
        )

    def _add_log(self, vkey: str, url: Sequence[str]) -> None:
        known = [log.key for log in self.logs]
        self.logs.append(PolicyLog(key=_key(vkey, KeyKind.ED25519, known), url=url[0] if url else None))

    def _add_witness(self, name: str, vkey: str, url: Sequence[str]) -> None:
        key = _key(vkey, KeyKind.COSIGNATURE, [witness.key for witness in self.witnesses])
        self._define(name)
        self.witnesses.append(PolicyWitness(name=name, key=key, url=url[0] if url else None))

    def _add_group(self, name: str, threshold: str, members: Sequence[str]) -> None:
        if not 0 < len(members) <= MEMBERS_MAX or len(self.groups) >= MEMBERS_MAX:
            raise InvalidProblem(f"a group has 1 to {MEMBERS_MAX} members, and a policy {MEMBERS_MAX} groups at most")
        for member in members:
            if member in self.taken or member not in self.names:
                raise InvalidProblem(f"the member {member!r} is not defined above, or already counts in a group")
            self.taken.add(member)
        named = {"any": 1, "all": len(members)}
        k = named[threshold] if threshold in named else parse_decimal(threshold, maximum=len(members))
        if k == 0:
            raise InvalidProblem("a group needs at least one of its members")
        self._define(name)
        self.groups.append(PolicyGroup(name=name, threshold=k, members=tuple(members)))

    def _set_quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise InvalidProblem("there is a second quorum line")
        if name not in self.names:
            raise InvalidProblem(f"the quorum {name!r} is not defined above")
        self.quorum = name

    def _define(self, name: str) -> None:
        if name in self.names:
            raise InvalidProblem(f"the name {name!r} is already defined")
        self.names.add(name)


def _key(vkey: str, kind: KeyKind, known: Sequence[VerifierKey]) -> VerifierKey:
    key = parse_vkey(vkey)
    if key.kind != kind:
        raise InvalidProblem(f"the key of {key.name} has kind 0x{key.kind:02x}; here 0x{kind:02x} belongs")
    if len(known) >= MEMBERS_MAX or any(other.public_key == key.public_key for other in known):
        raise InvalidProblem(f"the public key of {key.name} is already named, or more than {MEMBERS_MAX} are")
    return key
