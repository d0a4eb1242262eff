"""The configuration of Patroni that the stand runs, and that deploy/OPERATIONS.md tells others to run. Starts nothing.

No acknowledged commit may be lost: a commit is acknowledged once a quorum of standbys has it on disk (`quorum`, and
never less than one, `strict`), and only who was in that quorum may be elected.
"""

from typing import Any

from services.embedded.server import SETTINGS

TTL_SECONDS, LOOP_WAIT_SECONDS, RETRY_SECONDS = 20, 3, 5
"""`ttl` ≥ `loop_wait` + 2 · `retry_timeout`: a leader that cannot renew its key gives up before another gets it."""
SHARED: dict[str, Any] = {
    "ttl": TTL_SECONDS,
    "loop_wait": LOOP_WAIT_SECONDS,
    "retry_timeout": RETRY_SECONDS,
    "synchronous_mode": "quorum",
    "synchronous_mode_strict": True,
    "synchronous_node_count": 1,
    "maximum_lag_on_failover": 1_048_576,
    "check_timeline": True,
    "failsafe_mode": True,
    "primary_start_timeout": 0,
    "primary_stop_timeout": 10,
    "postgresql": {
        "use_pg_rewind": True,
        "use_slots": True,
        "parameters": {
            **{name: SETTINGS[name] for name in SETTINGS if name.startswith(("log_", "lc_", "timezone"))},
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "wal_log_hints": "on",
            "wal_keep_size": "128MB",
            "min_wal_size": "80MB",
            "max_wal_size": "256MB",
            "max_connections": 120,
            "max_wal_senders": 10,
            "max_replication_slots": 10,
            "max_slot_wal_keep_size": "1GB",
            "wal_sender_timeout": "5s",
            "wal_receiver_timeout": "5s",
            "wal_receiver_status_interval": "1s",
        },
    },
}
SUPERUSER, REPLICATOR = "postgres", "replicator"


def settings_of(
    name: str,
    *,
    folder: str,
    binaries: str,
    etcd: list[str],
    api: tuple[str, str],
    postgres: tuple[str, str],
    password: str,
) -> dict[str, Any]:
    """Return what one Patroni reads; `api` and `postgres` are where each listens, and where others reach it."""
    return {
        "scope": "credentify",
        "name": name,
        "restapi": {"listen": api[0], "connect_address": api[1]},
        "etcd3": {"hosts": etcd},
        "bootstrap": {
            "dcs": SHARED,
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums", {"auth": "scram-sha-256"}],
        },
        "postgresql": {
            "listen": postgres[0],
            "connect_address": postgres[1],
            "data_dir": f"{folder}/postgres",
            "bin_dir": binaries,
            "pgpass": f"{folder}/pgpass",
            "parameters": {"unix_socket_directories": folder, "unix_socket_permissions": "0700"},
            "pg_hba": [
                "local all all scram-sha-256",
                "host all all 127.0.0.1/32 scram-sha-256",
                "host replication all 127.0.0.1/32 scram-sha-256",
            ],
            "authentication": {
                "superuser": {"username": SUPERUSER, "password": password},
                "replication": {"username": REPLICATOR, "password": password},
            },
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
        "watchdog": {"mode": "off"},
    }
