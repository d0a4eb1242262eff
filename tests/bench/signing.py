"""Signed events in the form in which they are sent, made before anything is measured. Runs in the workers."""

import secrets
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import uuid_utils

from proto import events
from proto.base64_strict import encode_base64
from proto.documents.credential import IssuerProfile
from proto.documents.document import credential_id_of
from proto.envelope import PAYLOAD_TYPE, Envelope, Signature, pre_authentication_encoding
from proto.ids import AchievementUri, CredentialId, KeyId, Origin
from proto.keys import Sign
from proto.moment import from_datetime
from tests.bench.load import request
from tests.support.documents import full_achievement, full_award, full_document
from tests.support.statements import Party

NDJSON = "application/x-ndjson"
JSON = "application/json"
EVENTS_PATH = "/v1/events"
INSTITUTIONS = 4
DOCUMENTS_PREFIX = "https://nadmorska.example/"
"""Under which the example achievement of `tests.support.documents` lies."""


def institution(number: int = 0) -> Party:
    """Return an institution of the benchmark, with the same keys in every process."""
    return Party(f"bench-{number}")


def fresh_ids(count: int) -> list[CredentialId]:
    """Return random credential ids, which stand for documents that nobody has."""
    return [CredentialId(secrets.token_hex(32)) for _ in range(count)]


def sign_issues(origin: Origin, speaker: int, ids: Iterable[CredentialId]) -> list[bytes]:
    """Return one line of JSON per credential id: the envelope of its issue by institution number `speaker`."""
    party = institution(speaker)
    template = events.CredentialIssued(
        log=origin,
        issuer=party.did,
        at=from_datetime(datetime.now(UTC)),
        nonce=str(uuid_utils.uuid7()),
        credential_id=CredentialId("0" * 64),
        achievement=AchievementUri(f"{party.url}achievements/1"),
        ects_hundredths=350,
        eqf_level=6,
        valid_from=from_datetime(datetime(2026, 1, 1, tzinfo=UTC)),
    )
    return _sign(party, template, ids)


def sign_documents(origin: Origin, speaker: int, count: int) -> tuple[list[bytes], list[bytes]]:
    """Return so many credential documents in JSON, each with an id of its own, and the envelopes of their issues."""
    party = institution(speaker)
    issuer = IssuerProfile(did=party.did, legal_name=party.name, country="NL", url=party.url)
    achievement, award = full_achievement(), full_award()
    document = full_document(issuer=issuer, components=(), credential_status=None)
    documents = [document | {"id": f"urn:uuid:{uuid.uuid4()}"} for _ in range(count)]
    template = events.CredentialIssued(
        log=origin,
        issuer=party.did,
        at=from_datetime(datetime.now(UTC)),
        nonce=str(uuid_utils.uuid7()),
        credential_id=CredentialId("0" * 64),
        achievement=achievement.uri,
        ects_hundredths=award.earned_hundredths(achievement),
        eqf_level=achievement.eqf_level or msgspec.UNSET,
        valid_from=award.begins_at,
        valid_until=award.ends_at or msgspec.UNSET,
    )
    lines = _sign(party, template, (credential_id_of(each, party.did) for each in documents))
    return [msgspec.json.encode(each) for each in documents], lines


def _sign(party: Party, template: events.CredentialIssued, ids: Iterable[CredentialId]) -> list[bytes]:
    key_id, sign = party.event.key_id, party.secret("event").sign
    replace = msgspec.structs.replace
    return [
        seal_line(replace(template, credential_id=credential_id, nonce=str(uuid_utils.uuid7())), key_id, sign)
        for credential_id in ids
    ]


def seal_line(event: events.Event, key_id: KeyId, sign: Sign) -> bytes:
    """Seal without the check that `proto.envelope.seal` adds for safety: the ledger will say if it is wrong."""
    payload = events.encode(event)
    signature = Signature(keyid=key_id, sig=encode_base64(sign(pre_authentication_encoding(payload))))
    envelope = Envelope(payload=encode_base64(payload), payload_type=PAYLOAD_TYPE, signatures=(signature,))
    return msgspec.json.encode(envelope)


def append_requests(lines: Sequence[bytes], per_request: int) -> list[bytes]:
    """Return whole requests that append these envelopes: NDJSON of so many lines, or JSON if one."""
    content_type = {"Content-Type": JSON if per_request == 1 else NDJSON}
    return [
        request("POST", EVENTS_PATH, b"\n".join(lines[begin : begin + per_request]), headers=content_type)
        for begin in range(0, len(lines), per_request)
    ]


def issue_requests(origin: Origin, speaker: int, count: int, per_request: int) -> list[bytes]:
    """Return whole requests for `count` issues of fresh credentials."""
    return append_requests(sign_issues(origin, speaker, fresh_ids(count)), per_request)
