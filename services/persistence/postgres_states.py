"""Aggregates of `proto.lifecycle` in PostgreSQL: loaded as the rules need them, saved as they changed. Knows no rule.

The caller owns the transaction and the tables; each service's migration declares them with the same columns:

    CREATE TABLE log_state (is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), state bytea NOT NULL);
    CREATE TABLE issuer (did text PRIMARY KEY, successors text[] NOT NULL DEFAULT '{}', state bytea NOT NULL,
                         has_prefixes boolean NOT NULL DEFAULT false);
    CREATE TABLE uri_prefix (prefix text COLLATE "C", did text, PRIMARY KEY (prefix, did));
    CREATE TABLE public_key (public_key text PRIMARY KEY, key_id text NOT NULL);
    CREATE TABLE credential_state (credential_id bytea PRIMARY KEY, state bytea, shared bigint,
                                   CHECK ((state IS NULL) <> (shared IS NULL)));
    CREATE TABLE shared_lives (place bigint PRIMARY KEY, lives bytea NOT NULL);
    CREATE TABLE recognition (event_id bytea PRIMARY KEY, credential_id bytea NOT NULL, recogniser text NOT NULL,
                              state bytea NOT NULL);
    CREATE INDEX recognition_by_pair ON recognition (credential_id, recogniser);
    CREATE TABLE event (event_id bytea PRIMARY KEY, leaf_index bigint NOT NULL);

Standing decisions, invitations and endorsements have tables of their own (`services.persistence.postgres_statements`).
A service whose entries already carry the event id may make `event` a view over them and save `with_events=False`.
States are msgpack of the array-like records of `proto.lifecycle.states`; ids in columns are raw bytes. `successors` are
all that were ever named, because a closing may turn out to be void (DESIGN 3.7). Credentials that one event gave the
same lives share a row of `shared_lives`, until something else is said of one of them.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from proto.envelope import Opened
from proto.ids import CredentialId, Did, EventId, KeyId, LeafIndex
from proto.keys import PublicKey
from proto.lifecycle import (
    ROUNDS_MAX,
    Book,
    Credential,
    Issuer,
    Life,
    LogState,
    Needs,
    Recognition,
    SharedPlace,
    UnloadedStateError,
    needs,
    prefixes_of,
)
from proto.lifecycle.book import put_absent
from services.persistence import postgres_statements
from services.persistence.overlaps import AFTER_URIS, beginnings
from services.persistence.postgres import Connection, Pool

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE_LOG = msgspec.msgpack.Decoder(LogState).decode
_DECODE_ISSUER = msgspec.msgpack.Decoder(Issuer).decode
_DECODE_CREDENTIAL = msgspec.msgpack.Decoder(Credential).decode
_DECODE_LIVES = msgspec.msgpack.Decoder(tuple[Life, ...]).decode
_DECODE_RECOGNITION = msgspec.msgpack.Decoder(Recognition).decode

_LOAD_LOG = "SELECT state FROM log_state"
_LOAD_EVENTS = "SELECT event_id, leaf_index FROM event WHERE event_id = ANY($1::bytea[])"
_LOAD_ISSUERS = """
    WITH RECURSIVE chain AS (
        SELECT did, successors, state FROM issuer WHERE did = ANY($1::text[])
        UNION
        SELECT next.did, next.successors, next.state FROM issuer next JOIN chain ON next.did = ANY(chain.successors)
    )
    SELECT did, state FROM chain"""
_LOAD_LOG_AND_ISSUERS = """
    WITH RECURSIVE chain AS (
        SELECT did, successors, state FROM issuer WHERE did = ANY($1::text[])
        UNION
        SELECT next.did, next.successors, next.state FROM issuer next JOIN chain ON next.did = ANY(chain.successors)
    )
    SELECT did, state FROM chain UNION ALL SELECT NULL, state FROM log_state"""
_LOAD_OVERLAPPING = """
    SELECT DISTINCT asked.prefix AS asked, known.did FROM unnest($1::text[], $2::text[]) AS asked (prefix, known_prefix)
        JOIN uri_prefix known ON known.prefix = asked.known_prefix
    UNION
    SELECT asked.prefix, known.did FROM unnest($3::text[]) AS asked (prefix)
        JOIN uri_prefix known ON known.prefix > asked.prefix COLLATE "C"
            AND known.prefix < (asked.prefix || $4) COLLATE "C"
    ORDER BY 1, 2"""
_WITHOUT_PREFIXES = "SELECT did, state FROM issuer WHERE NOT has_prefixes"
_SAVE_PREFIXES = """
    INSERT INTO uri_prefix (prefix, did) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING"""
_HAVE_PREFIXES = "UPDATE issuer SET has_prefixes = true WHERE did = ANY($1::text[])"
_LOAD_PUBLIC_KEYS = "SELECT public_key, key_id FROM public_key WHERE public_key = ANY($1::text[])"
_LOAD_CREDENTIALS = "SELECT credential_id, state, shared FROM credential_state WHERE credential_id = ANY($1::bytea[])"
_LOAD_SHARED_LIVES = "SELECT place, lives FROM shared_lives WHERE place = ANY($1::bigint[])"
_LOAD_RECOGNITIONS = """
    SELECT state FROM recognition WHERE event_id = ANY($1::bytea[])
    UNION
    SELECT state FROM recognition
    WHERE (credential_id, recogniser) IN (SELECT * FROM unnest($2::bytea[], $3::text[]))"""

_SAVE_LOG = """
    INSERT INTO log_state (state) VALUES ($1)
    ON CONFLICT (is_only) DO UPDATE SET state = excluded.state"""
_SAVE_ISSUERS = """
    INSERT INTO issuer (did, successors, state, has_prefixes)
    SELECT did, string_to_array(successors, ' '), state, true FROM unnest($1::text[], $2::text[], $3::bytea[])
        AS row (did, successors, state)
    ON CONFLICT (did) DO UPDATE SET successors = excluded.successors, state = excluded.state, has_prefixes = true"""
_SAVE_PUBLIC_KEYS = """
    INSERT INTO public_key (public_key, key_id) SELECT * FROM unnest($1::text[], $2::text[])
    ON CONFLICT (public_key) DO NOTHING"""
_COPIED_AT_ONCE = 2_048
_CREDENTIAL_COLUMNS = ("credential_id", "state", "shared")
_SAVE_CREDENTIALS = """
    INSERT INTO credential_state (credential_id, state, shared)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[])
    ON CONFLICT (credential_id) DO UPDATE SET state = excluded.state, shared = excluded.shared"""
_SAVE_SHARED_LIVES = """
    INSERT INTO shared_lives (place, lives) SELECT * FROM unnest($1::bigint[], $2::bytea[])
    ON CONFLICT (place) DO UPDATE SET lives = excluded.lives"""
_SAVE_RECOGNITIONS = """
    INSERT INTO recognition (event_id, credential_id, recogniser, state)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bytea[])
    ON CONFLICT (event_id) DO UPDATE SET state = excluded.state"""
_SAVE_EVENTS = "INSERT INTO event (event_id, leaf_index) SELECT * FROM unnest($1::bytea[], $2::bigint[])"


async def load_log(connection: Connection, book: Book) -> None:
    """Put the log's own state into the book; it stays None before entry 0."""
    row = await connection.fetchrow(_LOAD_LOG)
    book.log = _DECODE_LOG(row["state"]) if row else None


async def load_log_and_issuers(connection: Connection | Pool, book: Book, dids: Collection[Did]) -> None:
    """Put the log's own state and issuers into the book by one statement, so that both are of one moment."""
    for row in await connection.fetch(_LOAD_LOG_AND_ISSUERS, list(dids)):
        if row["did"] is None:
            book.log = _DECODE_LOG(row["state"])
        else:
            book.issuers.setdefault(Did(row["did"]), _DECODE_ISSUER(row["state"]))
    put_absent(book.issuers, dids)


async def load(connection: Connection | Pool, book: Book, wanted: Needs) -> None:
    """Put what is wanted into the book, and None under names that are not there: at most one query per table.

    Raises `msgspec.DecodeError` where a row is damaged.

    Issuers come with the whole chain of their successors. What the book holds already is left as it is.
    """
    if wanted.events:
        rows = await connection.fetch(_LOAD_EVENTS, _raw(wanted.events))
        book.events |= {EventId(row["event_id"].hex()): LeafIndex(row["leaf_index"]) for row in rows}
    if wanted.issuers:
        rows = await connection.fetch(_LOAD_ISSUERS, list(wanted.issuers))
        for row in rows:
            book.issuers.setdefault(Did(row["did"]), _DECODE_ISSUER(row["state"]))
    if wanted.prefixes:
        await _load_overlapping(connection, book, wanted)
    if wanted.public_keys:
        rows = await connection.fetch(_LOAD_PUBLIC_KEYS, list(wanted.public_keys))
        book.public_keys |= {PublicKey(row["public_key"]): KeyId(row["key_id"]) for row in rows}
    if wanted.credentials:
        await _load_credentials(connection, book, wanted)
    if wanted.recognitions or wanted.recognised:
        await _load_recognitions(connection, book, wanted)
    if wanted.groups:
        await postgres_statements.load_groups(connection, book, wanted.groups)
    if wanted.statements:
        await postgres_statements.load(connection, book, wanted.statements)
    mark_absent(book, wanted)


async def _load_overlapping(connection: Connection | Pool, book: Book, wanted: Needs) -> None:
    """Read whose prefixes overlap with those wanted; of institutions that an older version saved, note them first."""
    old = [_DECODE_ISSUER(row["state"]) for row in await connection.fetch(_WITHOUT_PREFIXES)]
    if old:
        await _save_prefixes(connection, old)
        await connection.execute(_HAVE_PREFIXES, [issuer.did for issuer in old])
    pairs = [(prefix, beginning) for prefix in sorted(wanted.prefixes) for beginning in beginnings(prefix)]
    asked, beginning = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = await connection.fetch(_LOAD_OVERLAPPING, asked, beginning, sorted(wanted.prefixes), AFTER_URIS)
    for row in rows:
        book.overlapping[row["asked"]] = (*(book.overlapping.get(row["asked"]) or ()), Did(row["did"]))


async def _save_prefixes(connection: Connection | Pool, issuers: Sequence[Issuer]) -> None:
    pairs = [(prefix, issuer.did) for issuer in issuers for prefix in prefixes_of(issuer)]
    if pairs:
        await connection.execute(_SAVE_PREFIXES, [pair[0] for pair in pairs], [pair[1] for pair in pairs])


async def _load_credentials(connection: Connection | Pool, book: Book, wanted: Needs) -> None:
    rows = await connection.fetch(_LOAD_CREDENTIALS, _raw(wanted.credentials))
    places = {row["shared"] for row in rows} - {None}
    stored = await connection.fetch(_LOAD_SHARED_LIVES, list(places)) if places else ()
    shared: dict[SharedPlace, tuple[Life, ...]] = {row["place"]: _DECODE_LIVES(row["lives"]) for row in stored}
    for row in rows:
        credential_id, place = CredentialId(row["credential_id"].hex()), row["shared"]
        if place is None:
            book.credentials[credential_id] = _DECODE_CREDENTIAL(row["state"])
        elif place in shared:
            book.credentials[credential_id] = Credential(credential_id=credential_id, lives=shared[place])
        else:
            raise msgspec.DecodeError(f"what the credential {credential_id} shares with others is missing")


async def _load_recognitions(connection: Connection | Pool, book: Book, wanted: Needs) -> None:
    pairs = sorted(wanted.recognised)
    rows = await connection.fetch(
        _LOAD_RECOGNITIONS, _raw(wanted.recognitions), _raw(pair[0] for pair in pairs), [pair[1] for pair in pairs]
    )
    found = sorted((_DECODE_RECOGNITION(row["state"]) for row in rows), key=lambda each: each.stamp.index)
    for recognition in found:
        book.recognitions.setdefault(recognition.stamp.event_id, recognition)
        pair = (recognition.credential_id, recognition.recogniser)
        if pair in wanted.recognised:
            book.recognised[pair] = (*(book.recognised.get(pair) or ()), recognition.stamp.event_id)


def mark_absent(book: Book, wanted: Needs) -> None:
    """Put None under every wanted name that the book does not hold: it was looked up, and is not there."""
    put_absent(book.events, wanted.events)
    put_absent(book.issuers, wanted.issuers)
    put_absent(book.public_keys, wanted.public_keys)
    put_absent(book.credentials, wanted.credentials)
    put_absent(book.recognitions, wanted.recognitions)
    put_absent(book.recognised, wanted.recognised)
    put_absent(book.overlapping, wanted.prefixes)
    put_absent(book.groups, wanted.groups)
    put_absent(book.statements, wanted.statements)


async def load_all(connection: Connection, book: Book, batch: Sequence[Opened]) -> None:
    """Put everything that deciding the batch reads into the book: the log, then what each round names (DESIGN 3.6).

    Raises `UnloadedStateError` if the rounds do not end where the rules say they do: a fault of ours.
    """
    if book.log is None:
        await load_log(connection, book)
    for _ in range(ROUNDS_MAX + 1):
        missing = needs(book, batch)
        if missing.is_empty:
            return
        await load(connection, book, missing)
    raise UnloadedStateError(f"The batch needs more than {ROUNDS_MAX} rounds of loading")


async def save(connection: Connection, book: Book, *, with_events: bool = True) -> None:
    """Write what changed in the book, a statement or two per table; commit, then call `book.forget_changes()`."""
    if book.is_log_changed:
        await connection.execute(_SAVE_LOG, _ENCODE(book.opened_log()))
    if book.changed_issuers:
        await _save_issuers(
            connection, [issuer for did in sorted(book.changed_issuers) if (issuer := book.issuer(did))]
        )
    if book.changed_public_keys:
        names = sorted(book.changed_public_keys)
        await connection.execute(_SAVE_PUBLIC_KEYS, names, [book.public_keys[name] for name in names])
    if book.changed_credentials:
        await _save_credentials(connection, book)
    if book.changed_recognitions:
        await _save_recognitions(
            connection, [found for name in sorted(book.changed_recognitions) if (found := book.recognition(name))]
        )
    if book.changed_statements:
        await postgres_statements.save(connection, book)
    if with_events and book.changed_events:
        names_of_events = sorted(book.changed_events)
        await connection.execute(_SAVE_EVENTS, _raw(names_of_events), [book.index_of(name) for name in names_of_events])


async def _save_credentials(connection: Connection, book: Book) -> None:
    """Write what changed; whatever is new by COPY, which costs a third less for each row than an upsert.

    Some at a time: the database ends the session of who is silent for long, as a slow machine would be over all rows.
    """
    earlier = book.earlier_credentials
    new = sorted(book.changed_credentials - earlier)
    for start in range(0, len(new), _COPIED_AT_ONCE):
        rows = [_credential_row(book, name) for name in new[start : start + _COPIED_AT_ONCE]]
        await connection.copy_records_to_table("credential_state", records=rows, columns=_CREDENTIAL_COLUMNS)
    if earlier:
        ids, states, places = zip(*(_credential_row(book, name) for name in sorted(earlier)), strict=True)
        await connection.execute(_SAVE_CREDENTIALS, ids, states, places)
    if book.shared_lives:
        lives = [_ENCODE(each) for each in book.shared_lives.values()]
        await connection.execute(_SAVE_SHARED_LIVES, list(book.shared_lives), lives)


def _credential_row(book: Book, name: CredentialId) -> tuple[bytes, bytes | None, SharedPlace | None]:
    place = book.shared_by.get(name)
    return bytes.fromhex(name), _ENCODE(book.credentials[name]) if place is None else None, place


async def _save_issuers(connection: Connection, issuers: Sequence[Issuer]) -> None:
    successors = [" ".join(dict.fromkeys(s.successor for s in issuer.standings if s.successor)) for issuer in issuers]
    await connection.execute(
        _SAVE_ISSUERS, [issuer.did for issuer in issuers], successors, [_ENCODE(issuer) for issuer in issuers]
    )
    await _save_prefixes(connection, issuers)


async def _save_recognitions(connection: Connection, recognitions: Sequence[Recognition]) -> None:
    await connection.execute(
        _SAVE_RECOGNITIONS,
        _raw(recognition.stamp.event_id for recognition in recognitions),
        _raw(recognition.credential_id for recognition in recognitions),
        [recognition.recogniser for recognition in recognitions],
        [_ENCODE(recognition) for recognition in recognitions],
    )


def _raw(names: Iterable[str]) -> list[bytes]:
    """Ids as the columns hold them: bytes, not hex."""
    return list(map(bytes.fromhex, names))
