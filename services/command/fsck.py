"""`credentify fsck`: recomputes what the three services hold, says what it checked and what is wrong; repairs nothing.

Without options it checks the services that `credentify up` runs on a data folder; with options, the databases that
they name. Exit status: 0 clean, 1 damaged, 3 could not check.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import click
import msgspec

from proto.problem import InvalidProblem
from services.command.home import default_folder, read_addresses
from services.command.key_file import write_secret
from services.command.output import (
    REFUSALS,
    as_json_option,
    command,
    console,
    print_json,
    print_problem,
    running_data_option,
)
from services.fsck_report import Report
from services.issuer_gateway.fsck import database_check as gateway_fsck
from services.issuer_gateway.fsck.earlier_faults import Fault
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.vault import FILE_NAME, Vault, vault_folder
from services.ledger.fsck import database_check as ledger_fsck
from services.persistence import postgres
from services.persistence.postgres_session import UNHURRIED
from services.verifier import fsck as verifier_fsck
from services.verifier.config import Config as VerifierConfig

EXIT_DAMAGED, EXIT_COULD_NOT_CHECK = 1, 3
_DAMAGES_SHOWN = 50
_NAME = "credentify-fsck"
GATEWAY_NOT_CHECKED = Report(
    counts={},
    damage_count=0,
    damages=(),
    incomplete="its documents are checked with the gateway's master key: name it with --master-key-file",
)
"""What is said of a gateway's database that lies there and could not be checked."""
_FILE = click.Path(path_type=Path, dir_okay=False)


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What to check; None leaves a service out."""

    ledger_database: str | None = None
    gateway_database: str | None = None
    master_key_file: Path | None = None
    key_folder: Path | None = None
    verifier_file: Path | None = None
    ledger: str | None = None
    log_verifier_key: str | None = None


def targets_of(folder: Path) -> Targets:
    """Return what the running `up` on a data folder holds."""
    addresses = read_addresses(folder)
    return Targets(
        ledger_database=addresses.ledger_database,
        gateway_database=addresses.gateway_database,
        master_key_file=Path(addresses.master_key_file),
        verifier_file=Path(addresses.verifier_file),
        ledger=addresses.ledger,
        log_verifier_key=addresses.log_verifier_key,
    )


async def check(targets: Targets, corrections: Path | None = None) -> dict[str, Report]:
    """Return a report per service; raises a problem where something cannot be reached.

    In the folder `corrections` a file for each institution is made of the changes that mend what older versions got
    wrong.
    """
    changes: dict[str, list[bytes]] = {}

    def mend(fault: Fault) -> None:
        if fault.change is not None:
            changes.setdefault(fault.institution, []).append(msgspec.json.encode(fault.change))

    reports: dict[str, Report] = {}
    if targets.ledger_database:
        async with postgres.connected(targets.ledger_database, application_name=_NAME, limits=UNHURRIED) as connection:
            reports["ledger"] = await ledger_fsck.check(connection)
    if targets.gateway_database:
        reports["gateway"] = await _gateway(targets, targets.gateway_database, mend)
        if corrections is not None:
            corrections.mkdir(mode=0o700, parents=True, exist_ok=True)
            for institution, lines in changes.items():
                write_secret(corrections / f"{institution}.ndjson", b"\n".join([*lines, b""]))
    if targets.verifier_file:
        reports["verifier"] = await verifier_fsck.check(_verifier_config(targets, targets.verifier_file))
    return reports


async def _gateway(targets: Targets, database: str, mend: Callable[[Fault], None]) -> gateway_fsck.Report:
    """Check the gateway's database. A key folder that is not there is not made: it is told what could not be opened."""
    if targets.master_key_file is None:
        raise InvalidProblem("The gateway's documents are checked with its master key: add --master-key-file")
    keystore = Keystore.from_file(targets.master_key_file)
    folder = vault_folder(targets.key_folder, targets.master_key_file)
    no_vault = (
        f"The learners' keys ({FILE_NAME}) are not in {folder}. They lie in the gateway's key folder and in no backup: "
        "name that folder, or the newest copy of it, with --key-folder"
    )
    async with (
        contextlib.AsyncExitStack() as stack,
        postgres.connected(database, application_name=_NAME, limits=UNHURRIED) as connection,
    ):
        vault = stack.enter_context(contextlib.closing(Vault(folder))) if (folder / FILE_NAME).is_file() else None
        return await gateway_fsck.check(connection, keystore, vault, no_vault=no_vault, mend=mend)


def _verifier_config(targets: Targets, file: Path) -> VerifierConfig:
    if targets.ledger is None or targets.log_verifier_key is None:
        raise InvalidProblem("A projection is compared with its log: add --ledger and --log-verifier-key")
    return VerifierConfig(ledger_url=targets.ledger, log_verifier_key=targets.log_verifier_key, database_file=file)


def exit_status(reports: Iterable[Report]) -> int:
    """Return 0 where all is clean, 1 where something is damaged, else 3: not everything could be checked."""
    known = tuple(reports)
    if any(report.damage_count for report in known):
        return EXIT_DAMAGED
    return 0 if all(report.is_clean for report in known) else EXIT_COULD_NOT_CHECK


def lines(name: str, report: Report) -> Iterator[str]:
    """Yield what a person reads of one service's report."""
    verdict = "clean" if report.is_clean else "DAMAGED" if report.damage_count else "NOT WHOLLY CHECKED"
    checked = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in report.counts.items())
    yield f"{name:<9} {verdict}: checked {checked or 'nothing'}"
    for damage in report.damages[:_DAMAGES_SHOWN]:
        yield f"  {damage.place}: {damage.what}"
    if report.damage_count > _DAMAGES_SHOWN:
        yield f"  … and {report.damage_count - _DAMAGES_SHOWN} more"
    if report.incomplete:
        yield f"  not everything could be checked: {report.incomplete}"


def in_words(reports: Mapping[str, Report]) -> str:
    """Return in a word or two how all of it is: nothing that was not looked at is called clean."""
    status = exit_status(reports.values())
    return {0: "clean", EXIT_DAMAGED: "DAMAGED", EXIT_COULD_NOT_CHECK: "NOT WHOLLY CHECKED"}[status]


def lines_of_unclean(reports: Mapping[str, Report]) -> Iterator[str]:
    """Yield what a person reads of each report that is not clean."""
    for name, report in reports.items():
        if not report.is_clean:
            yield from lines(name, report)


@click.command()
@running_data_option
@click.option("--ledger-database", help="Check this ledger's database (postgresql://…).")
@click.option("--gateway-database", help="Check this gateway's database (postgresql://…).")
@click.option("--master-key-file", type=_FILE, help="The gateway's master key.")
@click.option(
    "--key-folder", type=click.Path(path_type=Path, file_okay=False), help="The gateway's folder of learners' keys."
)
@click.option("--verifier-file", type=_FILE, help="Check this verifier's projection.")
@click.option("--ledger", help="The log that the projection follows.")
@click.option("--log-verifier-key", help="The log's public key (vkey).")
@click.option(
    "--corrections",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write here, for each institution, the changes that mend what older versions got wrong (they hold names); the "
    "institution sends its file with `credentify batch`.",
)
@as_json_option
@command
async def fsck(*, data: Path | None, corrections: Path | None, as_json: bool, **named: str | Path | None) -> None:
    """Recompute every leaf, chain link, signature, rule, tile, root, document and projection."""
    try:
        targets = msgspec.convert(named, Targets) if any(named.values()) else targets_of(data or default_folder())
        reports = await check(targets, corrections)
    except REFUSALS as problem:
        print_problem(problem, as_json=as_json)
        sys.exit(EXIT_COULD_NOT_CHECK)
    if as_json:
        print_json({"is_clean": all(report.is_clean for report in reports.values()), "reports": reports})
    else:
        for name, report in reports.items():
            for line in lines(name, report):
                console.print(line, markup=False)
    sys.exit(exit_status(reports.values()))
