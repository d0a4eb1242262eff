"""A verifier as a witness: cosigns checkpoints of the logs it is told to, by protocol alone. Knows no HTTP, no SQL.

It does not wait for its own follower: a log that needs this cosignature publishes nothing before it has it, so there
is nothing to follow yet. What it states is only what the protocol says: "of this log, I have seen no larger tree, and
this one continues what I cosigned before" (C2SP tlog-cosignature v1.0.1).
"""

import time
from collections.abc import Callable, Collection
from pathlib import Path

from proto.log.checkpoint import Checkpoint, cosign
from proto.log.note import Note, SignatureLine
from proto.log.note_key import KeyKind, SignerKey, VerifierKey, parse_signer_key, parse_vkey
from proto.log.witness import AddCheckpoint, check_growth, check_signed, parse_add_checkpoint
from proto.problem import NotFoundProblem, Problem
from services.policy_file import read_logs
from services.settings import SettingsFault, read_secret
from services.verifier.config import Config
from services.verifier.witness.memory import CosignedTree, WitnessMemory


class NothingCosignedProblem(NotFoundProblem):
    """The witness has cosigned nothing of the log of this name."""

    slug = "nothing-cosigned"
    title = "Nothing was cosigned"


OnFork = Callable[[bytes, bytes], None]
"""Told of two checkpoints of one size and two roots that a log signed: conclusive evidence against it."""


def _unheard(_: bytes, __: bytes) -> None:
    """Nobody wants to know."""


class Witness:
    """Cosigns with one key, with the memory of what it cosigned; `logs` are the trusted keys, named by their origin."""

    def __init__(
        self,
        key: SignerKey,
        logs: Collection[VerifierKey],
        memory: WitnessMemory,
        *,
        clock: Callable[[], float] = time.time,
        on_fork: OnFork = _unheard,
    ) -> None:
        self.key = key
        self.logs = tuple(dict.fromkeys(logs))
        self._memory = memory
        self._clock = clock
        self._on_fork = on_fork

    async def add_checkpoint(self, data: bytes) -> SignatureLine:
        """Return the cosignature of the checkpoint in an add-checkpoint request; it is remembered durably by then.

        (1) the request's form, 400; (2) the log is known, 404, and signed it, 403; (3) in one transaction: it starts
        from what was cosigned last, 409, and the proof shows that the tree only grew, 422; (4) cosigned, stored, and
        only then answered. Raises the problems of `proto.log.witness`, and `ForgetfulWitnessProblem`.
        """
        request = parse_add_checkpoint(data)  # (1)
        checkpoint, note = check_signed(request.note, self.logs)  # (2)
        cosigned = await self._memory.compare_and_store(
            checkpoint.origin, lambda last: self._cosigned(request, checkpoint, note, last)
        )
        return cosigned.note.signatures[-1]

    def _cosigned(self, request: AddCheckpoint, new: Checkpoint, note: Note, last: CosignedTree | None) -> CosignedTree:
        before = last.checkpoint if last else None
        if last and before and before.size == new.size and before.root_hash != new.root_hash:
            self._on_fork(last.note.encode(), note.encode())
        check_growth(request, new, before)  # (3)
        line = cosign(note, self.key, int(self._clock()))  # (4)
        return CosignedTree(checkpoint=new, note=Note(text=note.text, signatures=(*note.signatures, line)))

    async def last_checkpoint(self, hashed_origin: bytes) -> bytes:
        """Return the checkpoint cosigned last of the log whose origin has this SHA-256, as a signed note.

        Raises `NothingCosignedProblem`.
        """
        found = await self._memory.last(hashed_origin)
        if found is None:
            raise NothingCosignedProblem("This witness has cosigned no log whose origin has this SHA-256")
        return found.note.encode()


def load_witness_key(path: Path) -> SignerKey:
    """Return the cosigner's key in a file (`PRIVATE+KEY+…`, kind 0x04); raises `SettingsFault`."""
    content = read_secret(path)
    try:
        key = parse_signer_key(content.decode("ascii"))
    except (UnicodeDecodeError, Problem) as error:
        raise SettingsFault(
            f"{path} holds no witness key; make one with: credentify keygen --witness NAME --out FILE"
        ) from error
    if key.kind != KeyKind.COSIGNATURE:
        raise SettingsFault(f"{path} holds a key of another kind: a witness key is made for nothing but cosigning")
    return key


def cosigned_logs(config: Config) -> tuple[VerifierKey, ...]:
    """Return the keys of the logs that may be cosigned: the followed log's, and those of the file, each once."""
    own = parse_vkey(config.log_verifier_key)
    more = read_logs(config.witness_logs_file) if config.witness_logs_file else ()
    return tuple(dict.fromkeys((own, *more)))


def open_witness(config: Config, on_fork: OnFork) -> tuple[Witness, WitnessMemory] | None:
    """Return the witness that the settings describe, with its memory to close, or None where there is no key.

    Raises `SettingsFault` and `WitnessMemoryProblem`; blocks shortly.
    """
    if config.witness_key_file is None:
        return None
    if config.witness_memory_file is None:
        raise SettingsFault("A witness needs a memory: set CREDENTIFY_VERIFIER_WITNESS_MEMORY_FILE as well")
    key, logs = load_witness_key(config.witness_key_file), cosigned_logs(config)
    memory = WitnessMemory(config.witness_memory_file)
    return Witness(key, logs, memory, on_fork=on_fork), memory
