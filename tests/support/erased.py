"""Looks for what must not be there any more: in every table, every file and every line that a gateway wrote."""

from collections.abc import Sequence
from pathlib import Path

from services.persistence.postgres import connected
from tests.support.gateways import RunningGateway


async def assert_nowhere(gateway: RunningGateway, said: Sequence[str]) -> None:
    """Fail where any of these texts is stored or was written in clear."""
    async with connected(gateway.database.owner_url, application_name="test") as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            rows = await connection.fetch(f"SELECT whole::text AS text FROM {table} AS whole")
            text = "\n".join(row["text"] for row in rows)
            for each in said:
                assert each not in text, (table, each)
                assert each.encode().hex() not in text, (table, each)
    files = [gateway.log.getvalue(), *map(Path.read_bytes, _files(gateway.config.key_folder))]
    assert not any(each.encode() in content for each in said for content in files)


def _files(folder: Path | None) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()] if folder else []
