"""A log that begins where its predecessor does not end, as evidence: its own opening and the other's tree."""

from proto.base64_strict import encode_base64
from proto.envelope import open_envelope
from proto.events import LogOpened
from proto.ids import LeafIndex
from proto.log import entry as entries
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.merkle import check_inclusion, leaf_hash
from proto.log.receipt import Receipt
from proto.log.tile_proof import inclusion_proof, tiles_for_inclusion
from proto.problem import InvalidProblem, NotFoundProblem, Problem
from services.auditor.finding import Accuser, LyingLogProblem
from services.clients.tile_client import TileClient
from services.follow import OtherEndProblem

_OPENING = LeafIndex(0)


async def accuse_heir(client: TileClient, accuser: Accuser, found: OtherEndProblem) -> LyingLogProblem:
    """Return the finding against the log that `client` reads; raises what the client raises where it cannot be shown.

    It is conclusive unless the predecessor merely showed less than its end: a copy of it may be behind.
    """
    opened = await _opened(client, accuser)
    size = opened.checkpoint.size
    served = await client.tiles(tiles_for_inclusion(_OPENING, size))
    proof = tuple(inclusion_proof(_OPENING, size, served))
    entry = (await client.bundle(0))[0]
    check_inclusion(_OPENING, size, leaf_hash(entry), proof, opened.checkpoint.root_hash)
    event = open_envelope(entries.decode(entry).envelope).event
    if not isinstance(event, LogOpened) or event.predecessor != found.named:
        raise InvalidProblem("The log's opening names another predecessor than before: ask again")
    return accuser.accuse(
        "succession",
        found.detail,
        found.note,
        opened.encoded,
        is_conclusive=found.shown_size >= found.named.size,
        index=_OPENING,
        entry=encode_base64(entry),
        receipt=Receipt(index=_OPENING, proof=proof, note=opened.note).encode().decode(),
    )


async def _opened(client: TileClient, accuser: Accuser) -> OpenedCheckpoint:
    note = await client.refresh()
    try:
        opened = open_checkpoint(note, accuser.key)
    except Problem as problem:
        words = f"The log's checkpoint cannot be trusted: {problem.detail}"
        raise accuser.accuse("checkpoint", words, note) from problem
    if opened.checkpoint.size == 0:
        raise NotFoundProblem("The log shows no entry, and so no opening")
    return opened
