"""`credentify stacks`: what a learner can stack now and what is missing, and a sum before anything is signed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from proto.stacking import ects_text
from proto.wire.stacks import StackAdvice, StackAdvicePage, StackPreview
from services.clients.pages import every_page
from services.command.achievement_names import named
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean


@click.group()
def stacks() -> None:
    """See what can be made of credentials; nothing is signed."""


@stacks.command("of")
@click.argument("learner")
@gateway_option
@institution_key_option
@as_json_option
@command
async def of_learner(*, learner: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Say what LEARNER (the institution's own name) can stack now, and what is missing for the rest."""
    found: list[StackAdvice] = []
    count = 0
    async with gateway_client(gateway, api_key_file) as client:
        async for page in every_page(lambda cursor: client.stacks_for(learner, cursor=cursor)):
            found, count = [*found, *page.stacks], page.credential_count
    if as_json:
        print_json(StackAdvicePage(credential_count=count, stacks=tuple(found)))
        return
    for each in found:
        console.print(named(each.achievement, each.title, each.institution_name))
        _print_preview(each.preview)
    console.print(f"recipes: {len(found)}; credentials: {count}")


@stacks.command("preview")
@click.argument("achievement")
@click.argument("credential_ids", nargs=-1, required=True)
@gateway_option
@institution_key_option
@click.option("--learner", default="preview", metavar="REF", help="The institution's own name for the learner.")
@as_json_option
@command
async def preview(
    *,
    achievement: str,
    credential_ids: Sequence[str],
    gateway: str,
    api_key_file: Path,
    learner: str,
    as_json: bool,
) -> None:
    """Add up what CREDENTIAL_IDS make of ACHIEVEMENT, part by part."""
    body: dict[str, Any] = {"achievement": achievement, "components": list(credential_ids), "learner": {"ref": learner}}
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.preview_stack(body)
    if as_json:
        print_json(found)
    else:
        _print_preview(found)


def _print_preview(found: StackPreview) -> None:
    state = "ready" if found.can_be_stacked else "not yet"
    console.print(f"  {state}: {ects_text(found.counted_hundredths)} of {ects_text(found.declared_hundredths)} ECTS")
    for part in found.parts:
        counted = f"counts {ects_text(part.counted_hundredths)} of {ects_text(part.ects_hundredths)} ECTS"
        console.print(f"    {part.credential_id}  {counted}", markup=False)
        console.print(f"      {named(part.achievement, part.title, part.institution_name)}")
        for each in part.unmet:
            console.print(f"      {clean(each.detail)}")
    for each in found.unmet:
        console.print(f"    missing: {clean(each.detail)}")
        for one in each.achievements:
            if one.title:
                console.print(f"      {named(one.achievement, one.title, one.institution_name)}")
