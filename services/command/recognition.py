"""`credentify recognition`: people apply, look, appeal and withdraw; an office lists, looks, decides, and sees how."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click
from msgspec import UNSET

from proto.ids import ApplicationId
from proto.stacking import ects_text
from proto.wire.applications import (
    ApplicationAnswer,
    ApplicationPage,
    ApplicationSeen,
    CountedPlace,
    DecisionAnswer,
    ReasonCode,
)
from proto.wire.institutions import DECIDE_DAYS_MAX, REMIND_DAYS_MAX
from services.clients.gateway import GatewayClient
from services.clients.http_session import client_session
from services.command.achievement_names import named
from services.command.ects_option import ECTS
from services.command.institution import gateway_client, institution_key_option
from services.command.links import client_of_link, gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STATES = ("open", "decided", "withdrawn", "lapsed")


@click.group()
def recognition() -> None:
    """Apply for the recognition of what others taught, or decide on who applied."""


@recognition.command("apply")
@gateway_option
@click.option("--institution", required=True, metavar="SLUG", help="The institution's short name at the gateway.")
@click.option("--programme", required=True, metavar="URI", help="Its programme for which it should count.")
@click.option("--given-name", required=True, metavar="TEXT")
@click.option("--family-name", required=True, metavar="TEXT")
@click.option("--email", metavar="ADDRESS")
@click.option("--statement", metavar="TEXT", help="What the institution should know.")
@click.option("--file", "files", multiple=True, type=_FILE, help="A document: JSON, PDF, PNG or SVG; once for each.")
@click.option("--prior-learning", nargs=2, metavar="TITLE TEXT", help="What was learned without a document.")
@click.option("--publish", is_flag=True, help="Put what is recognised on the public log.")
@as_json_option
@command
async def apply(
    *,
    gateway: str,
    files: Sequence[Path],
    prior_learning: tuple[str, str] | None,
    publish: bool,
    as_json: bool,
    **stated: str | None,
) -> None:
    """Apply for recognition; prints the secret link that shows what is decided."""
    evidence: list[dict[str, Any]] = [{"file": base64.b64encode(each.read_bytes()).decode()} for each in files]
    if prior_learning:
        evidence.append({"dossier": {"title": prior_learning[0], "description": prior_learning[1]}})
    body = {name: text for name, text in stated.items() if text} | {"publish": publish, "evidence": evidence}
    async with client_session() as session:
        made = await GatewayClient(session, gateway).apply_for_recognition(body)
    if as_json:
        print_json(made)
    else:
        console.print(f"applied; keep this link, it is shown this once:\n{made.link}", markup=False)


@recognition.command("status")
@click.argument("link")
@as_json_option
@command
async def status(*, link: str, as_json: bool) -> None:
    """Show what was decided on the application behind LINK, and why."""
    async with client_of_link(link, "applications") as (client, secret):
        _print_seen(await client.application_by_link(secret), as_json=as_json)


@recognition.command("appeal")
@click.argument("link")
@click.argument("number", type=click.IntRange(1, 16))
@click.option("--text", required=True, metavar="TEXT", help="Why it should be decided otherwise.")
@as_json_option
@command
async def appeal(*, link: str, number: int, text: str, as_json: bool) -> None:
    """Appeal once against the decision on document NUMBER of the application behind LINK; another person decides."""
    async with client_of_link(link, "applications") as (client, secret):
        _print_seen(await client.appeal(secret, number, text), as_json=as_json)


@recognition.command("export")
@click.argument("link")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@command
async def export(*, link: str, file: Path) -> None:
    """Save all that is kept of the application behind LINK as FILE, a ZIP."""
    async with client_of_link(link, "applications") as (client, secret):
        packed = await client.export_application_by_link(secret)
    file.write_bytes(packed)
    console.print(f"saved {file}", markup=False)


@recognition.command("whose")
@click.argument("application_id")
@click.argument("learner", required=False)
@gateway_option
@institution_key_option
@as_json_option
@command
async def whose(
    *, application_id: ApplicationId, learner: str | None, gateway: str, api_key_file: Path, as_json: bool
) -> None:
    """Say that the applicant of APPLICATION_ID is LEARNER, by your own name; without it, that it is none of yours.

    Then the application is in that learner's export and goes with that learner's erasure.
    """
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.say_whose_application(application_id, learner)
    _print_application(found, as_json=as_json)


@recognition.command("withdraw")
@click.argument("link")
@as_json_option
@command
async def withdraw(*, link: str, as_json: bool) -> None:
    """Withdraw the application behind LINK; all that was written, shown and decided in it is erased."""
    async with client_of_link(link, "applications") as (client, secret):
        _print_seen(await client.withdraw_application(secret), as_json=as_json)


def _print_seen(seen: ApplicationSeen, *, as_json: bool) -> None:
    if as_json:
        print_json(seen)
        return
    console.print(clean(f"{seen.state}: {seen.legal_name}, {seen.programme_title or seen.programme}"))
    for item in seen.items:
        console.print(f"  {item.number}  {clean(item.title)}")
        _print_decisions(item.decisions, item.appeal)


def _print_decisions(decisions: Sequence[DecisionAnswer], appeal: str | None) -> None:
    """Print the first decision, the appeal against it, and what was decided anew."""
    for made in decisions[:1]:
        _print_decision(made)
    if appeal:
        console.print(f"     appeal: {clean(appeal)}")
    for made in decisions[1:]:
        _print_decision(made)


def _print_decision(made: DecisionAnswer) -> None:
    counted = f", {ects_text(made.ects_hundredths)} ECTS" if made.ects_hundredths is not None else ""
    console.print(f"     {made.decision}{counted}, {made.decided_at[:10]}", markup=False)
    for text in (*made.reasons, made.text):
        if text:
            console.print(f"       {clean(text)}")


@recognition.command("list")
@gateway_option
@institution_key_option
@click.option("--state", type=click.Choice((*_STATES, "all")), default="open", show_default=True)
@click.option("--programme", metavar="URI", help="Only those towards this programme.")
@click.option("--overdue", is_flag=True, help="Only those that are past their day.")
@as_json_option
@command
async def list_(
    *, gateway: str, api_key_file: Path, state: str, programme: str | None, overdue: bool, as_json: bool
) -> None:
    """List applications to the institution, those that are due first."""
    chosen = {"state": None if state == "all" else state, "programme": programme, "overdue": overdue}
    await _print_list(gateway, api_key_file, chosen, word=state, as_json=as_json)


@recognition.command("appeals")
@gateway_option
@institution_key_option
@as_json_option
@command
async def appeals(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List applications with an appeal that waits for its decision, those that are due first."""
    await _print_list(gateway, api_key_file, {"appealed": True}, word="with an appeal", as_json=as_json)


async def _print_list(gateway: str, key: Path, chosen: dict[str, Any], *, word: str, as_json: bool) -> None:
    async with gateway_client(gateway, key) as client:
        found = [item async for item in client.all_applications(**chosen)]
    if as_json:
        print_json(ApplicationPage(applications=tuple(found)))
        return
    for item in found:
        console.print(_line(item), markup=False)
    console.print(f"{len(found)} {word}")


def _line(item: ApplicationAnswer) -> str:
    name = f"{item.applicant.given_name} {item.applicant.family_name}" if item.applicant else "(erased)"
    late = "  overdue" if item.is_overdue else ""
    return f"{item.application_id}  due {item.due_at[:10]}{late}  documents: {len(item.items)}  {clean(name)}"


@recognition.command("show")
@click.argument("application_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def show(*, application_id: ApplicationId, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Show APPLICATION_ID: its documents as they were checked, and how like cases were decided."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.application(application_id)
    _print_application(found, as_json=as_json)


def _print_application(found: ApplicationAnswer, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    console.print(f"{_line(found)}\n{found.state}: {clean(found.programme_title or found.programme)}")
    for item in found.items:
        checked = "prior learning" if item.dossier else item.answer.verdict if item.answer else "not checked"
        console.print(f"  {item.number}  {clean(item.title)}: {checked}")
        if item.holds_now == "does-not-hold":
            console.print("     it does not hold now: revoked, suspended, or its time is over", markup=False)
        for place in item.counted_in:
            console.print(f"     counts here already: {_counted(place)}", markup=False)
        for check in item.answer.checks if item.answer else ():
            if check.result in {"invalid", "unknown"}:
                console.print(f"     {clean(check.detail)}")
        for each in item.precedents:
            where = "here" if each.scope == "own" else each.institution
            public = f", of these on the public log: {each.public_count}" if each.public_count else ""
            console.print(f"     before: {each.decision}, {clean(where)}: {each.count}{public}")
            if each.programme:
                console.print(f"       towards {named(each.programme, each.programme_title, None)}", markup=False)
        _print_decisions(item.decisions, item.appeal)


def _counted(place: CountedPlace) -> str:
    if place.recognition is not None:
        return f"recognition {place.recognition} on the log"
    return f"application {place.application_id}, {place.number}"


@recognition.command("decide")
@click.argument("application_id")
@click.argument("number", type=click.IntRange(1, 16))
@click.argument("decision", type=click.Choice(("full", "partial", "refused")))
@gateway_option
@institution_key_option
@click.option("--ects", type=ECTS, help="The ECTS credits that count, as 3 or 2.5.")
@click.option("--eqf-level", type=click.IntRange(1, 8))
@click.option("--reason", "reasons", multiple=True, type=click.Choice(get_args(ReasonCode)), help="Once for each.")
@click.option("--text", metavar="TEXT", help="Why, in words for the applicant.")
@click.option("--assessor", metavar="NAME", help="Who assessed prior learning; needed unless it is refused.")
@click.option("--despite-precedents", is_flag=True, help="A like case was decided otherwise; --text says why.")
@click.option("--despite-status", is_flag=True, help="It does not hold any more; --text says why it counts.")
@click.option("--despite-counted", is_flag=True, help="It counts towards the programme already, and is to once more.")
@as_json_option
@command
async def decide(
    *,
    application_id: ApplicationId,
    number: int,
    gateway: str,
    api_key_file: Path,
    ects: int | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Decide on document NUMBER of APPLICATION_ID; after an appeal with the key of another person."""
    body = {name: value for name, value in said.items() if value}
    if ects is not None:
        body["ects_hundredths"] = ects
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.decide_application(application_id, number, body)
    _print_application(found, as_json=as_json)


@recognition.command("report")
@gateway_option
@institution_key_option
@as_json_option
@command
async def report(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Show how the office decides, and like cases that it decided unlike."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.recognition_report()
    if as_json:
        print_json(found)
        return
    console.print(f"waiting {found.open_count}, of which overdue {found.overdue_count}; appeals {found.appealed_count}")
    console.print(f"decided: full {found.full_count}, partial {found.partial_count}, refused {found.refused_count}")
    console.print(
        f"of these at once {found.at_once_count}; decided otherwise on appeal {found.changed_on_appeal_count}"
    )
    if found.refused_percent is not None:
        console.print(f"refused: {found.refused_percent} %")
    if found.median_hours is not None:
        console.print(f"hours to the first decision by a person, the middle one: {found.median_hours}")
    for each in found.unlike:
        counted = f"full {each.full}, partial {each.partial}, refused {each.refused}"
        console.print(f"unlike: {counted}  {named(each.achievement, each.title, each.institution_name)}")
        console.print(clean(f"  towards {each.programme}"))


@recognition.command("settings")
@gateway_option
@institution_key_option
@click.option("--decide-within", type=click.IntRange(1, DECIDE_DAYS_MAX), metavar="DAYS", help="From then on.")
@click.option("--remind-before", type=click.IntRange(0, REMIND_DAYS_MAX), metavar="DAYS", help="0: once it is past.")
@click.option(
    "--programme", "programmes", multiple=True, nargs=2, metavar="URI TITLE", help="Take applications towards it."
)
@click.option("--no-programme", "taken", multiple=True, metavar="URI", help="Take no more applications towards it.")
@as_json_option
@command
async def settings(
    *,
    gateway: str,
    api_key_file: Path,
    decide_within: int | None,
    remind_before: int | None,
    programmes: Sequence[tuple[str, str]],
    taken: Sequence[str],
    as_json: bool,
) -> None:
    """Show towards which programmes people apply, and within how many days an office decides; or change it."""
    days = {"decide_within_days": decide_within, "remind_days_before": remind_before}
    body: dict[str, Any] = {name: value for name, value in days.items() if value is not None}
    if programmes:
        body["put_programmes"] = [{"uri": uri, "title": title} for uri, title in programmes]
    if taken:
        body["remove_programmes"] = list(taken)
    async with gateway_client(gateway, api_key_file) as client:
        found = await (client.change_settings(body) if body else client.settings())
    if as_json:
        print_json(found)
        return
    console.print(
        f"decides within days: {found.decide_within_days_in_force}; reminded before: {found.remind_days_before}"
    )
    for each in () if found.programmes is UNSET else found.programmes:
        console.print(clean(f"{each.title}  {each.uri}"))
