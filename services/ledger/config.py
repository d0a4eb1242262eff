"""What an operator may set of a ledger: `CREDENTIFY_LEDGER_…`. Reads no environment and opens nothing."""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.subjects import BATCH_IDS_MAX
from services.edge.config import EdgeConfig, Port
from services.persistence.postgres_session import UNHURRIED, PoolLimits

SETTINGS_PREFIX = "CREDENTIFY_LEDGER_"


class Config(EdgeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one ledger process; each field's description is its manual."""

    host: Annotated[str, Meta(description="Address to listen on")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one")] = 8101
    database_url: Annotated[
        str, Meta(description="The ledger's PostgreSQL database as its running role, postgresql://…")
    ]
    migration_database_url: Annotated[
        str | None, Meta(description="The same database as its owner; if set, migrations are applied at start-up")
    ] = None
    database_connections_max: Annotated[
        int, Meta(ge=4, le=500, description="Connections to the database that this process holds at most")
    ] = 8
    database_timeout_ms: Annotated[
        int, Meta(ge=100, description="Milliseconds that one statement may take before the database ends it")
    ] = 10_000
    database_standby_required: Annotated[
        bool,
        Meta(
            description="Take and sign nothing while no commit waits for a synchronous standby; set it where the "
            "database has some, so that a change of its settings loses nothing unseen"
        ),
    ] = False
    frozen_after_ms: Annotated[
        int,
        Meta(
            ge=100,
            le=60_000,
            description="Milliseconds after which a replica that holds the head of the log and does not move loses its "
            "session, so that another can go on",
        ),
    ] = 2_500
    free_space_folder: Annotated[
        Path | None,
        Meta(
            description="Folder on the database's disk whose free space is watched; without it, nothing watches (the "
            "database is on another machine)"
        ),
    ] = None
    free_space_bytes_min: Annotated[
        int, Meta(ge=0, description="Bytes that must be free in that folder; below, nothing is appended (503)")
    ] = 536_870_912
    log_key_file: Annotated[
        Path | None,
        Meta(
            description="File (mode 0600) with the log's secret key, PRIVATE+KEY+…; without it, this process sequences "
            "and serves, and another one signs"
        ),
    ] = None
    state_folder: Annotated[
        Path | None, Meta(description="Folder of the signer's own memory: the last checkpoint that it signed")
    ] = None
    mirror_folder: Annotated[
        Path | None,
        Meta(
            description="Folder that gets a copy of all that is published, for a web server or CDN (C2SP tlog-tiles), "
            "and from which lost entries can be brought back; kept by the process that signs"
        ),
    ] = None
    mirror_bucket: Annotated[
        str | None,
        Meta(
            description="The same in an S3-compatible store, s3://BUCKET/FOLDER; who may write there is said by "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL, or by the machine's role"
        ),
    ] = None
    predecessors: Annotated[
        tuple[str, ...],
        Meta(
            description="Logs that this one continues, oldest first, each as address (of the ledger, or of a mirror), "
            "blank, vkey; offline bundles hold what stands there"
        ),
    ] = ()
    publish_interval_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="Milliseconds between two checkpoints while the log grows")
    ] = 1_000
    idle_publish_interval_ms: Annotated[
        int, Meta(ge=100, le=600_000, description="Milliseconds after which the same checkpoint is published again")
    ] = 20_000
    policy_file: Annotated[
        Path | None,
        Meta(
            description="Witness policy (C2SP tlog-policy): witnesses with a URL are asked to cosign, and nothing is "
            "published without its quorum"
        ),
    ] = None
    witness_monitoring: Annotated[
        tuple[str, ...],
        Meta(
            description="Witnesses that show what they cosigned under another prefix than the policy's URL, each as "
            "name, blank, URL (tlog-witness, monitoring prefix)"
        ),
    ] = ()
    witness_fail_open: Annotated[
        bool, Meta(description="Publish although the witnesses' quorum is missing; followers with a policy refuse that")
    ] = False
    witness_wait_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Milliseconds that one publication waits for the witnesses' quorum")
    ] = 5_000
    witness_timeout_ms: Annotated[
        int, Meta(ge=10, le=60_000, description="Milliseconds after which a witness counts as not answering")
    ] = 5_000
    signer_lock_wait_ms: Annotated[
        int, Meta(ge=0, description="Milliseconds to wait at start-up for an earlier signer to go away")
    ] = 15_000
    batch_events_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Events that one transaction appends at most")
    ] = 512
    batch_wait_ms: Annotated[
        int, Meta(ge=0, le=1_000, description="Milliseconds that a batch waits for events that are still being checked")
    ] = 10
    queue_events_max: Annotated[
        int, Meta(ge=1_000, description="Events that may be under way at once; more are answered 503")
    ] = 16_000
    queue_credentials_max: Annotated[
        int,
        Meta(ge=BATCH_IDS_MAX, description="Credentials that the events under way may be about; more are answered 503"),
    ] = 8 * BATCH_IDS_MAX
    append_timeout_ms: Annotated[
        int, Meta(ge=100, description="Milliseconds after which a submission that is still under way is answered 503")
    ] = 30_000
    development_rules: Annotated[
        bool,
        Meta(
            description="For development only: open logs with, and activate, rules that are not finished (there are "
            "none now). Such a log may break them once they are, and is to be thrown away then"
        ),
    ] = False
    verify_threads: Annotated[int, Meta(ge=1, le=64, description="Threads that check signatures")] = 2
    lines_max: Annotated[int, Meta(ge=1, le=1_000, description="Lines that one NDJSON submission may have")] = 1_000
    submission_bytes_max: Annotated[int, Meta(ge=65_536, description="Bytes that one submission may have")] = 8_388_608
    entries_per_request_max: Annotated[
        int, Meta(ge=1, description="Entries that one answer of /v1/entries holds at most")
    ] = 10_000
    long_poll_wait_seconds_max: Annotated[
        float, Meta(gt=0, le=300, description="Seconds that /v1/checkpoint/after waits at most")
    ] = 30.0
    long_polls_max: Annotated[int, Meta(ge=1, description="Requests that may wait for a checkpoint at once")] = 2_000
    clock_difference_ms_max: Annotated[
        int, Meta(ge=1, description="Milliseconds by which own and database's clock may differ before nothing is taken")
    ] = 2_000
    clock_settle_ms: Annotated[
        int, Meta(ge=0, description="Milliseconds for which nothing is taken after a clock has jumped")
    ] = 30_000


def pool_limits(config: Config) -> PoolLimits:
    """Return the bounds of the ledger's sessions."""
    return PoolLimits(
        connections_max=config.database_connections_max,
        command_timeout_ms=config.database_timeout_ms * 2,
        statement_timeout_ms=config.database_timeout_ms,
        lock_timeout_ms=max(1, config.database_timeout_ms // 2),
        idle_in_transaction_timeout_ms=config.frozen_after_ms,
        requires_standby=config.database_standby_required,
    )


def unhurried_limits(config: Config) -> PoolLimits:
    """Return the bounds of a session whose one transaction may take long: a log begins, or entries are brought back."""
    return msgspec.structs.replace(UNHURRIED, requires_standby=config.database_standby_required)
