"""Receipts as the ledger makes them: from stored tiles, and verified as a client would before they are handed out.

Knows `Prefer: wait=N` (RFC 7240), by which a submitter asks for the receipt with the answer. Speaks no SQL.
"""

import re
from collections.abc import Sequence

from proto.ids import LeafIndex
from proto.log.checkpoint import open_checkpoint
from proto.log.receipt import Receipt, check_receipt
from proto.log.tile_proof import inclusion_proof, tiles_for_inclusion
from services.ledger import store
from services.ledger.publishing.publication import Published
from services.ledger.service import Ledger

PREFER_CHARACTERS_MAX = 256
_WAIT = re.compile(r"""wait[ \t]*=[ \t]*("?)([0-9]{1,6})\1[ \t]*(?:;|$)""", re.IGNORECASE)


async def make_receipt(ledger: Ledger, index: LeafIndex, published: Published) -> bytes:
    """Return the receipt of an entry that lies under the published checkpoint, verified before it leaves.

    Raises what `check_receipt` raises if anything that the database returned is not what was signed.
    """
    tiles = await store.tiles(ledger.pool, tiles_for_inclusion(index, published.size))
    made = Receipt(
        index=index,
        proof=tuple(inclusion_proof(index, published.size, tiles)),
        note=open_checkpoint(published.note, ledger.verifier).note,
    )
    entry = (await store.entries(ledger.pool, index, index + 1))[0]
    check_receipt(made, entry.data, ledger.policy)
    return made.encode()


def wait_seconds_of(headers: Sequence[str]) -> int | None:
    """Return the seconds of the first `wait` in the first of the `Prefer` headers, or None without one (RFC 7240).

    What is no preference of ours, or is not well formed, is ignored, as section 2 asks; so is what does not end within
    the first 256 characters, and every further header: no honest client sends so much.
    """
    header = headers[0] if headers else ""
    found = _preferences(header[:PREFER_CHARACTERS_MAX])
    for preference in found if len(header) <= PREFER_CHARACTERS_MAX else found[:-1]:
        if match := _WAIT.match(preference.strip()):
            return int(match[2])
    return None


def _preferences(header: str) -> list[str]:
    """Return what commas divide that stand outside of quotes, in one pass; a quote left open reaches to the end."""
    found = [""]
    for number, piece in enumerate(header.split('"')):
        if number % 2:
            found[-1] += f'"{piece}"'
            continue
        first, *more = piece.split(",")
        found[-1] += first
        found.extend(more)
    return found


async def awaited_receipt(ledger: Ledger, index: LeafIndex, *, wait_seconds: float) -> bytes | None:
    """Return the entry's receipt as soon as it is published; None if that takes longer than the caller waits.

    Waits no longer than the longest long poll, and not at all where too many requests wait already.
    """
    is_full = ledger.publication.waiting_count >= ledger.config.long_polls_max
    seconds = 0.0 if is_full else min(wait_seconds, ledger.config.long_poll_wait_seconds_max)
    published = await ledger.publication.larger_than(index, wait_seconds=seconds, stopping=ledger.stopping)
    return await make_receipt(ledger, index, published) if published else None
