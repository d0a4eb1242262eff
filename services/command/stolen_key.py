"""`credentify stolen-key`: one act against a thief: condemns keys, puts new ones in their place, says what it undoes.

Signed by the institution's recovery key, whose new keys sign at once, or by the registrar, whose new keys wait out the
log's public delay. What the stolen keys said since then is void by that alone: what they issued never held, and what
they revoked holds again. What the institution itself said meanwhile is void too, and listed to be said again.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click
import msgspec

from proto import envelope as envelopes
from proto import events
from proto.envelope import Envelope
from proto.ids import CredentialId, Did, EventId, KeyId, LeafIndex, owner_of
from proto.keys import PublicKey, key_id_of
from proto.log import entry as entries
from proto.log.entry import Entry
from proto.moment import Moment, normalise
from proto.p256 import is_p256_key
from proto.problem import InvalidProblem
from proto.subjects import credential_ids
from proto.wire.ledger import Appended, AppendLine
from services.clients.http_session import client_session
from services.clients.log_client import LogClient
from services.command.institution import gateway_client
from services.command.key_file import write_secret
from services.command.output import as_json_option, command, console, print_json
from services.command.registrar_signing import DEFAULT_LEDGER
from services.command.speaker import Speaker
from services.command.submit import RefusedProblem

ISSUES = (
    *(events.CredentialIssued, events.CredentialIssuedV2, events.CredentialsIssued),
    *(events.CredentialStacked, events.CredentialStackedV2),
)
REVOCATIONS = (events.CredentialRevoked, events.CredentialsRevoked, events.CredentialSuspended)
_FILE = click.Path(path_type=Path, dir_okay=False)


class Voided(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the log that a condemnation makes void: which event, and the credentials that it is about."""

    index: LeafIndex
    event_id: EventId
    event_type: str
    key_id: KeyId
    received_at: Moment
    credential_ids: tuple[CredentialId, ...]


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What the act came to: its entries on the log, the keys that sign now, and what it made void."""

    appended: tuple[Appended, ...]
    new_keys: tuple[KeyId, ...]
    issued_void: int
    revoked_void: int
    other_void: int


async def _entry(log: LogClient, index: int) -> Entry:
    async for line in log.entries(index, index + 1):
        return entries.decode(line)
    raise InvalidProblem(f"The ledger did not serve entry {index}; ask again once it publishes")


async def first_since(log: LogClient, size: int, since: Moment) -> int:
    """Return the index of the first of `size` entries that came at `since` or later; times never go back."""
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        if (await _entry(log, middle)).received_at < since:
            low = middle + 1
        else:
            high = middle
    return low


async def said_since(log: LogClient, keys: frozenset[KeyId], since: Moment) -> AsyncIterator[Voided]:
    """Return what those keys said since then, as the ledger serves it, in the order of the log."""
    size = (await log.log()).published_size
    begin = await first_since(log, size, since)
    while begin < size:
        asked_from = begin
        async for line in log.entries(begin, size):
            entry, begin = entries.decode(line), begin + 1
            if entry.envelope.signatures[0].keyid in keys:
                yield _voided(entry)
        if begin == asked_from:
            raise InvalidProblem(f"The ledger did not serve entry {begin}; ask again once it publishes")


def _voided(entry: Entry) -> Voided:
    opened = envelopes.open_envelope(entry.envelope)
    return Voided(
        index=entry.index,
        event_id=opened.event_id,
        event_type=str(opened.event.__struct_config__.tag),
        key_id=opened.key_id,
        received_at=entry.received_at,
        credential_ids=credential_ids(opened.event),
    )


def _counted(voided: Sequence[Voided]) -> tuple[int, int, int]:
    """Return how many credentials were issued, how many revoked or suspended, and how many other events there are."""
    tags = [{str(kind.__struct_config__.tag) for kind in kinds} for kinds in (ISSUES, REVOCATIONS)]
    counts = [sum(len(each.credential_ids) for each in voided if each.event_type in tag) for tag in tags]
    return counts[0], counts[1], sum(each.event_type not in tags[0] | tags[1] for each in voided)


def signed_act(
    speaker: Speaker, stolen: Sequence[KeyId], since: Moment, new: Sequence[events.KeyRecord]
) -> list[Envelope]:
    """Return the condemnation of each key, then the addition of each new one."""
    subject = owner_of(stolen[0])
    condemned = [
        speaker.say(events.IssuerKeyRetired, subject=subject, key_id=key_id, reason="compromised", invalid_from=since)
        for key_id in stolen
    ]
    added = [
        speaker.say(
            events.IssuerKeyAddedV2 if is_p256_key(key.public_key) else events.IssuerKeyAdded,
            subject=subject,
            key=msgspec.to_builtins(key),
        )
        for key in new
    ]
    return condemned + added


async def _new_keys(
    owner: Did, named: Sequence[str], purposes: Sequence[str], gateway: str | None, api_key_file: Path | None
) -> list[events.KeyRecord]:
    """Return the keys that take the place of the stolen ones: those that are named, and new ones of the gateway."""
    found = []
    for each in named:
        purpose, _, public = each.partition("=")
        said = {"key_id": key_id_of(owner, PublicKey(public)), "purpose": purpose, "public_key": public}
        try:
            found.append(msgspec.convert(said, events.KeyRecord))
        except msgspec.ValidationError as error:
            raise InvalidProblem("--new-key is a purpose and a public key: event=z6Mk…") from error
    if gateway is None:
        return found
    if api_key_file is None:
        raise InvalidProblem("--gateway asks for --api-key-file: the institution's API key, with the scope keys:manage")
    async with gateway_client(gateway, api_key_file) as client:
        for purpose in purposes:
            record = await client.create_signing_key("assertion" if purpose == "assertion" else "event")
            if owner_of(record.key_id) != owner:
                raise InvalidProblem("The API key is another institution's than the stolen key: nothing was signed")
            found.append(record)
    return found


def _appended(lines: Sequence[AppendLine]) -> tuple[Appended, ...]:
    """Return where all of it stands; raises `RefusedProblem` with the ledger's words, and says what stands already."""
    for number, line in enumerate(lines):
        if line.appended is None:
            refused = line.problem or {}
            before = f" (on the log before it: {number}; do it again with what is left)" if number else ""
            raise RefusedProblem(f"{refused.get('detail')}{before}", members={"ledger": refused})
    return tuple(line.appended for line in lines if line.appended is not None)


@click.command("stolen-key")
@click.argument("key_ids", nargs=-1, required=True)
@click.option("--since", required=True, help="Since when a thief may have had them (RFC 3339), no later than that.")
@click.option(
    "--key", "key_path", type=_FILE, required=True, help="The institution's recovery key, or the registrar's."
)
@click.option("--by-registrar", is_flag=True, help="--key is the registrar's: new keys wait out the public delay.")
@click.option("--new-key", "named", multiple=True, help="A key that takes a stolen one's place: PURPOSE=z6Mk….")
@click.option("--gateway", help="The institution's gateway, which makes new keys and keeps their secret halves.")
@click.option("--api-key-file", type=_FILE, help="The institution's API key there.")
@click.option(
    *("--replace", "purposes"),
    multiple=True,
    type=click.Choice(["event", "assertion"]),
    default=("event",),
    show_default=True,
    help="With --gateway: of which purposes it makes new keys.",
)
@click.option("--list", "list_file", type=_FILE, help="Write what becomes void here, one JSON object a line.")
@click.option("--ledger", default=DEFAULT_LEDGER, show_default=True, help="The ledger's address.")
@click.option("--yes", is_flag=True, help="Do not ask: a condemnation is never undone.")
@as_json_option
@command
async def stolen_key(
    *,
    key_ids: tuple[str, ...],
    since: str,
    key_path: Path,
    by_registrar: bool,
    named: tuple[str, ...],
    gateway: str | None,
    api_key_file: Path | None,
    purposes: tuple[str, ...],
    list_file: Path | None,
    ledger: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Condemn the stolen keys KEY_IDS (DID URLs of one institution) and put new ones in their place, in one act.

    Says before what becomes void: what the keys issued since then never held, what they revoked holds again.
    """
    stolen, moment = tuple(map(KeyId, key_ids)), normalise(since)
    if len({owner_of(key_id) for key_id in stolen}) != 1:
        raise InvalidProblem("The keys belong to several institutions: each needs an act of its own")
    owner = owner_of(stolen[0])
    async with client_session() as session:
        log = LogClient(session, ledger)
        info = await log.log()
        if by_registrar and info.registrar is None:
            raise InvalidProblem("The ledger does not say who its registrar is; it is older than this command")
        speaker = Speaker.from_file(key_path, info.origin, did=info.registrar if by_registrar else owner)
        voided = [each async for each in said_since(log, frozenset(stolen), moment)]
        if list_file:
            write_secret(list_file, b"".join(msgspec.json.encode(each) + b"\n" for each in voided))
        counts = _counted(voided)
        if not yes:
            _ask(stolen, moment, counts)
        new = await _new_keys(owner, named, purposes, gateway, api_key_file)
        appended = _appended(await log.submit(signed_act(speaker, stolen, moment, new)))
    done = Undone(
        appended=appended,
        new_keys=tuple(key.key_id for key in new),
        **dict(zip(("issued_void", "revoked_void", "other_void"), counts, strict=True)),
    )
    if as_json:
        print_json(done)
        return
    _print(done, stolen)


def _ask(stolen: Sequence[KeyId], since: Moment, counts: tuple[int, int, int]) -> None:
    issued, revoked, other = counts
    for key_id in stolen:
        click.echo(f"{key_id} is condemned from {since} on.", err=True)
    click.echo(
        f"  {issued} credentials that it issued since then never held: issue those that are yours again", err=True
    )
    click.echo(
        f"  {revoked} credentials that it revoked or suspended since then hold again: revoke yours again", err=True
    )
    click.echo(f"  {other} other events of it since then are void", err=True)
    click.confirm("A condemnation is never undone. Sign it?", abort=True, err=True)


def _print(done: Undone, stolen: Sequence[KeyId]) -> None:
    for place in done.appended[: len(stolen)]:
        console.print(f"condemned   entry {place.index}, received {place.received_at}")
    for key_id, place in zip(done.new_keys, done.appended[len(stolen) :], strict=True):
        console.print(f"new key     {key_id}: entry {place.index}", soft_wrap=True)
    console.print(
        f"void now    {done.issued_void} issued, {done.revoked_void} revoked or suspended, {done.other_void} others"
    )
