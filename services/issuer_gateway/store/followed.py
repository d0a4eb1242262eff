"""SQL of the followed log: how far it has come, and which stacks count a part. The states are `services.states`'s."""

from collections.abc import Sequence

import msgspec

from proto.ids import CredentialId, Did
from services.follow import Position
from services.postgres import Connection, Pool

_DECODE = msgspec.msgpack.Decoder(Position).decode
_ENCODE = msgspec.msgpack.Encoder().encode


async def position(connection: Connection | Pool) -> Position | None:
    """Return how far the projection has come."""
    stored = await connection.fetchval("SELECT position FROM followed")
    return _DECODE(stored) if stored else None


async def keep_position(connection: Connection, value: Position) -> None:
    """Keep how far the projection has come."""
    await connection.execute(
        """INSERT INTO followed (position) VALUES ($1)
           ON CONFLICT (is_only) DO UPDATE SET position = excluded.position""",
        _ENCODE(value),
    )


async def add_parts(
    connection: Connection, stack_id: CredentialId, issuer: Did, components: Sequence[CredentialId]
) -> None:
    """Note which credentials a stack is made of."""
    await connection.execute(
        """INSERT INTO stack_part (part_id, stack_id, issuer)
           SELECT part_id, $2::bytea, $3::text FROM unnest($1::bytea[]) AS part_id
           ON CONFLICT DO NOTHING""",
        [bytes.fromhex(part) for part in components],
        bytes.fromhex(stack_id),
        issuer,
    )


async def stacks_of(
    connection: Connection | Pool, issuer: Did, parts: Sequence[CredentialId]
) -> dict[CredentialId, list[CredentialId]]:
    """Return by part the stacks of this issuer that it was put into, whatever became of them."""
    rows = await connection.fetch(
        "SELECT part_id, stack_id FROM stack_part WHERE issuer = $1 AND part_id = ANY($2::bytea[]) ORDER BY 1, 2",
        issuer,
        [bytes.fromhex(part) for part in parts],
    )
    found: dict[CredentialId, list[CredentialId]] = {}
    for row in rows:
        found.setdefault(CredentialId(row["part_id"].hex()), []).append(CredentialId(row["stack_id"].hex()))
    return found
