"""For each alarm one course of figures at which it fires, and one that differs little and leaves it quiet.

A course has one value a minute, in promtool's notation; an alarm is looked at after so many minutes.
"""

import msgspec

Course = dict[str, str]
DAY = 86_400


class AlarmCase(msgspec.Struct, frozen=True):
    """Figures by series: at which the alarm fires, and at which not; `minutes` until it is looked at."""

    fires: Course
    quiet: Course
    minutes: int = 20
    count: int = 1


def late(share: float) -> Course:
    """Return entries of which that share is published late."""
    name = "credentify_ledger_publication_delay_seconds"
    return {f'{name}_bucket{{le="2.0"}}': f"0+{1000 * (1 - share):g}x400", f"{name}_count": "0+1000x400"}


def slow(share: float) -> Course:
    """Return answers of which that share is slow."""
    labels = 'job="credentify-verifier",route="/v1/credentials/{credential_id}",code="2xx"'
    name = "credentify_http_request_duration_seconds"
    good = f"0+{1000 * (1 - share):g}x400"
    return {f'{name}_bucket{{{labels},le="0.25"}}': good, f"{name}_count{{{labels}}}": "0+1000x400"}


def not_taken(share: float) -> Course:
    """Return events of which that share is not appended."""
    name = "credentify_ledger_events_total"
    return {
        f'{name}{{outcome="no-space"}}': f"0+{1000 * share:g}x400",
        f'{name}{{outcome="appended"}}': f"0+{1000 * (1 - share):g}x400",
    }


def one(series: str, fires: str, quiet: str, *, minutes: int = 20) -> AlarmCase:
    """Return the case of one series."""
    return AlarmCase({series: fires}, {series: quiet}, minutes)


def requests(failing: str) -> Course:
    """Return a hundred good answers a minute, and as many bad ones as are said."""
    name = "credentify_http_requests_total"
    return {
        f'{name}{{job="credentify-gateway",code="2xx"}}': "0+100x60",
        f'{name}{{job="credentify-gateway",code="5xx"}}': failing,
    }


CASES: dict[str, AlarmCase] = {
    "PublicationFastBurn": AlarmCase(late(0.08), late(0.05)),
    "PublicationSlowBurn": AlarmCase(late(0.04), late(0.02), 60),
    "VerdictFastBurn": AlarmCase(slow(0.2), slow(0.1)),
    "VerdictSlowBurn": AlarmCase(slow(0.08), slow(0.04), 60),
    "AppendFastBurn": AlarmCase(not_taken(0.02), not_taken(0.01)),
    "AppendSlowBurn": AlarmCase(not_taken(0.008), not_taken(0.004), 60),
    "ServiceDown": one('up{job="credentify-ledger"}', "1x5 0x60", "1x9 0 1x60"),
    "Restarting": one(
        'process_start_time_seconds{job="credentify-ledger"}', "1 1 2 3 4 4x60", "1 1 2 3 3x60", minutes=6
    ),
    "Errors": AlarmCase(requests("0+10x60"), requests("0+4x60")),
    "DatabaseUnavailable": one(
        'credentify_http_problems_total{job="credentify-ledger",problem="database-unavailable"}', "0+1x60", "5x60"
    ),
    "DatabasePoolUsedUp": AlarmCase(
        {
            'credentify_database_connections{job="j",instance="i",pool="requests",state="used"}': "8x60",
            'credentify_database_connections_max{job="j",instance="i",pool="requests"}': "8x60",
        },
        {
            'credentify_database_connections{job="j",instance="i",pool="requests",state="used"}': "7x60",
            'credentify_database_connections_max{job="j",instance="i",pool="requests"}': "8x60",
        },
    ),
    "ConnectionsRefused": one('credentify_http_connections_refused_total{reason="address"}', "0x18 1 2 3", "3x60"),
    "LogLinesLost": one("credentify_log_lines_lost_total", "0x18 1 2 3", "3x60"),
    "DiskFilling": AlarmCase(
        {
            'credentify_disk_free_bytes{place="state_folder"}': "9x60",
            'credentify_disk_size_bytes{place="state_folder"}': "100x60",
        },
        {
            'credentify_disk_free_bytes{place="state_folder"}': "11x60",
            'credentify_disk_size_bytes{place="state_folder"}': "100x60",
        },
    ),
    "CertificateEnds": one(
        'credentify_certificate_expires_timestamp_seconds{address="public_url"}',
        f"{13 * DAY}x90",
        f"{15 * DAY}x90",
        minutes=70,
    ),
    "SecretOld": one(
        'credentify_secret_file_timestamp_seconds{secret="operator_token_file"}',
        f"{-401 * DAY}x90",
        f"{-399 * DAY}x90",
        minutes=70,
    ),
    "NotPublished": AlarmCase(
        {"credentify_ledger_published_size_entries": "5x60", "credentify_ledger_tree_size_entries": "5 6x60"},
        {"credentify_ledger_published_size_entries": "5 5 6x60", "credentify_ledger_tree_size_entries": "5 6x60"},
    ),
    "NotAppended": one('credentify_ledger_batches_failed_total{reason="database"}', "0+1x60", "0 1x60"),
    "DiskFloorReached": one("credentify_ledger_disk_floor_reached", "0x18 1x60", "0x18 0x60"),
    "BackupOld": one('credentify_ledger_backup_timestamp_seconds{job="j"}', f"{-26 * 3_600}x60", "-3600x60"),
    "QuorumMissed": one("credentify_ledger_quorum_missed_total", "0+1x60", "0 1x60"),
    "WitnessBehind": one('credentify_ledger_witness_cosigned_timestamp_seconds{witness="w"}', "60x60", "900x60"),
    "WitnessContradicts": one('credentify_ledger_witness_stopped{witness="w"}', "1x60", "0x60"),
    "LogFaulty": AlarmCase(
        {
            'credentify_verifier_log_state{job="v",state="faulty"}': "1x60",
            'credentify_gateway_log_faults_total{job="g",kind="fork"}': "1x60",
        },
        {
            'credentify_verifier_log_state{job="v",state="faulty"}': "0x60",
            'credentify_verifier_log_state{job="v",state="stale"}': "1x60",
            'credentify_gateway_log_faults_total{job="g",kind="fork"}': "0x60",
        },
        count=2,
    ),
    "VerifierStale": one('credentify_verifier_log_state{job="v",state="stale"}', "1x60", "0x60"),
    "ClockBehind": one("credentify_verifier_clock_behind_seconds", "11x60", "9x60"),
    "WorkersMissing": one("credentify_verifier_workers", "4x5 3x60", "4x5 3 4x60"),
    "WorkerHung": one("credentify_verifier_workers_hung_total", "0x10 1x60", "0x60"),
    "OutboxWaiting": one("credentify_gateway_outbox_oldest_pending_seconds", "130x60", "110x60"),
    "EventsRefused": one("credentify_gateway_outbox_refused_events", "0x15 2x60", "2x60"),
}
