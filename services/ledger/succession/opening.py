"""Creates the log of a database, once, from an opening that the registrar signed. The service itself never does.

No service holds the registrar's key: the opening comes as a file from `credentify registrar open-log` (DESIGN 3.5).
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from proto import envelope as envelopes
from proto import events
from proto.envelope import Opened
from proto.ids import Did, LeafIndex, Origin
from proto.keys import decode_public_key, is_signature
from proto.lifecycle import BadSignatureRefusal, Book, decide, evolve, signing_key
from proto.lifecycle.refusals import AheadOfTimeRefusal, TooOldRefusal
from proto.log import entry as entries
from proto.log.merkle import leaf_hash
from proto.log.note_key import SignerKey
from proto.log.tile_edge import TileEdge, grow
from proto.moment import Moment, from_ms, to_ms
from proto.problem import ConflictProblem, InvalidProblem
from services.follow import PredecessorLog
from services.ledger import migrations, store
from services.ledger.config import Config, unhurried_limits
from services.ledger.domain import NewEntry, require_finished
from services.ledger.signer import Signer, load_key, make_key
from services.ledger.store import LogRow, StoredCheckpoint
from services.ledger.succession.inheritance import inherit
from services.operator_fault import OperatorFault
from services.persistence import database_setup, postgres, postgres_states
from services.persistence.postgres import Connection
from services.persistence.postgres_errors import TAKEN_ERRORS
from services.settings import SettingsFault

_SECOND_MS = 1_000


class NotInitialisedFault(OperatorFault):
    """The database holds no log, and the service never creates one by itself."""

    title = "There is no log in this database"

    def __init__(self) -> None:
        super().__init__(
            "The ledger's database holds no log yet. Make its opening with `credentify registrar open-log` and create "
            "the log with: credentify ledger init --opening FILE"
        )


class InitialisedLog(msgspec.Struct, frozen=True, kw_only=True):
    """The log of a database: its name, the vkey that followers configure, and whether this call created it."""

    origin: Origin
    verifier_key: str
    is_new: bool


def key_files(config: Config) -> tuple[Path, Path]:
    """Return the log's key file and the signer's folder; raises `SettingsFault` unless both are set."""
    if config.log_key_file is None or config.state_folder is None:
        raise SettingsFault("Set CREDENTIFY_LEDGER_LOG_KEY_FILE and CREDENTIFY_LEDGER_STATE_FOLDER, both or neither")
    return Path(config.log_key_file), Path(config.state_folder)


async def apply_migrations(config: Config) -> None:
    """Bring the tables to this version if the owner's URL is given."""
    await database_setup.migrate_where_owned(
        config.database_url,
        config.migration_database_url,
        migrations.__name__,
        application_name="credentify-ledger",
    )


async def is_initialised(config: Config) -> bool:
    """Return whether the log was created completely, first checkpoint included."""
    async with postgres.connected(config.database_url, application_name="credentify-ledger") as connection:
        return await store.has_tables(connection) and await store.last_checkpoint(connection) is not None


async def registrar_of(config: Config) -> Did:
    """Return who opened the log of the database, which is there."""
    book = Book()
    async with postgres.connected(config.database_url, application_name="credentify-ledger") as connection:
        await postgres_states.load_log(connection, book)
    return book.opened_log().registrar


async def require_log(connection: Connection) -> LogRow:
    """Return the log of the database; raises `NotInitialisedFault`, which says how to create one."""
    found = await store.log_row(connection) if await store.has_tables(connection) else None
    if found is None or await store.last_checkpoint(connection) is None:
        raise NotInitialisedFault
    return found


async def init_log(config: Config, opening: bytes, predecessors: Sequence[PredecessorLog] = ()) -> InitialisedLog:
    """Create the log from its opening (a DSSE envelope in JSON), or finish what an interrupted call began.

    (1) check the opening by itself; (2) make the log's key, if there is none; (3) entry 0, states and head in one
    transaction, for a log that continues another after the proven final state of that one; (4) sign and publish the
    first checkpoint. `predecessors` ends with the log that is continued, after those that it continues itself. Each
    step finds what a crash before it left behind. Raises `ConflictProblem` if the database holds
    another log, `UnfinishedRulesProblem` for rules that are not finished, and refusals, `SettingsFault` or
    `InvalidProblem` by what is wrong with opening, settings or key.
    """
    key_file, folder = key_files(config)
    opened = envelopes.open_envelope(envelopes.decode(opening))
    if not isinstance(opened.event, events.LogOpened):
        raise InvalidProblem("This file holds another event; make an opening with: credentify registrar open-log")
    require_finished(opened.event.rules_version, is_development=config.development_rules, pointer="/rules_version")
    _check_predecessor_given(opened.event, predecessors)
    await apply_migrations(config)
    async with postgres.connected(
        config.database_url, application_name="credentify-ledger", limits=unhurried_limits(config)
    ) as connection:
        await postgres.assert_durable(connection)
        known = await store.log_row(connection)
        signer_key = load_key(key_file) if known else make_key(key_file, opened.event.log)  # (2)
        if signer_key.name != opened.event.log:
            raise ConflictProblem(f"{key_file} is the key of {signer_key.name}, not of {opened.event.log}")
        if known is None:
            await _insert_opening(connection, opened, signer_key, predecessors)  # (1) (3)
        await _refuse_other_log(connection, opened, signer_key)
        is_new = await _publish_first(connection, Signer(signer_key, folder))  # (4)
    return InitialisedLog(origin=opened.event.log, verifier_key=signer_key.verifier.text, is_new=is_new)


def _check_predecessor_given(event: events.LogOpened, predecessors: Sequence[PredecessorLog]) -> None:
    if event.predecessor and not predecessors:
        raise InvalidProblem(
            f"This log continues {event.predecessor.origin}: add --predecessor-log URL and --predecessor-key VKEY"
        )
    if predecessors and not event.predecessor:
        raise InvalidProblem("The opening names no predecessor: make it with `registrar open-log --predecessor …`")


async def _insert_opening(
    connection: Connection, opened: Opened, signer_key: SignerKey, predecessors: Sequence[PredecessorLog]
) -> None:
    """Write entry 0 and all that follows from it, in one transaction: after a crash there is all of it or nothing."""
    origin = Origin(signer_key.name)
    try:
        async with postgres.confirmed_transaction(connection):
            last_ms = await _inherited_until_ms(connection, opened, predecessors)
            now_ms = max(last_ms, await store.clock_ms(connection))
            received_at = from_ms(now_ms)
            book = await _checked(connection, opened, received_at)
            await store.insert_log(connection, LogRow(origin=origin, verifier_key=signer_key.verifier.text))
            data = entries.encode(opened.envelope, LeafIndex(0), entries.first_previous(origin), received_at)
            entry = NewEntry(index=LeafIndex(0), leaf_hash=leaf_hash(data), event_id=opened.event_id, data=data)
            growth = grow(TileEdge(), [entry.leaf_hash])
            await store.append(connection, [entry], growth, now_ms, is_first=True)
            await postgres_states.save(connection, book, with_events=False)
    except TAKEN_ERRORS as error:
        raise ConflictProblem("Another process created the log of this database just now; run this again") from error


async def _inherited_until_ms(connection: Connection, opened: Opened, predecessors: Sequence[PredecessorLog]) -> int:
    """Take over the predecessor's final state, if there is one; return when it received its last entry, or 0."""
    event = opened.event
    if not predecessors or not isinstance(event, events.LogOpened) or not event.predecessor:
        return 0
    now = from_ms(await store.clock_ms(connection))
    return to_ms(await inherit(connection, predecessors, event.predecessor, now=now))


async def _checked(connection: Connection, opened: Opened, received_at: Moment) -> Book:
    """Return the book after the opening; raises the refusal of an opening that breaks a rule or is not self-signed."""
    book = Book()
    await postgres_states.load_all(connection, book, [opened])
    _check_claimed_time(opened, received_at)
    decide(book, opened, index=LeafIndex(0), received_at=received_at)
    key = signing_key(book, opened, received_at=received_at)
    if not is_signature(decode_public_key(key.public_key), opened.pae, opened.signature):
        raise BadSignatureRefusal(f"The opening was not signed with {key.key_id}", pointer="/signatures/0")
    evolve(book, opened, index=LeafIndex(0), received_at=received_at)
    return book


def _check_claimed_time(opened: Opened, received_at: Moment) -> None:
    """The opening obeys the clock window that it sets itself."""
    event = opened.event
    assert isinstance(event, events.LogOpened)
    behind_ms = to_ms(received_at) - to_ms(event.at)
    if -behind_ms > event.parameters.at_ahead_seconds_max * _SECOND_MS:
        raise AheadOfTimeRefusal(f"The opening says {event.at}, the database's clock {received_at}: set the clock")
    if behind_ms > event.parameters.at_behind_seconds_max * _SECOND_MS:
        raise TooOldRefusal(f"The opening says {event.at}, the database's clock {received_at}: sign a new one")


async def _refuse_other_log(connection: Connection, opened: Opened, signer_key: SignerKey) -> None:
    """Raise unless entry 0 is this opening and the key is the one that the database names."""
    log = await store.log_row(connection)
    first = (await store.entries(connection, 0, 1))[0]
    if envelopes.open_envelope(entries.decode(first.data).envelope).event_id != opened.event_id:
        raise ConflictProblem(f"This database holds the log {log.origin if log else ''}, opened with another opening")
    if log is None or log.verifier_key != signer_key.verifier.text:
        raise ConflictProblem("This database's log is signed with another key than the one in the key file")


async def _publish_first(connection: Connection, signer: Signer) -> bool:
    """Sign and publish the tree of one entry, unless a checkpoint is out already; return whether it was."""
    if await store.last_checkpoint(connection) is not None:
        return False
    head = await store.head(connection)
    assert head is not None, "entry 0 was committed before"
    await postgres.confirm_commits(connection)
    signed = signer.sign(head.size, head.root_hash, signer.last())
    await store.publish(connection, StoredCheckpoint(size=head.size, root_hash=head.root_hash, note=signed.encoded))
    return True
