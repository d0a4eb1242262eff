"""Institutions as tenants: their DIDs, prefixes, admission requests and DID documents. Pure; holds no key."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, Literal
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proto.documents.annex_i import AnnexGate
from proto.documents.credential import Identifier, IssuerProfile
from proto.documents.wording import check_address, check_texts
from proto.events import Accreditation, KeyRecord, Record, Scope
from proto.ids import Did, InstitutionId
from proto.keys import PublicKey, decode_public_key, key_id_of
from proto.lifecycle import Book, Key, compromised_from, is_retired, living_end, profile, standing
from proto.moment import Moment
from proto.problem import InvalidProblem, NotFoundProblem
from proto.wire.institutions import (
    REMIND_DAYS,
    AdmissionRequest,
    GradeCondition,
    Institution,
    InstitutionRequest,
    Programme,
    RegisteredKey,
)

_DID_CONTEXTS = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")


class UnknownInstitutionProblem(NotFoundProblem):
    """This gateway has no institution of that name."""

    slug = "unknown-institution"
    title = "No such institution here"


class Tenant(Record, frozen=True, kw_only=True):
    """An institution of this gateway, as it is stored; `uri_prefixes` includes the gateway's own prefix for it.

    Only what stands below `other_identifiers` ever changes. `programmes` are those towards
    which it takes applications; None where that was never said. `decide_within_days`: None where the gateway says it.
    """

    institution_id: InstitutionId
    slug: str
    did: Did
    legal_name: str
    country: str
    uri_prefixes: tuple[str, ...]
    scope: Scope
    accreditation: Accreditation
    region: str | None = None
    locality: str | None = None
    url: str | None = None
    email: str | None = None
    other_identifiers: tuple[Identifier, ...] = ()
    annex_gate: AnnexGate = "off"
    time_zone: str | None = None
    programmes: tuple[Programme, ...] | None = None
    grade_conditions: tuple[GradeCondition, ...] = ()
    decide_within_days: int | None = None
    remind_days_before: int = REMIND_DAYS

    @property
    def zone(self) -> tzinfo:
        """The time zone in which the institution writes days."""
        return zone_named(self.time_zone) if self.time_zone else UTC

    @property
    def issuer(self) -> IssuerProfile:
        """The institution as its documents name it."""
        return IssuerProfile(
            did=self.did,
            legal_name=self.legal_name,
            country=self.country,
            region=self.region,
            locality=self.locality,
            url=self.url,
            email=self.email,
            other_identifiers=self.other_identifiers,
        )

    @property
    def own_prefix(self) -> str:
        """The prefix under which the gateway itself makes URIs for the institution."""
        return self.uri_prefixes[0]


def zone_named(name: str) -> tzinfo:
    """Return a time zone by its name in the IANA database; raises `InvalidProblem` where there is none of it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidProblem(
            "Write a time zone as the IANA database has it, such as Europe/Amsterdam", pointer="/time_zone"
        ) from error


def did_of(public_url: str, slug: str) -> Did:
    """Return the institution's did:web (W3C did:web method): the port's colon is written `%3A`, slashes as colons."""
    parts = urlsplit(public_url)
    path = [segment for segment in parts.path.split("/") if segment]
    return Did(":".join(["did:web", quote(parts.netloc, safe=""), *path, "issuers", slug]))


def prefix_of(public_url: str, slug: str) -> str:
    """Return the URI prefix, ending in `/`, that the gateway serves for the institution."""
    return f"{public_url.rstrip('/')}/issuers/{slug}/"


def tenant_from(request: InstitutionRequest, *, institution_id: InstitutionId, public_url: str) -> Tenant:
    """Return the tenant that a request describes.

    Raises `InvalidProblem` for a recovery key that no one may have, and for a name or address that nobody can read.
    """
    texts = {"legal_name": request.legal_name, "region": request.region, "locality": request.locality}
    check_texts((f"/{name}", text) for name, text in texts.items() if text is not None)
    check_texts([("/accreditation/body", request.accreditation.body)])
    check_address(request.email, "/email")
    try:
        decode_public_key(request.recovery_public_key)
    except InvalidProblem as problem:
        raise InvalidProblem(problem.sentence, pointer="/recovery_public_key") from problem
    if request.scope.eqf_min > request.scope.eqf_max:
        raise InvalidProblem("eqf_min lies above eqf_max", pointer="/scope/eqf_min")
    if request.time_zone:
        zone_named(request.time_zone)
    own = prefix_of(public_url, request.slug)
    return Tenant(
        institution_id=institution_id,
        slug=request.slug,
        did=did_of(public_url, request.slug),
        legal_name=request.legal_name,
        country=request.country,
        uri_prefixes=(own, *(prefix for prefix in dict.fromkeys(request.uri_prefixes) if prefix != own)),
        scope=request.scope,
        accreditation=request.accreditation,
        region=request.region,
        locality=request.locality,
        url=request.url,
        email=request.email,
        other_identifiers=request.other_identifiers,
        annex_gate=request.annex_gate,
        time_zone=request.time_zone or None,
    )


def admission_request(tenant: Tenant, keys: Sequence[KeyRecord]) -> AdmissionRequest:
    """Return what the registrar signs to admit the institution with these keys."""
    return AdmissionRequest(
        subject=tenant.did,
        legal_name=tenant.legal_name,
        country=tenant.country,
        uri_prefixes=tenant.uri_prefixes,
        keys=tuple(keys),
        scope=tenant.scope,
        accreditation=tenant.accreditation,
    )


def key_record(did: Did, purpose: Literal["event", "assertion", "recovery"], public_key: PublicKey) -> KeyRecord:
    """Return a key as events carry it, named by itself."""
    return KeyRecord(key_id=key_id_of(did, public_key), purpose=purpose, public_key=public_key)


def institution_answer(tenant: Tenant, book: Book, *, now: Moment) -> Institution:
    """Return what the public learns of an institution; its state is what the log says, by the issuer in the book."""
    issuer = book.issuer(tenant.did)
    known = profile(book, issuer) if issuer else None
    last = standing(book, issuer) if issuer and known else None
    state: Literal["not-admitted", "admitted", "suspended", "closed"] = "admitted" if known else "not-admitted"
    if last is not None and last.kind != "reinstated":
        state = last.kind
    successor = living_end(book, tenant.did) if state == "closed" else tenant.did
    return Institution(
        slug=tenant.slug,
        did=tenant.did,
        legal_name=tenant.legal_name,
        country=tenant.country,
        uri_prefixes=known.uri_prefixes if known else tenant.uri_prefixes,
        state=state,
        url=tenant.url,
        successor=successor if successor != tenant.did else None,
        programmes=tenant.programmes or (),
        scope=known.scope if known else None,
        accreditation=known.accreditation if known else None,
        keys=tuple(_registered(book, key, now) for key in issuer.keys) if issuer and known else (),
    )


def _registered(book: Book, key: Key, now: Moment) -> RegisteredKey:
    condemned = compromised_from(book, key.key_id)
    state: Literal["active", "waiting", "rotated", "compromised"] = "active" if key.usable_from <= now else "waiting"
    if condemned is not None:
        state = "compromised"
    elif is_retired(book, key):
        state = "rotated"
    return RegisteredKey(
        key_id=key.key_id,
        purpose=key.purpose,
        public_key=key.public_key,
        state=state,
        added_at=key.added.received_at,
        usable_from=key.usable_from,
        compromised_from=condemned,
    )


def did_document(tenant: Tenant, book: Book) -> dict[str, Any]:
    """Return the DID document (W3C DID 1.0, Multikey): every key of the ring that is not condemned.

    Rotated keys stay, because what they signed stays good. Raises `UnknownInstitutionProblem` before the admission.
    """
    issuer = book.issuer(tenant.did)
    if issuer is None or profile(book, issuer) is None:
        raise UnknownInstitutionProblem(f"{tenant.slug} has not been admitted to the log yet")
    keys = [key for key in issuer.keys if compromised_from(book, key.key_id) is None]
    return {
        "@context": list(_DID_CONTEXTS),
        "id": tenant.did,
        "verificationMethod": [
            {"id": key.key_id, "type": "Multikey", "controller": tenant.did, "publicKeyMultibase": key.public_key}
            for key in keys
        ],
        "assertionMethod": [key.key_id for key in keys if key.purpose == "assertion"],
    }
