"""`credentify quality-register import FILE`: makes the copy of a register of quality reports that verifiers read."""

from datetime import date
from pathlib import Path

import click

from proto.number_words import number_of
from proto.quality_register import QualityRegister, encoded_register
from proto.tables.quality_files import read_reports
from services.command.output import command, console
from services.persistence.durable_file import READABLE, write_durably

_BYTES_MAX = 536_870_912


@click.group("quality-register")
def quality_register() -> None:
    """Work with copies of a register of quality assurance reports, such as DEQAR."""


@quality_register.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--day", required=True, metavar="DAY", help="The day on which FILE was downloaded, as 2026-11-29.")
@click.option(
    "--into",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that CREDENTIFY_VERIFIER_QUALITY_REGISTER_FILE names; verifiers read it when they start.",
)
@command
async def import_(*, file: Path, day: str, into: Path) -> None:
    """Write the reports of FILE, CSV or JSON as the register offers it for download, as the copy of DAY.

    Columns or members: report_id, agency, institutions (divided by semicolons), programme, decision, status,
    valid_from, valid_to; all but the first may be missing, others are passed over.
    """
    try:
        copied = date.fromisoformat(day)
    except ValueError as error:
        raise click.UsageError("--day is a day such as 2026-11-29") from error
    if file.stat().st_size > _BYTES_MAX:
        raise click.UsageError(f"FILE has more than {_BYTES_MAX} bytes: leave out reports that are over")
    reports = read_reports(file.read_bytes())
    write_durably(into, encoded_register(QualityRegister(day=copied.isoformat(), reports=reports)), mode=READABLE)
    console.print(f"{number_of(len(reports), 'report')}, copied on {copied}: {into}", markup=False)
