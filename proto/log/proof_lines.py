"""Proofs as lines of base64 before a checkpoint: what receipts and requests to witnesses share. Verifies nothing."""

from collections.abc import Sequence

from proto.base64_strict import decode_base64, encode_base64
from proto.log.merkle import HASH_BYTES, Hash
from proto.problem import MalformedProblem

PROOF_HASHES_MAX = 63


def format_hashes(hashes: Sequence[Hash]) -> str:
    """Return hashes as lines of base64, each with its newline."""
    return "".join(f"{encode_base64(h)}\n" for h in hashes)


def parse_hashes(lines: Sequence[str]) -> tuple[Hash, ...]:
    """Return the hashes in lines of base64; raises `MalformedProblem` for more than 63 or other lengths than 32."""
    if len(lines) > PROOF_HASHES_MAX:
        raise MalformedProblem(f"A proof has at most {PROOF_HASHES_MAX} hashes")
    return tuple(Hash(decode_base64(line, length=HASH_BYTES)) for line in lines)


def split_head(data: bytes) -> tuple[list[str], bytes]:
    """Return the lines before the first blank line, and the bytes after it; raises `MalformedProblem` without one."""
    head, blank, rest = data.partition(b"\n\n")
    if not blank:
        raise MalformedProblem("A blank line belongs between the proof and the checkpoint")
    try:
        return head.decode("ascii").split("\n"), rest
    except UnicodeDecodeError as error:
        raise MalformedProblem("The lines before the checkpoint are ASCII") from error
