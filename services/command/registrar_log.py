"""What the registrar says of the log itself: its opening, and which rules are in force from when on."""

from pathlib import Path
from typing import Any

import click
import msgspec

from proto import envelope as envelopes
from proto import events
from proto.envelope import Envelope
from proto.ids import Did, Origin
from proto.keys import PublicKey, key_id_of
from proto.lifecycle import RULES_VERSION_OF_NEW_LOGS, RULES_VERSIONS_FINISHED, RULES_VERSIONS_KNOWN
from proto.problem import InvalidProblem
from services.clients.http_session import client_session
from services.clients.log_client import LogClient
from services.command.output import as_json_option, command, console
from services.command.predecessor import read_predecessor
from services.command.registrar_signing import (
    DEFAULT_LEDGER,
    FILE,
    print_appended,
    sign_and_submit,
    signing_options,
    yes_option,
)
from services.command.speaker import Speaker
from services.command.submit import submit

ACTIVATION_AHEAD = 100
"""Entries that an activation leaves by default, so that nothing that is under way is judged by other rules."""


def open_log(
    *,
    origin: Origin,
    key: Path,
    recovery: PublicKey,
    more: tuple[PublicKey, ...],
    parameters: events.Parameters,
    rules_version: int = RULES_VERSION_OF_NEW_LOGS,
    predecessor: events.Predecessor | None = None,
    did: Did | None = None,
) -> Envelope:
    """Return the signed opening of a new log: the registrar is the did:key of the key in the file `key`.

    A log that continues another has its registrar (`did`, where `key` is not the first) and names keys of that ring.
    """
    speaker = Speaker.from_file(key, origin, did=did)
    named = [(speaker.key_id, "event"), *((key_id_of(speaker.did, other), "event") for other in more)]
    named.append((key_id_of(speaker.did, recovery), "recovery"))
    keys = [{"key_id": name, "purpose": purpose, "public_key": name.split("#")[1]} for name, purpose in named]
    return speaker.say(
        events.LogOpened, keys=keys, rules_version=rules_version, parameters=parameters, predecessor=predecessor
    )


@click.command("open-log")
@click.option("--origin", required=True, help="The log's name for ever: a URL without its scheme.")
@click.option("--key", "key_path", type=FILE, required=True, help="The registrar's key file.")
@click.option("--recovery-public-key", required=True, help="z6Mk… of the registrar's recovery key, kept offline.")
@click.option("--more-public-key", multiple=True, help="Up to two more registrar keys, z6Mk….")
@click.option("--key-delay-seconds", type=int, default=events.DEFAULT_PARAMETERS.registrar_key_delay_seconds)
@click.option(
    "--rules-version",
    type=click.IntRange(min(RULES_VERSIONS_KNOWN), max(RULES_VERSIONS_KNOWN)),
    default=RULES_VERSION_OF_NEW_LOGS,
    show_default=True,
    help="The rules that the log begins with; never fewer than those of the log that it continues.",
)
@click.option("--predecessor", help="Continue this frozen log: the file of its last checkpoint, or its address.")
@click.option("--predecessor-key", help="The verifier key of that log.")
@click.option("--did", help="The registrar's DID, where --key is not its first key (with --predecessor only).")
@click.option("--out", type=FILE, help="Where to write the opening; standard output if left out.")
@command
async def open_log_command(
    *,
    origin: str,
    key_path: Path,
    recovery_public_key: str,
    more_public_key: tuple[str, ...],
    key_delay_seconds: int,
    rules_version: int,
    predecessor: str | None,
    predecessor_key: str | None,
    did: str | None,
    out: Path | None,
) -> None:
    """Make entry 0 of a new log; give it to `credentify ledger init --opening FILE`."""
    if bool(predecessor) != bool(predecessor_key):
        raise InvalidProblem("--predecessor and --predecessor-key belong together")
    parameters = msgspec.structs.replace(events.DEFAULT_PARAMETERS, registrar_key_delay_seconds=key_delay_seconds)
    envelope = open_log(
        origin=Origin(origin),
        key=key_path,
        recovery=PublicKey(recovery_public_key),
        more=tuple(map(PublicKey, more_public_key)),
        parameters=parameters,
        rules_version=rules_version,
        predecessor=await read_predecessor(predecessor, predecessor_key) if predecessor and predecessor_key else None,
        did=Did(did) if did else None,
    )
    data = msgspec.json.encode(envelope) + b"\n"
    if out:
        out.write_bytes(data)
    else:
        click.echo(data.decode(), nl=False)


@click.command("activate-rules")
@click.argument("version", type=click.IntRange(2, max(RULES_VERSIONS_KNOWN)))
@click.option("--from-index", type=int, help="The first entry that they judge; by default 100 after the log's end.")
@yes_option
@signing_options
@command
async def activate_rules(*, version: int, from_index: int | None, yes: bool, **options: Any) -> None:
    """Have rules VERSION judge the log from an index on, for good. Bring every follower up to date before.

    Gateways say what a version brings once they have followed the log to that index. Older ones still say what it
    replaced, which is refused for good; older verifiers and auditors stop at the activation and answer nothing more.
    """
    if from_index is None:
        async with client_session() as session:
            from_index = (await LogClient(session, options["ledger"]).log()).tree_size + ACTIVATION_AHEAD
    if not (yes or options["as_json"]):
        console.print(f"From entry {from_index} on, rules version {version} is in force, for good.")
        console.print("A verifier, gateway or auditor that does not know that version stops there until it is updated.")
        if version not in RULES_VERSIONS_FINISHED:
            console.print("That version is not finished: what the log says by it may break it once it is.")
        click.confirm("Sign this activation?", abort=True)
    await sign_and_submit(events.RulesActivated, options, version=version, from_index=from_index)


@click.command("submit")
@click.argument("file", type=click.File("rb"))
@click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address.")
@as_json_option
@command
async def submit_command(*, file: Any, ledger: str, as_json: bool) -> None:
    """Hand an envelope that was signed elsewhere (with --out) to the ledger."""
    envelope = envelopes.decode(file.read())
    kind = str(envelopes.open_envelope(envelope).event.__struct_config__.tag)
    print_appended(kind, await submit(ledger, envelope), as_json)
