"""A log that ends, and the next one that continues it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from proto import events
from proto.ids import Origin
from proto.log.checkpoint import open_checkpoint
from proto.log.note_key import parse_vkey
from services.follow import PredecessorLog
from services.ledger.publishing.freezing import freeze
from services.ledger.succession.opening import init_log
from tests.support.databases import MakeDatabase
from tests.support.ledgers import (
    WAIT_SECONDS,
    Registrar,
    RunningLedger,
    ledger_config,
    new_database,
)

NEXT = Origin("log.example/credentify-next")


class NextRegistrar(Registrar):
    """The same registrar, whose statements are meant for the log that comes after."""

    def __init__(
        self, before: Registrar, predecessor: events.Predecessor, origin: Origin = NEXT, rules_version: int = 1
    ) -> None:
        super().__init__(origin)
        self.parties = before.parties
        self.predecessor = predecessor
        self.version = rules_version

    def opening_file(self) -> bytes:
        """Return the opening that continues the predecessor."""
        return msgspec.json.encode(self.seal(self.opening(predecessor=self.predecessor, rules_version=self.version)))


async def end_of(ledger: RunningLedger, successor: str | None = None) -> events.Predecessor:
    """Freeze a log and return its last tree."""
    last = await freeze(ledger.config, successor=successor, wait_seconds=WAIT_SECONDS)
    checkpoint = open_checkpoint(last.note, parse_vkey(ledger.verifier_key)).checkpoint
    return events.Predecessor(origin=checkpoint.origin, size=checkpoint.size, root_hash=checkpoint.root_hash.hex())


async def next_log(
    old: RunningLedger,
    predecessor: events.Predecessor,
    make_database: MakeDatabase,
    folder: Path,
    *,
    origin: Origin = NEXT,
    before: Sequence[PredecessorLog] = (),
    rules_version: int = 1,
) -> RunningLedger:
    """Return a log, created but not started, that continues the old one."""
    database = await new_database(make_database)
    made = RunningLedger(
        msgspec.structs.replace(ledger_config(database, folder), development_rules=old.config.development_rules),
        database,
        NextRegistrar(old.registrar, predecessor, origin, rules_version),
        old.session,
    )
    source = PredecessorLog(client=old.client, verifier_key=old.verifier_key)
    made.info = await init_log(made.config, made.opening, [*before, source])
    return made
