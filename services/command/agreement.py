"""`credentify agreement`: an institution agrees with another what counts at either; hands it over, accepts, ends it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.documents.recognition_agreement import ConsentEnvelope
from proto.ids import AgreementId
from proto.problem import MalformedProblem
from proto.stacking import ects_text
from proto.wire.agreements import AgreementAnswer, AgreementPage
from services.clients.gateway import GatewayClient
from services.clients.pages import every_page
from services.command.ects_option import ECTS
from services.command.institution import gateway_client, institution_key_option
from services.command.links import gateway_option
from services.command.output import as_json_option, command, console, print_json
from services.command.terminal import clean

PAGES_MAX = 1_000
"""Of another gateway, which is not believed in how much there is."""
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def agreement() -> None:
    """Agree with another institution what counts at either, as an institution."""


@agreement.command("propose")
@gateway_option
@institution_key_option
@click.option("--partner", required=True, metavar="DID", help="The other institution.")
@click.option("--awarded-by", required=True, metavar="DID", help="Who of the two awards it; it counts at the other.")
@click.option("--counted-by", required=True, metavar="DID", help="At whom of the two it counts.")
@click.option("--achievement", "achievements", multiple=True, metavar="URI", help="What counts; once for each.")
@click.option("--isced-f", metavar="CODE", help="Or all of a field of education: 06, or 0532.")
@click.option("--eqf-level", type=click.IntRange(1, 8), help="Or all of a level.")
@click.option("--programme", required=True, metavar="URI", help="Towards what; a programme of who counts it.")
@click.option("--full/--partial", default=True, show_default=True, help="Whether all of it counts, or a part.")
@click.option("--ects", type=ECTS, help="The ECTS credits of each that count, if in part.")
@click.option("--ects-min", type=ECTS, help="The least ECTS that a credential has to have.")
@click.option("--eqf-level-min", type=click.IntRange(1, 8), help="The least EQF level that it has to have.")
@click.option("--total-max", type=ECTS, help="The most ECTS that count for one applicant.")
@click.option("--from", "valid_from", metavar="DAY", help="The first day; from now on if left out.")
@click.option("--until", "valid_until", metavar="DAY", required=True, help="The last day, five years on at most.")
@as_json_option
@command
async def propose(
    *,
    gateway: str,
    api_key_file: Path,
    partner: str,
    counted_by: str,
    valid_from: str | None,
    valid_until: str,
    full: bool,
    ects: int | None,
    ects_min: int | None,
    total_max: int | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Sign an agreement and propose it; the other institution accepts it, or gets it as a file (`save`)."""
    term = said | {
        "recogniser": counted_by,
        "decision": "full" if full else "partial",
        "ects_hundredths": ects,
        "ects_hundredths_min": ects_min,
        "ects_hundredths_total_max": total_max,
    }
    term = {name: value for name, value in term.items() if value is not None}
    body = {"partner": partner, "valid_until": valid_until, "terms": [term]}
    body |= {"valid_from": valid_from} if valid_from else {}
    async with gateway_client(gateway, api_key_file) as client:
        _print_one(await client.propose_agreement(body), as_json=as_json)


@agreement.command("list")
@gateway_option
@institution_key_option
@as_json_option
@command
async def list_(*, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """List the institution's agreements, those that were proposed last first."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await _all(client)
    if as_json:
        print_json(AgreementPage(agreements=tuple(found)))
        return
    for each in found:
        _print_one(each, as_json=False)
    console.print(f"{len(found)} agreements")


@agreement.command("accept")
@click.argument("agreement_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def accept(*, agreement_id: AgreementId, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Sign AGREEMENT_ID too; from now on it decides at once what it covers."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.accept_agreement(agreement_id)
    _print_one(found, as_json=as_json)


@agreement.command("end")
@click.argument("agreement_id")
@gateway_option
@institution_key_option
@as_json_option
@command
async def end(*, agreement_id: AgreementId, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """End AGREEMENT_ID, decline it or take it back; what was decided by it stays.

    An institution of another gateway knows of it once it has taken in the file that `save` writes, or has fetched it.
    """
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.end_agreement(agreement_id)
    _print_one(found, as_json=as_json)


@agreement.command("save")
@click.argument("agreement_id")
@click.argument("file", type=_FILE)
@gateway_option
@institution_key_option
@command
async def save(*, agreement_id: AgreementId, file: Path, gateway: str, api_key_file: Path) -> None:
    """Save what was signed last of AGREEMENT_ID as FILE, for an institution of another gateway."""
    async with gateway_client(gateway, api_key_file) as client:
        found = await client.agreement(agreement_id)
    file.write_bytes(msgspec.json.encode(found.ending or found.document))
    what = "what ends the agreement" if found.ending else "the agreement"
    console.print(f"saved {what} as {file}", markup=False)
    if found.elsewhere:
        console.print("hand it to the other institution, which takes it in by `credentify agreement take-in FILE`")


@agreement.command("take-in")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@gateway_option
@institution_key_option
@as_json_option
@command
async def take_in(*, file: Path, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Keep what another institution signed at its own gateway, from the FILE that it handed over."""
    try:
        envelope = msgspec.json.decode(file.read_bytes(), type=ConsentEnvelope)
    except DECODE_ERRORS as error:
        raise MalformedProblem(f"{file.name} is no signed agreement: ask for the file as `save` wrote it") from error
    async with gateway_client(gateway, api_key_file) as client:
        _print_one(await client.take_in_agreement(envelope), as_json=as_json)


@agreement.command("fetch")
@click.option("--partner-gateway", required=True, metavar="URL", help="The gateway of the other institution.")
@click.option("--partner", required=True, metavar="SLUG", help="Its short name there.")
@gateway_option
@institution_key_option
@as_json_option
@command
async def fetch(*, partner_gateway: str, partner: str, gateway: str, api_key_file: Path, as_json: bool) -> None:
    """Take in what another institution has signed or ended, from the list that its gateway shows to everybody.

    It shows what both have signed, ended or not; a proposal comes as a file.
    """
    changed: list[AgreementAnswer] = []
    async with gateway_client(gateway, api_key_file) as own:
        known = {each.agreement_id: each for each in await _all(own)}
        other = GatewayClient(own.session, partner_gateway)
        pages = every_page(lambda cursor: other.public_agreements(partner, cursor=cursor), pages_max=PAGES_MAX)
        async for shown in (each async for page in pages for each in page.agreements):
            here = known.get(shown.agreement_id)
            for sent in _news(here, shown) if here is not None else ():
                taken = await own.take_in_agreement(sent)
                changed += [taken] if taken != here else []
    if as_json:
        print_json(AgreementPage(agreements=tuple(changed)))
        return
    for each in changed:
        _print_one(each, as_json=False)
    console.print(f"{len(changed)} agreements have changed")


async def _all(client: GatewayClient) -> list[AgreementAnswer]:
    """Return all agreements of the institution."""
    pages = every_page(lambda cursor: client.agreements(cursor=cursor))
    return [each async for page in pages for each in page.agreements]


def _news(here: AgreementAnswer, shown: AgreementAnswer) -> Iterator[ConsentEnvelope]:
    """Yield what another gateway shows of an agreement and ours has not: what ends it, or a signature."""
    for sent, kept in ((shown.document, here.document), (shown.ending, here.ending)):
        if sent is not None and (kept is None or not {*sent.signatures} <= {*kept.signatures}):
            yield sent


def _print_one(found: AgreementAnswer, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    state = "in force" if found.is_in_force else found.state if found.state != "concluded" else "not in force"
    period = f"{found.valid_from[:10]} to before {found.valid_until[:10]}"
    console.print(f"{found.agreement_id}  {state}  {period}", markup=False)
    console.print(clean(f"  {found.proposer_name} and {found.accepter_name}"))
    if found.ended_by is not None:
        names = {found.proposer: clean(found.proposer_name), found.accepter: clean(found.accepter_name)}
        console.print(
            f"  ended by {names[found.ended_by]} from {found.ended_at} on, known here since {found.ending_known_at}",
            markup=False,
        )
        for party in (each for each in names if each not in found.ending_known_to):
            console.print(
                f"  {names[party]} has not been told yet, as far as is known here: hand it the file that "
                f"`credentify agreement save {found.agreement_id} FILE` writes",
                markup=False,
            )
        if found.decided_after_ending:
            console.print(f"  decided by it after that: {found.decided_after_ending}, which stay", markup=False)
    for term in found.terms:
        part = f" {ects_text(term.ects_hundredths)} ECTS" if term.ects_hundredths else ""
        console.print(f"  {term.awarded_by} counts at {term.recogniser}: {term.decision}{part}", markup=False)
        for named in (*term.achievements, *(f"{name} {code}" for name, code in _whole(term.isced_f, term.eqf_level))):
            console.print(f"    {named}", markup=False)
        console.print(f"    towards {term.programme}", markup=False)


def _whole(isced_f: Any, eqf_level: Any) -> list[tuple[str, Any]]:
    return [(name, code) for name, code in (("all of field", isced_f), ("all of EQF level", eqf_level)) if code]
