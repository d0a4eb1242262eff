"""What an operator may set of a verifier: `CREDENTIFY_VERIFIER_…`. Reads no environment and opens nothing."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from services.edge.config import EdgeConfig, Port
from services.follow.interface import CHUNK_BYTES_MAX
from services.settings import LOG_KEY, WEB_ADDRESS

SETTINGS_PREFIX = "CREDENTIFY_VERIFIER_"


class Config(EdgeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one verifier process; each field's description is its manual."""

    host: Annotated[str, Meta(description="Address to listen on")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one")] = 8103
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=64,
            description="Processes that answer, on one port. 1: one process replays and answers; more (on Linux): so "
            "many answer, and one more replays",
        ),
    ] = 1
    worker_silence_seconds_max: Annotated[
        float,
        Meta(
            ge=3,
            le=3_600,
            description="Seconds for which a worker may hang before it is ended and started again; what it waits for a "
            "processor or a disk does not count",
        ),
    ] = 60.0
    public_url: Annotated[
        str | None,
        Meta(
            description="Address at which people reach this verifier, http://… or https://…: printed pages name it, "
            "also as a QR code. Without it, the address by which a page was asked for",
            extra=WEB_ADDRESS,
        ),
    ] = None
    rate_per_second: Annotated[
        float,
        Meta(ge=0, description="Requests per second that one client address may keep up, of each worker; 0: none"),
    ] = 50.0
    rate_burst: Annotated[
        int, Meta(ge=1, description="Requests that one client address may send at once before its rate counts")
    ] = 500
    api_keys_file: Annotated[
        Path | None,
        Meta(
            description="TOML file with the hashes and quotas of API keys, as `credentify verifier-key` writes it; "
            "read again when it changes. Quotas are counted from the start on, by all workers together"
        ),
    ] = None
    ledger_url: Annotated[
        str, Meta(description="Address of the log that is followed, http://… or https://…", extra=WEB_ADDRESS)
    ]
    log_public_url: Annotated[
        str | None,
        Meta(description="Address at which everybody reaches the log, shown beside how to check it", extra=WEB_ADDRESS),
    ] = None
    log_verifier_key: Annotated[
        str,
        Meta(
            description="The log's public key as a C2SP vkey; nothing that it did not sign is believed", extra=LOG_KEY
        ),
    ]
    predecessors: Annotated[
        tuple[str, ...],
        Meta(
            description="Logs that the followed one continues, oldest first, each as address, blank, vkey; their final "
            "state is where the projection begins"
        ),
    ] = ()
    registrar: Annotated[
        tuple[str, ...],
        Meta(
            description="Pins of how the log begins: the registrar's did:key or the event id of entry 0, as the "
            "registrar has published them. One has to be met; without any, answers say `pinned: false`: who holds the "
            "log's key could have begun it anew"
        ),
    ] = ()
    compare_with: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses of other verifiers of the same log (or of what ends in /checkpoint): what the log "
            "showed them is compared with what it shows here, which finds forks where there are no witnesses"
        ),
    ] = ()
    compare_seconds: Annotated[
        float, Meta(ge=1, le=86_400, description="Seconds between two comparisons with the same verifier")
    ] = 60.0
    catalogues: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses of issuer gateways whose public catalogues are read for descriptions of "
            "achievements, of which the log holds none; each is shown as that catalogue's word"
        ),
    ] = ()
    catalogue_seconds: Annotated[
        float, Meta(ge=1, le=604_800, description="Seconds between two readings of the same catalogue")
    ] = 3_600.0
    database_file: Annotated[
        Path, Meta(description="SQLite file of the projection; it may be removed at any time and is filled again")
    ]
    policy_file: Annotated[
        Path | None,
        Meta(description="Witness policy (C2SP tlog-policy); without it, freshness is the log's own word"),
    ] = None
    quality_register_file: Annotated[
        Path | None,
        Meta(
            description="Copy of the register of quality reports (DEQAR), written by `credentify quality-register "
            "import` and read at the start; without it, what reports institutions name stays unknown"
        ),
    ] = None
    quality_register_days_max: Annotated[
        int, Meta(ge=1, le=3_650, description="Days after which such a copy is too old to tell anything")
    ] = 180
    freshness_seconds_max: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds after which what is known is too old to answer from")
    ] = 60.0
    poll_seconds: Annotated[
        float, Meta(ge=1, le=300, description="Seconds that one request waits for the log to grow")
    ] = 10.0
    log_timeout_seconds: Annotated[
        float, Meta(gt=0, le=300, description="Seconds after which the log counts as not answering")
    ] = 10.0
    chunk_entries_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Entries that one transaction of the projection applies at most")
    ] = 1_000
    chunk_bytes_max: Annotated[
        int,
        Meta(
            ge=65_536,
            description="Bytes of entries that are held at once, about; more than 1435392 are never taken, so that one "
            "transaction is about 16384 credentials at most",
        ),
    ] = CHUNK_BYTES_MAX
    backoff_seconds_max: Annotated[
        float, Meta(gt=0, le=600, description="Seconds between two attempts to reach a log that does not answer")
    ] = 15.0
    publish_delay_seconds_max: Annotated[
        float,
        Meta(
            ge=1,
            le=2_678_400,
            description="Seconds that an entry of the log may be dated before a time at which the log was seen without "
            "it; what is dated further back is not applied",
        ),
    ] = 300.0
    signature_threads: Annotated[
        int, Meta(ge=1, le=64, description="Threads that check signatures while catching up")
    ] = 2
    signature_processes: Annotated[
        int,
        Meta(
            ge=0,
            le=64,
            description="Processes that check signatures while thousands of entries are caught up with; 0: threads do",
        ),
    ] = 2
    reader_threads: Annotated[int, Meta(ge=1, le=64, description="Threads that answer questions")] = 2
    form_processes: Annotated[
        int,
        Meta(
            ge=2,
            le=64,
            description="Processes that work out what strangers' documents mean in RDF, with little memory and time; "
            "all but one may be held up by long documents",
        ),
    ] = 2
    answers_max: Annotated[
        int, Meta(ge=0, description="Answers kept ready in memory, about 2 KB each; none outlives a change of the log")
    ] = 30_000
    documents_max: Annotated[int, Meta(ge=1, le=1_000, description="Documents that one list may hold")] = 100
    lines_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Documents that one NDJSON request may hold")] = (
        10_000
    )
    lines_bytes_max: Annotated[
        int, Meta(ge=65_536, description="Bytes that one NDJSON request may have; it is never held as a whole")
    ] = 268_435_456
    lines_seconds_max: Annotated[
        float, Meta(gt=0, le=86_400, description="Seconds that one NDJSON request may take, answers and all")
    ] = 900.0
    verification_bytes_max: Annotated[
        int, Meta(ge=65_536, description="Bytes that one request for verification may have")
    ] = 8_388_608
    statement_key_file: Annotated[
        Path | None,
        Meta(
            description="File (mode 0600) with a key, as `credentify keygen --statement` makes it: with it, this "
            "verifier signs dated statements on how a credential stands, to be kept beside an offline bundle"
        ),
    ] = None
    witness_key_file: Annotated[
        Path | None,
        Meta(description="File (mode 0600) with a witness key; with it, this verifier cosigns checkpoints for others"),
    ] = None
    witness_memory_file: Annotated[
        Path | None,
        Meta(description="SQLite file of what the witness cosigned; never removed, and never restored from a backup"),
    ] = None
    witness_logs_file: Annotated[
        Path | None,
        Meta(description="File with `log` lines (C2SP tlog-policy) of further logs that the witness may cosign"),
    ] = None
