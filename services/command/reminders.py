"""`credentify reminders`: which applications for recognition an office is reminded to decide."""

from pathlib import Path

import click

from proto.number_words import number_of
from proto.wire.reminders import ReminderPage
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json

_WORDS = {"due-soon": "due", "overdue": "was due"}


@click.command()
@gateway_option
@institution_key_option
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="NUMBER", help="Only what came behind it.")
@as_json_option
@command
async def reminders(*, gateway: str, api_key_file: Path, after: int, as_json: bool) -> None:
    """Show which applications are due soon or overdue and still wait, in the order in which that was said."""
    async with gateway_client(gateway, api_key_file) as client:
        found = [each async for each in client.all_reminders(after=after)]
    next_after = found[-1].reminder_id if found else after
    if as_json:
        print_json(ReminderPage(reminders=tuple(found), next_after=next_after))
        return
    for each in found:
        console.print(f"{each.application_id}  {_WORDS[each.kind]} {each.due_at[:10]}", markup=False)
    console.print(f"{number_of(len(found), 'reminder')}; what comes later: --after {next_after}", markup=False)
