"""What an operator may set of the issuer gateway; read once by `services.settings` from CREDENTIFY_GATEWAY_*."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.documents.annex_i import AnnexGate
from proto.events import GROUP_MAX
from services.edge import EdgeConfig, Port
from services.settings import LOG_KEY, WEB_ADDRESS

PREFIX = "CREDENTIFY_GATEWAY_"


class Config(EdgeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one gateway. Secrets are paths to files."""

    host: Annotated[str, Meta(description="Address that the gateway listens on")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port that the gateway listens on; 0 takes any free one")] = 8102
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._-]+)*\Z",
            max_length=120,
            description="Permanent base URL under which the public reaches this gateway; stands inside every document",
        ),
    ]
    database_url: Annotated[str, Meta(description="postgresql:// URL of the running role")]
    migration_database_url: Annotated[
        str | None, Meta(description="postgresql:// URL of the owner role; if set, migrations are applied at start")
    ] = None
    database_connections_max: Annotated[int, Meta(ge=2, description="Connections to the database at most")] = 16
    database_standby_required: Annotated[
        bool,
        Meta(
            description="Take and sign nothing while no commit waits for a synchronous standby; set it where the "
            "database has some, so that a change of its settings loses nothing unseen"
        ),
    ] = False
    ledger_url: Annotated[str, Meta(description="Base URL of the ledger, http://… or https://…", extra=WEB_ADDRESS)]
    log_verifier_key: Annotated[
        str, Meta(description="The log's public key as a C2SP vkey; the gateway trusts no other", extra=LOG_KEY)
    ]
    predecessors: Annotated[
        tuple[str, ...],
        Meta(
            description="Logs that the followed one continues, oldest first, each as address, blank, vkey; they are "
            "followed to their ends before anything is said to it"
        ),
    ] = ()
    registrar: Annotated[
        tuple[str, ...],
        Meta(
            description="Pins of how the log begins: the registrar's did:key or the event id of entry 0, as the "
            "registrar has published them. One has to be met before anything is said to the log"
        ),
    ] = ()
    verifier_url: Annotated[
        str | None,
        Meta(
            description="Base URL of a verifier, https://…: pages, papers and QR codes lead there, and "
            "new documents name it as a hint that nobody trusts. Not set: they name none",
            extra=WEB_ADDRESS,
        ),
    ] = None
    font_folder: Annotated[
        Path | None,
        Meta(description="Folder of more fonts (TTF, OTF) for papers, for scripts that those of the package lack"),
    ] = None
    policy_file: Annotated[
        Path | None, Meta(description="File with the witness policy (C2SP tlog-policy) that checkpoints must meet")
    ] = None
    master_key_file: Annotated[
        Path, Meta(description="File of 32 bytes and mode 0600 with the key that wraps all other keys")
    ]
    key_folder: Annotated[
        Path | None,
        Meta(
            description="Folder (mode 0700) of the learners' keys; copied by overwriting, never kept in generations. "
            "If not set: `learner-keys` beside the master key"
        ),
    ] = None
    key_folder_lost: Annotated[
        bool,
        Meta(
            description="Start although the key folder holds no key of the database's learners: it was lost for good, "
            "and what was issued until now can be read by nobody"
        ),
    ] = False
    operator_token_file: Annotated[Path, Meta(description="File with the token that may create institutions")]
    sequencing_wait_ms: Annotated[
        int,
        Meta(ge=0, le=30_000, description="Milliseconds that a request waits for the log before it is answered 202"),
    ] = 2_000
    effective_margin_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description="Milliseconds by which a change without effective_at is dated back, for clocks that differ",
        ),
    ] = 100
    relay_batch_max: Annotated[int, Meta(ge=1, le=1_000, description="Events sent to the ledger in one request")] = 500
    relay_backoff_ms_min: Annotated[int, Meta(ge=1, description="First pause after a failure to reach the ledger")] = (
        100
    )
    relay_backoff_ms_max: Annotated[int, Meta(ge=1, description="Longest pause between attempts")] = 10_000
    relay_timeout_seconds: Annotated[float, Meta(gt=0, description="Seconds to wait for one answer of the ledger")] = (
        30.0
    )
    relay_poll_ms: Annotated[
        int, Meta(ge=10, description="Milliseconds between looks at the outbox when nobody has called for one")
    ] = 1_000
    stale_seconds_max: Annotated[
        float, Meta(gt=0, description="Seconds without news of the log after which what depends on it waits (503)")
    ] = 60.0
    publish_delay_seconds_max: Annotated[
        float,
        Meta(
            ge=1,
            le=2_678_400,
            description="Seconds that an entry of the log may be dated before a time at which the log was seen without "
            "it; what is dated further back is not applied",
        ),
    ] = 300.0
    answer_hours_max: Annotated[
        int, Meta(ge=1, description="Hours that an answer with a secret in it is kept for a repeated request")
    ] = 24
    status_ttl_seconds: Annotated[
        int, Meta(ge=1, le=86_400, description="Seconds that a status list may be kept before it is asked for again")
    ] = 60
    status_valid_hours: Annotated[
        int, Meta(ge=1, le=720, description="Hours that a signed status list is valid; it is renewed at half of them")
    ] = 24
    import_bytes_max: Annotated[int, Meta(ge=1, description="Largest Open Badges document in bytes")] = 1_048_576
    batch_bytes_max: Annotated[int, Meta(ge=1, description="Largest batch in bytes; it is never held as a whole")] = (
        268_435_456
    )
    batch_rows_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Rows that one batch has at most")] = 100_000
    batch_upload_seconds_max: Annotated[float, Meta(gt=0, description="Seconds that a batch may take to arrive")] = (
        900.0
    )
    group_max: Annotated[
        int,
        Meta(
            ge=1,
            le=GROUP_MAX,
            description="So many credentials of a list share an event at most, where the log has rules version 2. That "
            "they do can be seen; 1 says each alone",
        ),
    ] = GROUP_MAX
    annex_gate: Annotated[
        AnnexGate,
        Meta(
            description="What becomes of credentials that lack mandatory elements of Annex I (2022/C 243/02): `off`, "
            "`warn` (a note), `refuse-missing`, `refuse-doubtful`. An institution may be stricter, never laxer"
        ),
    ] = "off"
    requests_per_hour: Annotated[
        float, Meta(gt=0, le=1_000_000, description="Requests for achievements an hour that one address may keep up")
    ] = 60.0
    requests_burst: Annotated[
        int, Meta(ge=1, description="Requests for achievements that one address may send before its rate counts")
    ] = 20
    requests_open_max: Annotated[
        int, Meta(ge=1, description="Requests that may wait for one institution; more are answered 503")
    ] = 5_000
    evidence_verifier_url: Annotated[
        str | None,
        Meta(
            description="Base URL of a verifier that is asked about the evidence of applications for recognition; not "
            "set: evidence is taken unchecked, and says so",
            extra=WEB_ADDRESS,
        ),
    ] = None
    application_due_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3_650,
            description="Days within which an application for recognition is to be decided, where its institution says "
            "no other number",
        ),
    ] = 60
    application_kept_days: Annotated[
        int, Meta(ge=1, le=3_650, description="Days after which a decided application is erased")
    ] = 365
    request_kept_days: Annotated[
        int,
        Meta(
            ge=1,
            le=3_650,
            description="Days after which what was said in a request that waits or was rejected is erased",
        ),
    ] = 180
    holder_link_days: Annotated[
        int,
        Meta(
            ge=1,
            le=1_830,
            description="Days that a learner's secret link works, which a claim, a request or staff led to, where "
            "nobody says otherwise",
        ),
    ] = 365


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds that no operator needs to set."""

    page_rows_default: int = 50
    page_rows_max: int = 200
    batch_chunk_rows: int = 512
    """Rows of a list answered at once that are done in one transaction: two groups of the largest size (DESIGN 9)."""
    batch_part_rows: int = 768
    """Rows of a file in the background that are done in one transaction, which waits for the disk: three groups."""
    batch_part_bytes_max: int = 4_194_304
    """Bytes of the rows of such a part, of which two are in memory at a time."""
    batch_apart_from_rows: int = 4_000
    """Files of so many rows are read and prepared by a process of their own, which takes a second to begin."""
    batch_shuffled_bytes_max: int = 8_388_608
    """Rows of a file are put in order by lot, so many bytes of them at a time: all, of most files."""
    coalesced_max: int = 64
    """So many requests at most have their work done together."""
    batch_held_bytes_max: int = 8_388_608
    """A batch of more bytes is not held in memory, however few its rows: it is worked on in the background."""
    batch_parts_stored_at_once: int = 10
    batch_parts_kept_hours: int = 24
    result_rows_per_read: int = 500
    stream_pause_seconds: float = 0.5
    stream_silence_seconds: float = 15.0
    search_characters_max: int = 100
    form_processes: int = 2
    """Processes that work out what imported documents mean; each begins when it is first needed."""


LIMITS = Limits()
