"""The log's key, and the signer's own memory of what it signed last. Knows no database: that is whom it checks.

Two inconsistent signed checkpoints are the one fault that nothing repairs, so the last one signed is on this disk, out
of the database's reach, before it is anywhere else (DESIGN 5.5).
"""

from pathlib import Path

from proto.ids import Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint, sign_checkpoint
from proto.log.merkle import Hash
from proto.log.note import SignatureProblem
from proto.log.note_key import SignerKey, parse_signer_key
from proto.problem import MalformedProblem, Problem
from services.operator_fault import OperatorFault
from services.persistence.durable_file import write_durably
from services.settings import SettingsFault, read_secret

LAST_SIGNED = "last-signed.checkpoint"


class SignerMemoryFault(OperatorFault):
    """The signer does not know for certain what it signed last, so it signs nothing."""

    title = "The signer's memory is missing or damaged"


class InconsistentTreeError(OperatorFault):
    """What is to be signed contradicts what was signed before: a fork. Nothing may be signed until somebody looked."""

    title = "Signing now would fork the log"


def load_key(path: Path) -> SignerKey:
    """Return the log's key from its file (`PRIVATE+KEY+<name>+<id>+<base64>`); raises `SettingsFault`."""
    content = read_secret(path)
    try:
        return parse_signer_key(content.decode("ascii"))
    except (UnicodeDecodeError, Problem) as error:
        raise SettingsFault(f"{path} holds no signer key: it begins with PRIVATE+KEY+ and is one line") from error


def make_key(path: Path, origin: Origin) -> SignerKey:
    """Return the key in the file, made new (mode 0600) if there is no file; its name is the origin."""
    if path.exists():
        return load_key(path)
    signer = SignerKey(name=origin, secret=SecretKey.generate())
    write_durably(path, signer.private_text.encode() + b"\n")
    return signer


class Signer:
    """Signs checkpoints that follow from the last one; `folder` holds the memory and belongs to this process alone."""

    def __init__(self, key: SignerKey, folder: Path) -> None:
        self.key = key
        self.path = folder / LAST_SIGNED

    def last(self) -> OpenedCheckpoint | None:
        """Return the last checkpoint signed, or None where there is no file.

        Raises `SignerMemoryFault` for a file that is not a checkpoint signed by this key.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SignerMemoryFault(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            return open_checkpoint(content, self.key.verifier)
        except (MalformedProblem, SignatureProblem) as problem:
            raise SignerMemoryFault(
                f"{self.path} is not a checkpoint signed by this log ({problem.detail}). Put the newest checkpoint "
                "that any follower or witness has into its place; the log must never sign less than that "
                "(RUNBOOK.md: signer-memory)"
            ) from problem

    def sign(self, size: TreeSize, root_hash: Hash, last: OpenedCheckpoint | None) -> OpenedCheckpoint:
        """Sign a committed tree and remember it durably, before anybody else gets to see it.

        `last` is what was signed before. Raises `InconsistentTreeError` for a smaller or another tree.
        """
        refuse_regress(last, size, root_hash)
        checkpoint = Checkpoint(origin=Origin(self.key.name), size=size, root_hash=root_hash)
        signed = open_checkpoint(sign_checkpoint(checkpoint, self.key).encode(), self.key.verifier)
        # crash before this line: nothing was signed; in it: the file is the old or the new one; after it: start-up
        # finds it, and publishes it if the database does not have it yet
        write_durably(self.path, signed.encoded)
        return signed


def refuse_regress(last: OpenedCheckpoint | None, size: int, root_hash: Hash) -> None:
    """Raise `InconsistentTreeError` if a tree of `size` and `root_hash` cannot follow the one signed last."""
    if last is None:
        return
    before = last.checkpoint
    if size < before.size:
        raise InconsistentTreeError(
            f"The database holds {size} entries, but a checkpoint of {before.size} was signed: it is an earlier state "
            "of the log, from a backup or a failover that lost commits. Bring the missing entries back with "
            "`credentify ledger recover`; signing now would fork the log (RUNBOOK.md: older-database)"
        )
    if size == before.size and root_hash != before.root_hash:
        raise InconsistentTreeError(
            f"The database's tree of {size} entries has the root {root_hash.hex()}, but {before.root_hash.hex()} was "
            "signed for this size: the entries were altered. Signing now would fork the log (RUNBOOK.md: altered)"
        )
