"""`credentify registrar`: what the registrar says of institutions and credentials; its key file is read by no service.

What the registrar says of the log itself is in `registrar_log`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from proto import events
from proto.canonical import DECODE_ERRORS
from proto.ids import CredentialId, Did, KeyId, parse_event_id
from proto.keys import PublicKey, key_id_of
from proto.lifecycle import RULES_VERSION_OF_NEW_LOGS
from proto.moment import normalise
from proto.p256 import is_p256_key
from proto.problem import InvalidProblem
from proto.visible_text import mixed_scripts, name_fault_of
from proto.wire.institutions import AdmissionRequest
from services.command.ects_option import ECTS
from services.command.known_names import resemblance_notes
from services.command.output import command, console
from services.command.registrar_log import activate_rules, open_log_command, submit_command
from services.command.registrar_signing import (
    confirm_for_good,
    rules_version_of,
    sign_and_submit,
    signing_options,
    yes_option,
)
from services.command.speaker import now
from services.command.terminal import clean
from services.command.verify import DEFAULT_VERIFIER


@click.group()
def registrar() -> None:
    """Sign what only the registrar may say, and hand it to the ledger."""


@registrar.command()
@click.option("--request", "request_file", type=click.File("rb"), required=True, help="The request, or - for stdin.")
@yes_option
@click.option(
    "--verifier",
    default=DEFAULT_VERIFIER,
    show_default=True,
    help="Whose register the name is compared with, so that it passes for no other's.",
)
@click.option(
    "--rules-version",
    type=int,
    help=f"Of the log; asked from the ledger if left out, or {RULES_VERSION_OF_NEW_LOGS} with --origin.",
)
@signing_options
@command
async def admit(*, request_file: Any, yes: bool, verifier: str, rules_version: int | None, **options: Any) -> None:
    """Admit an institution: sign the request that its gateway gave it.

    A name that looks the same as one on the register is told before.
    """
    request = read_request(request_file.read())
    is_asked = not (yes or options["as_json"])
    if is_asked:
        print_request(request)
    if not options["as_json"]:
        name, subject = request.legal_name, request.subject
        print_notes(await resemblance_notes(name, subject, verifier=verifier, is_asked=is_asked))
    if is_asked:
        click.confirm("Sign this admission?", abort=True)
    if rules_version is None:
        rules_version = RULES_VERSION_OF_NEW_LOGS if options["origin"] else await rules_version_of(options["ledger"])
    await sign_and_submit(admission_kind(rules_version), options, **msgspec.structs.asdict(request))


def admission_kind(rules_version: int) -> type[events.Admission]:
    """Return the type of event that admits an institution, by the version of the rules."""
    return events.IssuerAdmitted if rules_version == 1 else events.IssuerAdmittedV2


def read_request(data: bytes) -> AdmissionRequest:
    """Return the admission request in `data`: as such, or inside the gateway's whole answer."""
    try:
        decoded = msgspec.json.decode(data)
        inner = decoded.get("admission_request", decoded) if isinstance(decoded, dict) else decoded
        request = msgspec.convert(inner, AdmissionRequest)
    except msgspec.ValidationError as error:
        raise events.invalid(error, within="admission request") from error
    except DECODE_ERRORS as error:
        raise InvalidProblem(f"The admission request is not JSON: {error}") from error
    for name in (request.legal_name, request.accreditation.body):
        if (fault := name_fault_of(name)) is not None:
            raise InvalidProblem(f"A name in the admission request {fault}. Have the institution make it anew")
    return request


def print_request(request: AdmissionRequest) -> None:
    """Print what would be signed, for a person."""
    scope = request.scope
    console.print(clean(f"{request.legal_name} ({request.country}), {request.subject}"))
    if scripts := mixed_scripts(request.legal_name):
        console.print(f"  its name has {' and '.join(scripts)} letters: see that it does not pass for another's")
    console.print(f"  EQF {scope.eqf_min} to {scope.eqf_max}, at most {scope.ects_hundredths_max / 100:g} ECTS each")
    may = [name for name in ("issue", "stack", "recognise") if getattr(scope, f"may_{name}")]
    console.print(f"  may {', '.join(may) or 'do nothing'}; accredited by {clean(request.accreditation.body)}")
    for key in request.keys:
        console.print(f"  {key.purpose} key {key.public_key}")
    console.print(clean(f"  under {', '.join(request.uri_prefixes)}"))


def print_notes(notes: Sequence[str]) -> None:
    """Print what a person is to look at before the name is signed."""
    for note in notes:
        console.print(clean(f"  {note}"))


@registrar.command("change-scope")
@click.argument("subject")
@click.option("--eqf-min", type=int, required=True)
@click.option("--eqf-max", type=int, required=True)
@click.option("--ects-max", type=ECTS, required=True, help="The most ECTS credits of one credential, as 30 or 2.5.")
@click.option("--may-issue/--may-not-issue", default=True)
@click.option("--may-stack/--may-not-stack", default=True)
@click.option("--may-recognise/--may-not-recognise", default=True)
@signing_options
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
    await sign_and_submit(events.IssuerScopeChanged, options, subject=subject, scope=scope)


@registrar.command("add-key")
@click.argument("subject")
@click.option("--public-key", required=True, help="z6Mk… of the new key; for assertion and form also zDn… (P-256).")
@click.option("--purpose", type=click.Choice(["event", "assertion", "recovery", "form"]), required=True)
@signing_options
@command
async def add_key(*, subject: str, public_key: str, purpose: str, **options: Any) -> None:
    """Add a key for SUBJECT; it waits out the log's public delay before it may sign."""
    key = {"key_id": key_id_of(Did(subject), PublicKey(public_key)), "purpose": purpose, "public_key": public_key}
    is_new = purpose == "form" or is_p256_key(PublicKey(public_key))
    await sign_and_submit(
        events.IssuerKeyAddedV2 if is_new else events.IssuerKeyAdded, options, subject=subject, key=key
    )


@registrar.command("retire-key")
@click.argument("key_id")
@click.option("--reason", type=click.Choice(["rotated", "compromised"]), required=True)
@click.option("--invalid-from", help="With compromised: since when what the key said is void (RFC 3339).")
@yes_option
@signing_options
@command
async def retire_key(*, key_id: KeyId, reason: str, invalid_from: str | None, yes: bool, **options: Any) -> None:
    """Retire the key KEY_ID (a DID URL), for good; with `compromised`, what it said from --invalid-from on is void."""
    since = normalise(invalid_from) if invalid_from else None
    void = f", and what it said from {since} on is void" if since else ""
    confirm_for_good(f"{key_id} signs nothing any more{void}.", yes=yes, as_json=options["as_json"])
    subject = key_id.partition("#")[0]
    await sign_and_submit(
        events.IssuerKeyRetired, options, subject=subject, key_id=key_id, reason=reason, invalid_from=since
    )


@registrar.command()
@click.argument("subject")
@signing_options
@command
async def suspend(*, subject: str, **options: Any) -> None:
    """Suspend SUBJECT: it may not issue until it is reinstated."""
    await sign_and_submit(events.IssuerSuspended, options, subject=subject)


@registrar.command()
@click.argument("subject")
@signing_options
@command
async def reinstate(*, subject: str, **options: Any) -> None:
    """Reinstate the suspended institution SUBJECT."""
    await sign_and_submit(events.IssuerReinstated, options, subject=subject)


@registrar.command()
@click.argument("subject")
@click.option("--successor", help="The DID of the institution that answers for its credentials from now on.")
@yes_option
@signing_options
@command
async def close(*, subject: str, successor: str | None, yes: bool, **options: Any) -> None:
    """Close SUBJECT for good."""
    confirm_for_good(f"{subject} speaks no more.", yes=yes, as_json=options["as_json"])
    await sign_and_submit(events.IssuerClosed, options, subject=subject, successor=successor)


@registrar.command("revoke")
@click.argument("credential_id")
@click.option("--reason", type=click.Choice(["error", "invalidated", "legal-order", "key-compromise"]), required=True)
@click.option("--effective-at", help="Since when it does not hold (RFC 3339); now if left out.")
@yes_option
@signing_options
@command
async def revoke(
    *, credential_id: CredentialId, reason: str, effective_at: str | None, yes: bool, **options: Any
) -> None:
    """Revoke a credential of an institution that cannot do it any more, or by order of a court."""
    since = normalise(effective_at) if effective_at else now()
    confirm_for_good(
        f"The credential {credential_id} holds no more from {since} on.", yes=yes, as_json=options["as_json"]
    )
    await sign_and_submit(
        events.CredentialRevoked, options, credential_id=credential_id, reason=reason, effective_at=since
    )


_WITHDRAWN: Mapping[str, tuple[type[events.Withdrawal], str]] = {
    "recognition": (events.RecognitionWithdrawn, "recognition"),
    "decision": (events.AchievementRecognitionWithdrawn, "recognition"),
    "invitation": (events.EndorserUninvited, "invitation"),
    "endorsement": (events.EndorsementWithdrawn, "endorsement"),
}


@registrar.command("withdraw")
@click.argument("what", type=click.Choice(list(_WITHDRAWN)))
@click.argument("event_id")
@yes_option
@signing_options
@command
async def withdraw(*, what: str, event_id: str, yes: bool, **options: Any) -> None:
    """Withdraw WHAT the event EVENT_ID said, for an institution that closed without a successor."""
    named = parse_event_id(event_id)
    confirm_for_good(f"The {what} {named} counts no more.", yes=yes, as_json=options["as_json"])
    kind, field = _WITHDRAWN[what]
    await sign_and_submit(kind, options, **{field: named})


for each in (open_log_command, activate_rules, submit_command):
    registrar.add_command(each)
