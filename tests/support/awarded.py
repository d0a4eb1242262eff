"""Documents of parties of a `World`, and the events that put them on its log: what a gateway does, without one."""

import uuid
from typing import Any

import msgspec

from proto import events
from proto.documents.claims_root import SEED_BYTES
from proto.documents.credential import IssuerProfile
from proto.documents.document import credential_id_of
from proto.documents.open_badge import Component, build_document
from proto.documents.open_badge_claims import claims
from proto.ids import Commitment, CredentialId
from services.crypto.data_integrity import Suite, create_proof
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, committed
from tests.support.documents import full_achievement, full_award
from tests.support.statements import Party
from tests.support.worlds import World


class Awarded(msgspec.Struct, frozen=True, kw_only=True):
    """A document as the learner has it, and its credential id; `commitment` is what issues it from rules 2 on."""

    document: dict[str, Any]
    credential_id: CredentialId
    commitment: Commitment | None = None

    @property
    def data(self) -> bytes:
        """The document's bytes."""
        return msgspec.json.encode(self.document)


def documented(
    world: World,
    party: Party,
    *,
    ects_hundredths: int = 350,
    components: tuple[Component, ...] = (),
    suite: Suite | None = "eddsa-jcs-2022",
    valid_until: str | None = None,
) -> Awarded:
    """Return a document that nobody has put on the log yet, valid from the world's now on."""
    uri = f"{party.url}achievements/1"
    award: dict[str, Any] = {
        "achievement": uri,
        "awarded_at": None,
        "valid_from": world.now,
        "valid_until": valid_until,
        "ects_hundredths": ects_hundredths,
    }
    document = build_document(
        document_id=f"urn:uuid:{uuid.uuid4()}",
        issuer=IssuerProfile(did=party.did, legal_name=f"{party.name} calls itself so", country="AT"),
        achievement=full_achievement(uri=uri, ects_hundredths=ects_hundredths),
        award=full_award(**award),
        components=components,
    )
    said: Commitment | None = None
    if world.rules_version >= COMMITMENTS_FROM:
        made = committed(document, party.did, bytes(SEED_BYTES))
        document, said = dict(made.document), made.commitment
    credential_id = credential_id_of(document, party.did)
    if suite is not None:
        document["proof"] = _proof(world, party, document, suite)
    return Awarded(document=document, credential_id=credential_id, commitment=said)


def _proof(world: World, party: Party, document: dict[str, Any], suite: Suite) -> dict[str, Any]:
    key_id = party.assertion.key_id
    return create_proof(
        document, key_id=key_id, sign=lambda message: party.sign(key_id, message), suite=suite, created=world.now
    )


def event_of(world: World, party: Party, awarded: Awarded, **changed: Any) -> events.Issue:
    """Return the event that says what the document says, or something else where `changed` says so."""
    found = claims(awarded.document)
    is_old = awarded.commitment is None
    named: dict[str, Any] = {"credential_id": awarded.credential_id} if is_old else {"commitment": awarded.commitment}
    fields: dict[str, Any] = named | {
        "achievement": found.achievement,
        "ects_hundredths": found.ects_hundredths,
        "eqf_level": found.eqf_level or msgspec.UNSET,
        "valid_from": found.valid_from,
        "valid_until": found.valid_until or msgspec.UNSET,
    }
    if found.components:
        stacked = events.CredentialStacked if is_old else events.CredentialStackedV2
        made: events.Issue = world.make(stacked, party, **fields | {"components": found.components} | changed)
    else:
        issued = events.CredentialIssued if is_old else events.CredentialIssuedV2
        made = world.make(issued, party, **fields | changed)
    return made


def award(world: World, party: Party, **fields: Any) -> Awarded:
    """Return a document that is on the log."""
    awarded = documented(world, party, **fields)
    world.say(event_of(world, party, awarded))
    return awarded


def stack(world: World, party: Party, parts: list[Awarded], **fields: Any) -> Awarded:
    """Return the document of a stack of these, on the log, that declares the sum of their credits."""
    said = [claims(part.document) for part in parts]
    components = tuple(
        Component(
            credential_id=part.credential_id,
            achievement=claim.achievement,
            issuer=claim.issuer,
            ects_hundredths=claim.ects_hundredths,
        )
        for part, claim in zip(parts, said, strict=True)
    )
    total = sum(claim.ects_hundredths for claim in said)
    return award(world, party, **{"components": components, "ects_hundredths": total} | fields)
