"""The last tree of the log that a new one continues, from its last checkpoint: a file or the log. Signs nothing."""

from pathlib import Path

from proto.events import Predecessor
from proto.ids import Origin
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.clients.log_client import LogClient
from services.command.note_file import read_note


async def read_predecessor(source: str, verifier_key: str) -> Predecessor:
    """Return origin, size and root of the checkpoint at `source`, a file or the address of a ledger (http…).

    Raises `InvalidProblem` where it cannot be read, is empty, or the log is not frozen, and what `open_checkpoint`
    raises where the key did not sign it.
    """
    key = parse_vkey(verifier_key)
    note = await _from_log(source) if source.startswith(("http://", "https://")) else read_note(Path(source))
    checkpoint = open_checkpoint(note, key).checkpoint
    if checkpoint.size == 0:
        raise InvalidProblem(f"The checkpoint of {key.name} covers no entries: there is nothing to continue")
    return Predecessor(origin=Origin(key.name), size=checkpoint.size, root_hash=checkpoint.root_hash.hex())


async def _from_log(url: str) -> bytes:
    """Return what the log shows, once it is frozen: before that its last checkpoint does not exist."""
    async with client_session() as session:
        client = LogClient(session, url)
        info = await client.log()
        if not info.is_frozen or info.published_size != info.tree_size:
            raise InvalidProblem(
                f"{info.origin} still grows ({info.published_size} of {info.tree_size} entries are published): "
                "freeze it first with `credentify ledger freeze`"
            )
        return await client.checkpoint()
