"""`credentify registrar`: what the registrar says, signed with a key file that no service reads, and submitted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from proto import envelope as envelopes
from proto import events
from proto.canonical import DECODE_ERRORS
from proto.envelope import Envelope
from proto.ids import CredentialId, Did, KeyId, Origin, parse_event_id
from proto.keys import PublicKey, key_id_of
from proto.lifecycle import RULES_VERSION_OF_NEW_LOGS, RULES_VERSIONS_FINISHED, RULES_VERSIONS_KNOWN
from proto.moment import normalise
from proto.p256 import is_p256_key
from proto.problem import InvalidProblem
from proto.wire.institutions import AdmissionRequest
from proto.wire.ledger import Appended
from services.clients.http_session import client_session
from services.clients.log_client import LogClient
from services.command.ects_option import ECTS
from services.command.output import as_json_option, command, console, print_json
from services.command.predecessor import read_predecessor
from services.command.speaker import Speaker, now
from services.command.submit import submit

ACTIVATION_AHEAD = 100
"""Entries that an activation leaves by default, so that nothing that is under way is judged by other rules."""
DEFAULT_LEDGER = "http://127.0.0.1:8101"
_FILE = click.Path(path_type=Path, dir_okay=False)


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


async def origin_of(ledger: str) -> Origin:
    """Return the origin that the ledger at this address says it has."""
    async with client_session() as session:
        return (await LogClient(session, ledger).log()).origin


async def rules_version_of(ledger: str) -> int:
    """Return the version of the rules that would judge the next entry."""
    async with client_session() as session:
        return (await LogClient(session, ledger).log()).rules_version


@click.group()
def registrar() -> None:
    """Sign what only the registrar may say, and hand it to the ledger."""


def _signing(function: Any) -> Any:
    """The options that every signing command has."""
    for option in (
        as_json_option,
        click.option("--did", help="The registrar's DID, where --key is not its first key."),
        click.option("--origin", help="The log's origin; asked from the ledger if left out."),
        click.option("--out", type=_FILE, help="Write the signed envelope here instead of submitting it."),
        click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address."),
        click.option("--key", "key_path", type=_FILE, required=True, help="The registrar's key file."),
    ):
        function = option(function)
    return function


def _ask(what: str, *, yes: bool, as_json: bool) -> None:
    """Ask before something is signed that nobody can take back."""
    if not (yes or as_json):
        click.confirm(f"{what} Nothing takes this back. Sign it?", abort=True)


_yes_option = click.option("--yes", is_flag=True, help="Do not ask before signing.")


async def _say(kind: type[events.EventBase], options: dict[str, Any], **fields: Any) -> None:
    """Sign one event and submit it, or write it to a file."""
    origin = Origin(options["origin"] or await origin_of(options["ledger"]))
    did = Did(options["did"]) if options["did"] else None
    envelope = Speaker.from_file(options["key_path"], origin, did=did).say(kind, **fields)
    if options["out"]:
        options["out"].write_bytes(msgspec.json.encode(envelope) + b"\n")
        console.print(f"signed {kind.__struct_config__.tag}: {options['out']}")
        return
    _print_appended(str(kind.__struct_config__.tag), await submit(options["ledger"], envelope), options["as_json"])


def _print_appended(what: str, appended: Appended, as_json: bool) -> None:
    if as_json:
        print_json(appended)
    else:
        console.print(f"{what}: entry {appended.index}, received {appended.received_at}, event {appended.event_id}")


@registrar.command("open-log")
@click.option("--origin", required=True, help="The log's name for ever: a URL without its scheme.")
@click.option("--key", "key_path", type=_FILE, required=True, help="The registrar's key file.")
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
@click.option("--out", type=_FILE, help="Where to write the opening; standard output if left out.")
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


@registrar.command()
@click.option("--request", "request_file", type=click.File("rb"), required=True, help="The request, or - for stdin.")
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@click.option(
    "--rules-version",
    type=int,
    help=f"Of the log; asked from the ledger if left out, or {RULES_VERSION_OF_NEW_LOGS} with --origin.",
)
@_signing
@command
async def admit(*, request_file: Any, yes: bool, rules_version: int | None, **options: Any) -> None:
    """Admit an institution: sign the request that its gateway gave it."""
    request = read_request(request_file.read())
    if not (yes or options["as_json"]):
        print_request(request)
        click.confirm("Sign this admission?", abort=True)
    if rules_version is None:
        rules_version = RULES_VERSION_OF_NEW_LOGS if options["origin"] else await rules_version_of(options["ledger"])
    await _say(admission_kind(rules_version), options, **msgspec.structs.asdict(request))


def admission_kind(rules_version: int) -> type[events.Admission]:
    """Return the type of event that admits an institution, by the version of the rules."""
    return events.IssuerAdmitted if rules_version == 1 else events.IssuerAdmittedV2


def read_request(data: bytes) -> AdmissionRequest:
    """Return the admission request in `data`: as such, or inside the gateway's whole answer."""
    try:
        decoded = msgspec.json.decode(data)
        inner = decoded.get("admission_request", decoded) if isinstance(decoded, dict) else decoded
        return msgspec.convert(inner, AdmissionRequest)
    except msgspec.ValidationError as error:
        raise events.invalid(error, within="admission request") from error
    except DECODE_ERRORS as error:
        raise InvalidProblem(f"The admission request is not JSON: {error}") from error


def print_request(request: AdmissionRequest) -> None:
    """Print what would be signed, for a person."""
    scope = request.scope
    console.print(f"{request.legal_name} ({request.country}), {request.subject}")
    console.print(f"  EQF {scope.eqf_min} to {scope.eqf_max}, at most {scope.ects_hundredths_max / 100:g} ECTS each")
    may = [name for name in ("issue", "stack", "recognise") if getattr(scope, f"may_{name}")]
    console.print(f"  may {', '.join(may) or 'do nothing'}; accredited by {request.accreditation.body}")
    for key in request.keys:
        console.print(f"  {key.purpose} key {key.public_key}")
    console.print(f"  under {', '.join(request.uri_prefixes)}")


@registrar.command("change-scope")
@click.argument("subject")
@click.option("--eqf-min", type=int, required=True)
@click.option("--eqf-max", type=int, required=True)
@click.option("--ects-max", type=ECTS, required=True, help="The most ECTS credits of one credential, as 30 or 2.5.")
@click.option("--may-issue/--may-not-issue", default=True)
@click.option("--may-stack/--may-not-stack", default=True)
@click.option("--may-recognise/--may-not-recognise", default=True)
@_signing
@command
async def change_scope(
    *,
    subject: str,
    eqf_min: int,
    eqf_max: int,
    ects_max: int,
    may_issue: bool,
    may_stack: bool,
    may_recognise: bool,
    **options: Any,
) -> None:
    """Change what the institution SUBJECT (a DID) may do from now on."""
    scope = events.Scope(
        eqf_min=eqf_min,
        eqf_max=eqf_max,
        ects_hundredths_max=ects_max,
        may_issue=may_issue,
        may_stack=may_stack,
        may_recognise=may_recognise,
    )
    await _say(events.IssuerScopeChanged, options, subject=subject, scope=scope)


@registrar.command("add-key")
@click.argument("subject")
@click.option("--public-key", required=True, help="z6Mk… of the new key; for assertion and form also zDn… (P-256).")
@click.option("--purpose", type=click.Choice(["event", "assertion", "recovery", "form"]), required=True)
@_signing
@command
async def add_key(*, subject: str, public_key: str, purpose: str, **options: Any) -> None:
    """Add a key for SUBJECT; it waits out the log's public delay before it may sign."""
    key = {"key_id": key_id_of(Did(subject), PublicKey(public_key)), "purpose": purpose, "public_key": public_key}
    is_new = purpose == "form" or is_p256_key(PublicKey(public_key))
    await _say(events.IssuerKeyAddedV2 if is_new else events.IssuerKeyAdded, options, subject=subject, key=key)


@registrar.command("retire-key")
@click.argument("key_id")
@click.option("--reason", type=click.Choice(["rotated", "compromised"]), required=True)
@click.option("--invalid-from", help="With compromised: since when what the key said is void (RFC 3339).")
@_yes_option
@_signing
@command
async def retire_key(*, key_id: KeyId, reason: str, invalid_from: str | None, yes: bool, **options: Any) -> None:
    """Retire the key KEY_ID (a DID URL), for good; with `compromised`, what it said from --invalid-from on is void."""
    since = normalise(invalid_from) if invalid_from else None
    void = f", and what it said from {since} on is void" if since else ""
    _ask(f"{key_id} signs nothing any more{void}.", yes=yes, as_json=options["as_json"])
    subject = key_id.partition("#")[0]
    await _say(events.IssuerKeyRetired, options, subject=subject, key_id=key_id, reason=reason, invalid_from=since)


@registrar.command()
@click.argument("subject")
@_signing
@command
async def suspend(*, subject: str, **options: Any) -> None:
    """Suspend SUBJECT: it may not issue until it is reinstated."""
    await _say(events.IssuerSuspended, options, subject=subject)


@registrar.command()
@click.argument("subject")
@_signing
@command
async def reinstate(*, subject: str, **options: Any) -> None:
    """Reinstate the suspended institution SUBJECT."""
    await _say(events.IssuerReinstated, options, subject=subject)


@registrar.command()
@click.argument("subject")
@click.option("--successor", help="The DID of the institution that answers for its credentials from now on.")
@_yes_option
@_signing
@command
async def close(*, subject: str, successor: str | None, yes: bool, **options: Any) -> None:
    """Close SUBJECT for good."""
    _ask(f"{subject} speaks no more.", yes=yes, as_json=options["as_json"])
    await _say(events.IssuerClosed, options, subject=subject, successor=successor)


@registrar.command("revoke")
@click.argument("credential_id")
@click.option("--reason", type=click.Choice(["error", "invalidated", "legal-order", "key-compromise"]), required=True)
@click.option("--effective-at", help="Since when it does not hold (RFC 3339); now if left out.")
@_yes_option
@_signing
@command
async def revoke(
    *, credential_id: CredentialId, reason: str, effective_at: str | None, yes: bool, **options: Any
) -> None:
    """Revoke a credential of an institution that cannot do it any more, or by order of a court."""
    since = normalise(effective_at) if effective_at else now()
    _ask(f"The credential {credential_id} holds no more from {since} on.", yes=yes, as_json=options["as_json"])
    await _say(events.CredentialRevoked, options, credential_id=credential_id, reason=reason, effective_at=since)


_WITHDRAWN: Mapping[str, tuple[type[events.Withdrawal], str]] = {
    "recognition": (events.RecognitionWithdrawn, "recognition"),
    "decision": (events.AchievementRecognitionWithdrawn, "recognition"),
    "invitation": (events.EndorserUninvited, "invitation"),
    "endorsement": (events.EndorsementWithdrawn, "endorsement"),
}


@registrar.command("withdraw")
@click.argument("what", type=click.Choice(list(_WITHDRAWN)))
@click.argument("event_id")
@_yes_option
@_signing
@command
async def withdraw(*, what: str, event_id: str, yes: bool, **options: Any) -> None:
    """Withdraw WHAT the event EVENT_ID said, for an institution that closed without a successor."""
    named = parse_event_id(event_id)
    _ask(f"The {what} {named} counts no more.", yes=yes, as_json=options["as_json"])
    kind, field = _WITHDRAWN[what]
    await _say(kind, options, **{field: named})


@registrar.command("activate-rules")
@click.argument("version", type=click.IntRange(2, max(RULES_VERSIONS_KNOWN)))
@click.option("--from-index", type=int, help="The first entry that they judge; by default 100 after the log's end.")
@click.option("--yes", is_flag=True, help="Do not ask before signing.")
@_signing
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
    await _say(events.RulesActivated, options, version=version, from_index=from_index)


@registrar.command("submit")
@click.argument("file", type=click.File("rb"))
@click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address.")
@as_json_option
@command
async def submit_command(*, file: Any, ledger: str, as_json: bool) -> None:
    """Hand an envelope that was signed elsewhere (with --out) to the ledger."""
    envelope = envelopes.decode(file.read())
    kind = str(envelopes.open_envelope(envelope).event.__struct_config__.tag)
    _print_appended(kind, await submit(ledger, envelope), as_json)
