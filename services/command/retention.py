"""`credentify retention`: for how long an institution keeps what. Takes nothing away by itself: the gateway does."""

from pathlib import Path

import click

from proto.problem import InvalidProblem
from proto.wire.retention import RetentionChange, RetentionRule, RetentionRules
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json

_DAYS = click.IntRange(1, 36_500)
_DAYS_OF = {"document_days": "documents", "application_days": "applications", "dossier_days": "dossiers"}
_achievement_option = click.option(
    "--achievement", metavar="URI", help="What belongs to this achievement; without it, to all that have no rule."
)
_yes_option = click.option("--yes", is_flag=True, help="Ask nothing.")


@click.group()
def retention() -> None:
    """See or say for how long documents, applications, dossiers and the audit trail are kept."""


@retention.command("show")
@gateway_option
@institution_key_option
@as_json_option
@command
async def show(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Show for how long the institution keeps what."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.retention()
    _print(found, as_json=as_json)


@retention.command("keep")
@gateway_option
@institution_key_option
@_achievement_option
@click.option("--documents", "document_days", type=_DAYS, metavar="DAYS", help="From the issuing on.")
@click.option("--applications", "application_days", type=_DAYS, metavar="DAYS", help="From the last decision on.")
@click.option("--dossiers", "dossier_days", type=_DAYS, metavar="DAYS", help="From the last decision on.")
@_yes_option
@as_json_option
@command
async def keep(
    *, gateway: str, api_key_file: Path, achievement: str | None, yes: bool, as_json: bool, **days: int | None
) -> None:
    """Say for how long is kept what belongs to an achievement, in place of what was said of it; other rules stay."""
    if not any(days.values()):
        raise InvalidProblem("Say of something for how many days it is kept: --documents, --applications or --dossiers")
    new = RetentionRule(achievement=achievement, **days)
    what = ", ".join(f"{_DAYS_OF[name]} older than {count} days" for name, count in days.items() if count)
    change = RetentionChange(rules=(new,))
    await _change(gateway, api_key_file, change, asked=None if yes else what, as_json=as_json)


@retention.command("keep-for-ever")
@gateway_option
@institution_key_option
@_achievement_option
@as_json_option
@command
async def keep_for_ever(*, gateway: str, api_key_file: Path, achievement: str | None, as_json: bool) -> None:
    """Take back what was said of an achievement; then the rule for all others holds, if there is one."""
    change = RetentionChange(rules=(RetentionRule(achievement=achievement),))
    await _change(gateway, api_key_file, change, asked=None, as_json=as_json)


@retention.command("audit-trail")
@gateway_option
@institution_key_option
@click.option("--days", type=click.IntRange(30, 36_500), help="For how long an entry is kept; for ever without it.")
@_yes_option
@as_json_option
@command
async def audit_trail(*, gateway: str, api_key_file: Path, days: int | None, yes: bool, as_json: bool) -> None:
    """Say for how long an entry of the audit trail is kept."""
    asked = None if yes or days is None else f"entries of the audit trail older than {days} days"
    await _change(gateway, api_key_file, RetentionChange(audit_days=days), asked=asked, as_json=as_json)


async def _change(gateway: str, key: Path, change: RetentionChange, *, asked: str | None, as_json: bool) -> None:
    if asked is not None:
        click.confirm(f"Within the hour goes for good: {asked}. Nothing brings it back. Say it?", abort=True)
    async with gateway_client(gateway, key) as client:
        found = await client.amend_retention(change)
    _print(found, as_json=as_json)


def _print(found: RetentionRules, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for rule in found.rules:
        days = [f"{word} {count} days" for name, word in _DAYS_OF.items() if (count := getattr(rule, name))]
        console.print(f"{rule.achievement or 'all others'}: {', '.join(days)}", markup=False)
    if not found.rules:
        console.print("documents are kept for ever, applications as long as the gateway keeps them")
    console.print(f"audit trail: {f'{found.audit_days} days' if found.audit_days else 'for ever'}")
