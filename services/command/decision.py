"""`credentify decision`: an institution decides once how an achievement of another counts; lists and withdraws that."""

from pathlib import Path
from typing import Any

import click

from proto.ids import parse_event_id
from proto.number_words import number_of
from proto.stacking import ects_text
from proto.wire.own_statements import StandingDecisionAnswer, StandingDecisionPage
from services.clients.pages import every_page
from services.command.achievement_names import named
from services.command.ects_option import ECTS
from services.command.institution import gateway_client, institution_key_option, print_event
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean


@click.group()
def decision() -> None:
    """Decide once how an achievement of another institution counts, as an institution."""


@decision.command("make")
@gateway_option
@institution_key_option
@click.option("--issuer", "achievement_issuer", required=True, metavar="DID", help="Who awards the achievement.")
@click.option("--achievement", required=True, metavar="URI", help="The achievement, as on the log.")
@click.option("--programme", required=True, metavar="URI", help="Towards what; under a prefix of the institution.")
@click.option("--ects", type=ECTS, required=True, help="The ECTS credits that count, as 3 or 2.5.")
@click.option("--full/--partial", default=True, show_default=True, help="Whether all of it counts, or a part.")
@click.option("--eqf-level", type=click.IntRange(1, 8))
@click.option("--from", "valid_from", metavar="DAY", help="The first day; from now on if left out.")
@click.option("--until", "valid_until", metavar="DAY", required=True, help="The last day, five years on at most.")
@click.option("--ects-min", type=ECTS, help="The least ECTS that a credential has to have.")
@click.option("--eqf-level-min", type=click.IntRange(1, 8), help="The least EQF level that it has to have.")
@as_json_option
@command
async def make(
    *, gateway: str, api_key_file: Path, as_json: bool, full: bool, ects: int, ects_min: int | None, **said: Any
) -> None:
    """Put a standing decision on the log; a recognition may follow it."""
    body = {name: value for name, value in said.items() if value is not None} | {
        "decision": "full" if full else "partial",
        "ects_hundredths": ects,
    }
    if ects_min is not None:
        body["ects_hundredths_min"] = ects_min
    async with gateway_client(gateway, api_key_file) as client:
        print_event("decided", await client.make_standing_decision(body), as_json=as_json)


@decision.command("list")
@gateway_option
@institution_key_option
@as_json_option
@command
async def list_(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List the institution's standing decisions, the newest first."""
    found: list[StandingDecisionAnswer] = []
    async with gateway_client(gateway, api_key_file) as client:
        async for page in every_page(lambda cursor: client.standing_decisions(cursor=cursor)):
            found += page.standing_decisions
    if as_json:
        print_json(StandingDecisionPage(standing_decisions=tuple(found)))
        return
    for each in found:
        state = "in force" if each.is_in_force else each.state if each.state != "live" else "not in force"
        counts = f"{ects_text(each.ects_hundredths)} ECTS {'in full' if each.decision == 'full' else 'in part'}"
        period = f"{each.valid_from[:10]} to before {each.valid_until[:10]}"
        console.print(f"{each.event_id}  {state}  {counts}  {period}")
        console.print(f"  {named(each.achievement, each.title, each.institution_name)}")
        console.print(clean(f"  towards {each.programme}"))
    console.print(number_of(len(found), "decision"))


@decision.command("withdraw")
@click.argument("event_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def withdraw(*, event_id: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Withdraw the standing decision EVENT_ID; what was recognised under it stays."""
    named = parse_event_id(event_id)
    async with gateway_client(gateway, api_key_file) as client:
        print_event("withdrawn", await client.withdraw_standing_decision(named), as_json=as_json)
