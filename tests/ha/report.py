"""What runs of faults came to, for people, and the file in which they add up. Runs nothing."""

from pathlib import Path

import msgspec

from tests.bench.figures import percentile
from tests.ha.judge import Judgement
from tests.ha.run import Failover, Run

RUNS = Path("ha-results") / "failovers.ndjson"
FAILOVERS_WANTED = 200
FAULTS_SHOWN = 20


def kept(run: Run, file: Path = RUNS) -> list[Run]:
    """Add a run to the file, and return all that are in it."""
    file.parent.mkdir(exist_ok=True)
    with file.open("ab") as runs:
        runs.write(msgspec.json.encode(run) + b"\n")
    return [msgspec.json.decode(line, type=Run) for line in file.read_bytes().splitlines()]


def lines(run: Run, runs: list[Run]) -> list[str]:
    """Return what came of a run, and of all in the file."""
    calm = percentile(run.baseline_seconds, 50)
    said = [
        ("judged", run.judgement.line()),
        *(("", each) for each in _faults(run.judgement)[:FAULTS_SHOWN]),
        ("recovery", f"{_percentiles(run.failovers)} of {len(run.failovers)} faults; {calm:.1f} s without any"),
        *_outages(run.failovers),
        ("refused", f"{sum(run.refused.values())}, while {run.requests} requests went to gateways and verifiers:"),
        ("", _counts(run.refused)),
        ("verdicts", _counts(run.verdicts)),
        ("log", f"{run.entries} entries, {run.acknowledged} acknowledgements"),
    ]
    if run.events_per_second is not None and run.events_per_second_of_one is not None:
        speeds = f"{run.events_per_second:.0f} events/s on three nodes, {run.events_per_second_of_one:.0f} on one"
        said.append(("full speed", speeds))
    if not run.is_standby_required:
        said.append(("standby", "DATABASE_STANDBY_REQUIRED was false"))
    said.append(("seed", f"{run.seed} (again with SEED={run.seed})"))
    return ["", *(f"{name:<12} {words}" for name, words in [*said, *_all(runs)])]


def _all(runs: list[Run]) -> list[tuple[str, str]]:
    every = [each for one in runs for each in one.failovers]
    moved = sum(each.is_other_leader for each in every)
    clean = sum(one.judgement.is_clean for one in runs)
    return [
        (
            "all runs",
            f"{len(every)} faults of {FAILOVERS_WANTED} in {RUNS}, {moved} of them with another leader after;",
        ),
        ("", f"{_percentiles(every)}; nothing wrong found by {clean} of {len(runs)} runs"),
        *(("", f"{words}: {_percentiles(each)} of {len(each)}") for words, each in _sorts(every) if each),
        *_outages(every),
    ]


def _sorts(every: list[Failover]) -> list[tuple[str, list[Failover]]]:
    alone = [each for each in every if not each.beside]
    return [
        ("one fault at a time", alone),
        ("several at a time", [each for each in every if each.beside]),
        ("another leads after it", [each for each in every if each.is_other_leader]),
    ]


def _outages(found: list[Failover]) -> list[tuple[str, str]]:
    """Return for how long nothing went through: what ledgers add to the database, and the signer to them, is ours."""
    rounds = [each.outage for each in found if each.outage is not None]
    if not rounds:
        return []
    parts = [
        ("a commit of the database", [each.database_seconds for each in rounds]),
        ("an append", [each.appended_seconds for each in rounds]),
        ("a new checkpoint", [each.published_seconds for each in rounds]),
    ]
    words = [f"{name} p50 {percentile(each, 50):.1f}, p99 {percentile(each, 99):.1f} s" for name, each in parts]
    return [("without", "; ".join(words))]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items())) or "none"


def _faults(judgement: Judgement) -> list[str]:
    return [each for found in msgspec.structs.asdict(judgement).values() for each in found]


def _percentiles(found: list[Failover]) -> str:
    seconds = [each.recovered_seconds for each in found]
    return f"p50 {percentile(seconds, 50):.1f} s, p99 {percentile(seconds, 99):.1f} s"
