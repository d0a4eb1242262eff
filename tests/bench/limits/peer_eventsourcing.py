"""Peer: the library `eventsourcing` on the same PostgreSQL. It keeps events in their order, and knows no signature."""

import threading
import time
import urllib.parse
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tests.bench.crew import Crew, Measure

NAME = "eventsourcing"
TEXT_BYTES = 800
"""About what an envelope of ours has."""
WRITERS = {1: 4, 10: 4, 100: 1}
"""By events saved at once: the number of threads with which it is quickest."""


class _Credential(Aggregate):
    @event("Issued")
    def __init__(self, envelope: str) -> None:
        self.envelope = envelope


def saved(url: str, batch: int, seconds: float) -> float:
    """Return durable events per second; runs in a worker. `url` is a database of its own, as its owner."""
    parts = urllib.parse.urlsplit(url)
    query = dict(urllib.parse.parse_qsl(parts.query))
    application = Application[UUID](
        {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": parts.path.removeprefix("/"),
            "POSTGRES_HOST": query["host"],
            "POSTGRES_PORT": query["port"],
            "POSTGRES_USER": parts.username or "",
            "POSTGRES_PASSWORD": "none is asked for on this socket",
        }
    )
    try:
        return _saved(application, batch, seconds)
    finally:
        application.close()


def _saved(application: Application[UUID], batch: int, seconds: float) -> float:
    text, counts, started = "x" * TEXT_BYTES, [0] * WRITERS[batch], time.perf_counter()

    def write(number: int) -> None:
        while time.perf_counter() - started < seconds:
            application.save(*(_Credential(text) for _ in range(batch)))
            counts[number] += batch

    threads = [threading.Thread(target=write, args=(number,), daemon=True) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - started)


def peer(crew: Crew, url: str, batch: int, seconds: float) -> Measure:
    """Return the measure of durable events per second, so many saved at once."""

    async def measure(_round: int) -> float:
        return await crew.run(saved, url, batch, seconds)

    return measure
