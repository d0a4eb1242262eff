"""From awards to events and documents, from achievements to their URIs. Pure; ids, nonces, times are arguments."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from proto import days, events
from proto.documents.credential import Achievement, Award
from proto.documents.open_badge import Component, Fixed, build_document
from proto.documents.wording import check_achievement
from proto.event_fields import Reason
from proto.fold import fold
from proto.ids import AchievementId, AchievementUri, CredentialId, Did, Origin
from proto.lifecycle import Book, effective, life_of
from proto.moment import Moment
from proto.problem import ConflictProblem, InvalidProblem
from proto.stacking import StackPart, Unmet, ects_text, unmet_by_declared, unmet_conditions
from proto.subjects import credential_ids
from proto.wire.gateway import AchievementRequest, ChangeRequest
from services.issuer_gateway.domain.tenant import Tenant

_ACHIEVEMENT_ID = re.compile(r"[a-z0-9](?:-?[a-z0-9]){0,62}")
_HASH_DIGITS = 16
_WORD = re.compile(r"[^\W_]+")
_WORD_CHARACTERS_MAX = 64


class ForeignUriProblem(InvalidProblem):
    """The URI lies under no prefix of the institution."""

    slug = "foreign-uri"
    title = "The URI is not the institution's"


class CreditsExceedProblem(InvalidProblem):
    """The award states more credits than its achievement has, or lets an award have."""

    slug = "credits-exceed-achievement"
    title = "More credits than the achievement has"


class StackUnmetProblem(ConflictProblem):
    """The parts do not meet the achievement's recipe; the member `unmet` lists every condition."""

    slug = "stack-unmet"
    title = "The parts do not make this stack"
    status = 422


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of an institution carries."""

    log: Origin
    issuer: Did
    at: Moment
    nonce: str

    def fields(self) -> dict[str, Any]:
        """Return the members by name."""
        return {"log": self.log, "issuer": self.issuer, "at": self.at, "nonce": self.nonce}


def is_own_uri(tenant: Tenant, uri: str) -> bool:
    """Tell whether a URI lies under one of the institution's prefixes."""
    return uri.startswith(tenant.uri_prefixes)


def achievement_uri(tenant: Tenant, achievement_id: AchievementId) -> AchievementUri:
    """Return the URI that the gateway gives an achievement, and serves."""
    return AchievementUri(f"{tenant.own_prefix}achievements/{achievement_id}")


def achievement_id_from(uri: str) -> AchievementId:
    """Return a short id for an achievement of that URI: its last segment where that is one, else a hash of it."""
    segment = uri.rstrip("/").rpartition("/")[2].lower()
    if _ACHIEVEMENT_ID.fullmatch(segment):
        return AchievementId(segment)
    return AchievementId("a-" + hashlib.sha256(uri.encode()).hexdigest()[:_HASH_DIGITS])


def achievement_from(
    request: AchievementRequest, tenant: Tenant, *, fresh_id: AchievementId
) -> tuple[AchievementId, Achievement]:
    """Return id and record of an achievement.

    Raises `ForeignUriProblem` for a URI that is not the institution's, and `InvalidProblem` for a text that nobody can
    read.
    """
    if request.uri and not is_own_uri(tenant, request.uri):
        prefixes = ", ".join(tenant.uri_prefixes)
        raise ForeignUriProblem(f"{request.uri} does not begin with {prefixes}", pointer="/uri")
    achievement_id = request.id or (achievement_id_from(request.uri) if request.uri else fresh_id)
    fields = {name: getattr(request, name) for name in Achievement.__struct_fields__}
    fields["uri"] = request.uri or achievement_uri(tenant, achievement_id)
    achievement = Achievement(**fields)
    check_achievement(achievement)
    return achievement_id, achievement


def search_text(achievement: Achievement, tenant: Tenant) -> str:
    """Return the words in which the catalogue searches, each once."""
    texts = [
        tenant.legal_name,
        *achievement.title.values(),
        *achievement.description.values(),
        *achievement.tags,
        *(text for outcome in achievement.learning_outcomes for text in outcome.title.values()),
    ]
    return " ".join(dict.fromkeys(words_of("\n".join(texts))))


def words_of(text: str) -> list[str]:
    """Return the words of a text: runs of letters and digits, without case and accents, the longest ones cut."""
    return [word[:_WORD_CHARACTERS_MAX] for word in _WORD.findall(fold(text))]


def document_of(
    tenant: Tenant,
    achievement: Achievement,
    award: Award,
    *,
    document_id: str,
    credential_status: Mapping[str, Any] | None = None,
    components: Sequence[Component] = (),
    fixed: Fixed | None = None,
    verifier_url: str | None = None,
) -> dict[str, Any]:
    """Return the document without a proof, and without a claims root.

    `fixed` is what it has in common with others, where that was made before; `verifier_url` where it may be checked.
    Raises `CreditsExceedProblem`.
    """
    check_credits(achievement, award)
    _check_period(award, tenant.zone)
    return build_document(
        document_id=document_id,
        issuer=tenant.issuer,
        achievement=achievement,
        award=award,
        components=components,
        credential_status=credential_status,
        fixed=fixed,
        zone=tenant.zone,
        verifier_url=verifier_url,
    )


def check_credits(achievement: Achievement, award: Award) -> None:
    """Raise `CreditsExceedProblem` where the award states more than its achievement: mostly a comma was lost."""
    earned, own = award.earned_hundredths(achievement), achievement.ects_hundredths
    allowed = own if achievement.ects_hundredths_max is None else achievement.ects_hundredths_max
    if earned <= allowed:
        return
    remedy = "If an award of it may state more, say in its description how many at most: ects_hundredths_max"
    if not allowed:
        stated = "the achievement states no credits. Describe it with its own"
    else:
        stated = (
            f"the achievement has {ects_text(own)} and an award of it at most {ects_text(allowed)}. Correct the award"
        )
    raise CreditsExceedProblem(
        f"The award states {ects_text(earned)} ECTS, {stated}. {remedy}", pointer="/ects_hundredths"
    )


def _check_period(award: Award, zone: tzinfo) -> None:
    ends_at = award.ends_in(zone)
    days.on_record(award.begins_in(zone), "/valid_from")
    if ends_at is not None:
        days.on_record(ends_at, "/valid_until")
    try:
        award.check_period(zone)
    except ValueError as error:
        raise InvalidProblem(str(error), pointer="/valid_until") from error


CHANGES: Mapping[str, type[events.CredentialRevoked | events.CredentialSuspended | events.CredentialReinstated]] = {
    "revoke": events.CredentialRevoked,
    "suspend": events.CredentialSuspended,
    "reinstate": events.CredentialReinstated,
}


def change_event(
    common: Common,
    verb: str,
    credential_id: CredentialId,
    request: ChangeRequest,
    *,
    effective_at: Moment,
    zone: tzinfo = UTC,
) -> events.Transition:
    """Return the event that revokes, suspends or reinstates; a day is one in `zone`, `effective_at` where none is said.

    Raises `InvalidProblem` for a time that there is not, and for a needless `replaced_by`.
    """
    fields = common.fields() | {
        "credential_id": credential_id,
        "reason": request.reason,
        "effective_at": effective_since(request.effective_at, zone) if request.effective_at else effective_at,
    }
    if verb == "revoke":
        return events.CredentialRevoked(**fields, replaced_by=request.replaced_by)
    if request.replaced_by:
        raise InvalidProblem("Only a revoked credential is replaced by another", pointer="/replaced_by")
    return CHANGES[verb](**fields)


def changed_event(
    common: Common, said: events.CredentialsRevoked, credential_ids: Sequence[CredentialId]
) -> events.Revocation:
    """Return the event that says of these credentials, sorted, what an event about several says."""
    return revoked_event(common, credential_ids, reason=said.reason, effective_at=said.effective_at)


def revoked_event(
    common: Common, credential_ids: Sequence[CredentialId], *, reason: Reason, effective_at: Moment
) -> events.Revocation:
    """Return the event that revokes one credential, or several of one achievement, which come sorted."""
    if len(credential_ids) > 1:
        return events.CredentialsRevoked(
            **common.fields(), credential_ids=tuple(credential_ids), reason=reason, effective_at=effective_at
        )
    return events.CredentialRevoked(
        **common.fields(), credential_id=credential_ids[0], reason=reason, effective_at=effective_at
    )


def effective_since(written: str, zone: tzinfo) -> Moment:
    """Return the moment that a day, in `zone`, or a time says; raises `InvalidProblem` where there is none such."""
    try:
        return days.on_record(days.begin(written, zone))
    except InvalidProblem as problem:
        raise InvalidProblem(problem.sentence, pointer="/effective_at") from problem


def named_credentials(event: events.Event) -> list[CredentialId]:
    """Return every credential that an event names and that must exist already, sorted."""
    if isinstance(event, events.CredentialStacked | events.CredentialStackedV2):
        return sorted(event.components)
    if isinstance(event, events.CredentialIssued | events.CredentialIssuedV2 | events.CredentialsIssued):
        return []
    return sorted(credential_ids(event))


def parts_of(
    book: Book,
    issuer: Did,
    components: Sequence[CredentialId],
    stacks: Mapping[CredentialId, tuple[CredentialId, ...]],
    now: Moment,
) -> tuple[list[Component], list[StackPart]]:
    """Return the parts of a stack that `issuer` makes as its document names them, and as its recipe judges them.

    `stacks` are the live stacks of the same institution that count a part already. Credentials that the book does not
    know are left out: the rules refuse them by name.
    """
    documented: list[Component] = []
    judged: list[StackPart] = []
    for credential_id in components:
        credential = book.credential(credential_id)
        life = life_of(book, credential) if credential else None
        state = effective(book, credential, at=now) if credential else None
        if life is None or state is None:
            continue
        documented.append(
            Component(
                credential_id=credential_id,
                achievement=life.achievement,
                issuer=life.issuer,
                ects_hundredths=life.ects_hundredths,
            )
        )
        judged.append(
            StackPart(
                credential_id=credential_id,
                achievement=life.achievement,
                issuer=life.issuer,
                ects_hundredths=life.ects_hundredths,
                valid_from=life.valid_from,
                is_active=state.state == "active",
                eqf_level=life.eqf_level,
                other_stacks=stacks.get(credential_id, ()),
                is_outside=life.issuer != issuer,
            )
        )
    return documented, judged


def check_recipe(
    achievement: Achievement, parts: Sequence[StackPart], *, declared_hundredths: int, now: Moment
) -> None:
    """Raise `StackUnmetProblem` with every condition that the parts leave unmet.

    Those of the achievement's recipe, and that the credits that are declared are those of different achievements.
    """
    recipe = achievement.recipe
    unmet = (
        [item for item in unmet_conditions(recipe, parts, now=now) if item.code != "part-not-active"] if recipe else []
    )
    unmet += unmet_by_declared(recipe, parts, declared_hundredths)
    if unmet:
        raise StackUnmetProblem(
            "; ".join(item.detail for item in unmet)[:1000],
            pointer="/components",
            members={"unmet": [_unmet(item) for item in unmet]},
        )


def _unmet(item: Unmet) -> dict[str, Any]:
    said = {"code": item.code, "detail": item.detail, "credentials": list(item.credentials)}
    return said | ({"achievements": list(item.achievements)} if item.achievements else {})
