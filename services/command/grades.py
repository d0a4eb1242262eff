"""`credentify grades`: for which grades an institution's standing decisions decide at once, tried out before."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from proto.number_words import number_of
from proto.wire.grade_conditions import GradeConditionList, GradePreview, GradeScale
from services.command.achievement_names import named
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean

_JUDGED = {
    "good": "at once",
    "below": "a person: below what is asked for",
    "not-listed": "a person: not put in order",
    "none": "a person: no grade is written",
    "several": "a person: several grades are written",
}
_issuer_option = click.option("--issuer", "achievement_issuer", required=True, metavar="DID", help="Who awards it.")
_achievement_option = click.option(
    "--achievement", required=True, metavar="URI", help="The achievement, as on the log."
)
_programme_option = click.option("--programme", required=True, metavar="URI", help="Towards which programme of yours.")
_GRADE_HELP = "As documents write it, the best first; once for each."


@click.group()
def grades() -> None:
    """Say for which grades standing decisions decide at once; it is your own, and on no log."""


@grades.command("list")
@gateway_option
@institution_key_option
@as_json_option
@command
async def list_(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List what is asked of grades, by achievement and programme."""
    async with gateway_client(gateway, api_key_file) as client:
        _print_list(await client.grade_conditions(), as_json=as_json)


@grades.command("try")
@gateway_option
@institution_key_option
@_issuer_option
@_achievement_option
@_programme_option
@click.option("--grade", "stated", multiple=True, metavar="GRADE", help=_GRADE_HELP)
@click.option("--least", metavar="GRADE", help="The last of them that will do.")
@as_json_option
@command
async def try_(
    *, gateway: str, api_key_file: Path, stated: Sequence[str], least: str | None, as_json: bool, **place: str
) -> None:
    """Show the scale, which grades came, and whom a condition would have touched; without grades, what holds now."""
    body: dict[str, Any] = place | ({"grades": list(stated), "least": least} if stated or least else {})
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.preview_grade_condition(body)
    if as_json:
        print_json(found)
    else:
        _print_preview(found)


@grades.command("ask")
@gateway_option
@institution_key_option
@_issuer_option
@_achievement_option
@_programme_option
@click.option("--grade", "stated", multiple=True, required=True, metavar="GRADE", help=_GRADE_HELP)
@click.option("--least", required=True, metavar="GRADE", help="The last of them that will do.")
@as_json_option
@command
async def ask(
    *, gateway: str, api_key_file: Path, stated: Sequence[str], least: str, as_json: bool, **place: str
) -> None:
    """Ask for grades from now on, in place of what was asked of that achievement and programme before."""
    async with gateway_client(gateway, api_key_file) as client:
        kept = await client.set_grade_condition(place | {"grades": list(stated), "least": least})
    _print_list(kept, as_json=as_json)


@grades.command("ask-none")
@gateway_option
@institution_key_option
@_issuer_option
@_achievement_option
@_programme_option
@command
async def ask_none(*, gateway: str, api_key_file: Path, **place: str) -> None:
    """Ask for no grades any more: the standing decision decides whatever the grade."""
    async with gateway_client(gateway, api_key_file) as client:
        await client.remove_grade_condition(**place)
    console.print(clean(f"no grade is asked for: {place['achievement']}"))


def _print_list(found: GradeConditionList, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for each in found.grade_conditions:
        good = each.grades[: each.grades.index(each.least) + 1]
        console.print(named(each.achievement, each.title, each.institution_name))
        console.print(clean(f"  towards {each.programme}"))
        _print_meaning(good, each.grades[len(good) :])
    console.print(number_of(len(found.grade_conditions), "condition"))


def _print_meaning(good: Sequence[str], below: Sequence[str]) -> None:
    console.print(clean(f"  at once: {', '.join(good)}"))
    rest = "".join(f"{each}, " for each in below)
    console.print(clean(f"  for a person: {rest}every other grade, no grade, and several"))


def _print_preview(found: GradePreview) -> None:
    console.print(named(found.place.achievement, found.title, found.institution_name))
    if found.at_once:
        _print_meaning(found.at_once, found.for_person)
    else:
        console.print("  no grade is asked for: the standing decision decides whatever the grade")
    if not found.has_standing_decision:
        console.print("  no standing decision of yours on this is in force, so a person decides anyway")
    for scale in found.scales:
        console.print(clean(f"  scale: {_scale(scale)}"))
    for each in found.seen:
        console.print(clean(f"  came: {each.grade or '-'}  {each.count}  {_JUDGED[each.judged]}"))
    some = "" if found.is_all else ", the newest alone"
    console.print(f"  by their grades at once: {found.at_once_count}; for a person: {found.person_count}{some}")
    for touched in found.touched:
        way = "at once, in place of a person" if touched.is_at_once_then else "a person, in place of at once"
        console.print(f"  would be touched: {touched.application_id} {touched.number}  {way}")


def _scale(scale: GradeScale) -> str:
    listed = ", ".join(scale.grades) or f"{scale.lowest or '?'} to {scale.highest or '?'}"
    passed = f", passed from {scale.required}" if scale.required else ""
    where = "the catalogue, turned: the best first" if scale.grades else f"the {scale.source}"
    return f"{scale.name or 'unnamed'}: {listed}{passed} ({where})"
