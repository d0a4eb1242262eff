"""Rules for what is said of credentials: the second half of the table of DESIGN 3.6, and 9. Pure; writes nothing."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from proto import events
from proto.ids import CredentialId, Did
from proto.lifecycle.book import Book
from proto.lifecycle.decide_issuer import living_end
from proto.lifecycle.effective import Effective, changes_that_count, effective, life_of
from proto.lifecycle.refusals import (
    AlreadyExistsRefusal,
    CredentialsRefusal,
    CredentialStateRefusal,
    EffectiveTimeRefusal,
    FieldRefusal,
    LimitRefusal,
    NotAllowedRefusal,
    OutOfScopeRefusal,
    Refusal,
    StackRefusal,
    SuspendedSpeakerRefusal,
    UnknownCredentialRefusal,
)
from proto.lifecycle.scope import check_prefix, check_scope, ects_number, institution
from proto.lifecycle.states import Credential, Life, Profile
from proto.lifecycle.voidness import is_void, standing
from proto.moment import Moment
from proto.sentence import sentence

AloneIssue = events.CredentialIssued | events.CredentialIssuedV2 | events.Stack


def issue(book: Book, event: AloneIssue, credential_id: CredentialId, received_at: Moment) -> None:
    """Issue or stack: within scope, id new (or its issue void), and for a stack the parts make it."""
    _check_may_issue(book, event)
    _check_id_is_free(book, event, credential_id)
    if isinstance(event, events.CredentialStacked | events.CredentialStackedV2):
        _check_components(book, event, credential_id, received_at)


def issue_many(book: Book, event: events.CredentialsIssued, ids: Sequence[CredentialId]) -> None:
    """Issue credentials of one achievement together: as one alone, for every one of `ids`."""
    _check_may_issue(book, event)
    _check_sorted(event.commitments, pointer="/commitments")
    known = [name for name in ids if book.credential(name) is not None]
    _judge_each(known, lambda name: _check_id_is_free(book, event, name), pointer="/commitments")


def _check_sorted(names: Sequence[str], *, pointer: str) -> None:
    if any(earlier >= later for earlier, later in pairwise(names)):
        raise FieldRefusal(sentence("What {field} names is sorted and distinct", field=pointer[1:]), pointer=pointer)


def _judge_each(ids: Sequence[CredentialId], judge: Callable[[CredentialId], None], *, pointer: str) -> None:
    """Refuse the event as a whole, naming every id that `judge` refuses."""
    refused: list[tuple[CredentialId, Refusal]] = []
    for credential_id in ids:
        try:
            judge(credential_id)
        except Refusal as refusal:
            refused.append((credential_id, refusal))
    if refused:
        raise CredentialsRefusal.of(refused, pointer=pointer)


def _check_may_issue(book: Book, event: events.Issue) -> None:
    known = institution(book, event.issuer)
    scope = known.scope
    is_stack = isinstance(event, events.CredentialStacked | events.CredentialStackedV2)
    if not (scope.may_stack if is_stack else scope.may_issue):
        raise OutOfScopeRefusal(
            sentence(
                "{institution} may not stack on this log" if is_stack else "{institution} may not issue on this log",
                institution=event.issuer,
            ),
            pointer="/issuer",
        )
    _check_award(event, known)
    if event.valid_until and event.valid_until <= event.valid_from:
        raise EffectiveTimeRefusal("valid_until lies after valid_from", pointer="/valid_until")


def _check_award(event: events.Issue, known: Profile) -> None:
    check_scope(event, known.scope)
    check_prefix(known, event.issuer, event.achievement, pointer="/achievement")


def _pointer(event: events.Issue) -> str:
    """Where an issue names the credential."""
    if isinstance(event, events.CredentialsIssued):
        return "/commitments"
    is_named = isinstance(event, events.CredentialIssued | events.CredentialStacked)
    return "/credential_id" if is_named else "/commitment"


def _check_id_is_free(book: Book, event: events.Issue, credential_id: CredentialId) -> None:
    known = book.credential(credential_id)
    if known is None:
        return
    if known.issuer != event.issuer:
        raise AlreadyExistsRefusal(
            sentence(
                "{issuer} has put the credential {credential} on the log before. Whoever sees an id first can take it "
                "under rules version 1; issue it anew, under a new id",
                issuer=known.issuer,
                credential=credential_id,
            ),
            pointer=_pointer(event),
            members={"held_by": known.issuer},
        )
    if any(not is_void(book, life.stamp) for life in known.lives):
        raise AlreadyExistsRefusal(
            sentence("The credential {credential} is on the log", credential=credential_id), pointer=_pointer(event)
        )
    components = event.components if isinstance(event, events.CredentialStacked | events.CredentialStackedV2) else ()
    if components != known.lives[0].components:
        raise StackRefusal("A credential that is issued again has the components that it had", pointer=_pointer(event))
    if any(change.kind == "revoked" for change in changes_that_count(book, known.lives[-1])):
        raise CredentialStateRefusal(
            sentence(
                "The credential {credential} was revoked, which is final, though its issue is void",
                credential=credential_id,
            ),
            pointer=_pointer(event),
            members={"state": "revoked"},
        )


def _check_components(book: Book, event: events.Stack, credential_id: CredentialId, received_at: Moment) -> None:
    components = event.components
    if list(components) != sorted(set(components)):
        raise StackRefusal("Components are sorted and distinct", pointer="/components")
    if credential_id in components:
        raise StackRefusal("A stack is not a part of itself", pointer="/components")
    lives = [active_life(book, part, received_at, pointer="/components") for part in components]
    parameters = book.opened_log().parameters
    if level_of(lives) > parameters.stack_levels_max:
        raise StackRefusal(
            sentence("A stack has at most {count} levels", count=parameters.stack_levels_max), pointer="/components"
        )
    parts = flatten(components, lives)
    if len(parts) > parameters.parts_per_stack_max:
        raise StackRefusal(
            sentence("A stack has at most {count} parts in all", count=parameters.parts_per_stack_max),
            pointer="/components",
        )
    if len(set(parts)) != len(parts) or credential_id in parts:
        twice = next((part for part in parts if parts.count(part) > 1), credential_id)
        raise StackRefusal(
            sentence("The credential {credential} would count twice inside the stack", credential=twice),
            pointer="/components",
        )
    total = sum(life.ects_hundredths for life in lives)
    if event.ects_hundredths > total:
        raise StackRefusal(
            sentence(
                "The stack declares {ects} ECTS; its components sum to {total}",
                ects=ects_number(event.ects_hundredths),
                total=ects_number(total),
            ),
            pointer="/ects_hundredths",
        )


def level_of(component_lives: list[Life]) -> int:
    """Return the level of a stack of these components; a plain credential is level 0 (DESIGN 7)."""
    return 1 + max(life.level for life in component_lives)


def flatten(components: tuple[CredentialId, ...], lives: list[Life]) -> tuple[CredentialId, ...]:
    """Return all parts at all levels, components first; a part that would count twice stands twice."""
    return components + tuple(part for life in lives for part in life.parts)


def active_life(book: Book, credential_id: CredentialId, received_at: Moment, *, pointer: str) -> Life:
    """Return the life that counts of an active credential; refuses one that is not on the log, or not active."""
    credential = _known(book, credential_id, pointer=pointer)
    now = _effective_now(book, credential, received_at)
    if now.state != "active":
        raise CredentialStateRefusal(
            sentence(
                "The credential {credential} is {state} since {since}, not active",
                credential=credential_id,
                state=now.state,
                since=now.since,
            ),
            pointer=pointer,
            members={"state": now.state, "credential_id": credential_id},
        )
    return _life(book, credential)


def _known(book: Book, credential_id: CredentialId, *, pointer: str = "/credential_id") -> Credential:
    credential = book.credential(credential_id)
    if credential is None:
        raise UnknownCredentialRefusal(
            sentence("The credential {credential} is not on this log", credential=credential_id),
            pointer=pointer,
            members={"credential_id": credential_id},
        )
    return credential


def _life(book: Book, credential: Credential) -> Life:
    return life_of(book, credential) or credential.lives[-1]


def _effective_now(book: Book, credential: Credential, received_at: Moment) -> Effective:
    now = effective(book, credential, at=received_at)
    assert now is not None, "everything is known when nothing is left out"
    return now


AloneTransition = events.CredentialRevoked | events.CredentialSuspended | events.CredentialReinstated


def change(book: Book, event: AloneTransition, received_at: Moment) -> None:
    """Revoke, suspend or reinstate."""
    credential = _known(book, event.credential_id)
    _check_change(book, event, credential, received_at)
    if isinstance(event, events.CredentialRevoked) and event.replaced_by == event.credential_id:
        raise FieldRefusal("A credential does not replace itself", pointer="/replaced_by")


def revoke_many(book: Book, event: events.CredentialsRevoked, ids: Sequence[CredentialId], received_at: Moment) -> None:
    """Revoke credentials of one achievement together: as one alone, for every one of `ids`."""
    _check_sorted(event.credential_ids, pointer="/credential_ids")
    known = [credential for name in ids if (credential := book.credential(name)) is not None]
    achievement = _life(book, known[0]).achievement if known else None
    judged: dict[int, Refusal | None] = {}  # by the lives, which those share that came together

    def judge(credential_id: CredentialId) -> None:
        credential = _known(book, credential_id, pointer="/credential_ids")
        place = id(credential.lives)
        if place not in judged:
            judged[place] = _refusal_of_revoking(book, event, credential, achievement, received_at)
        if (refusal := judged[place]) is not None:
            raise refusal

    _judge_each(ids, judge, pointer="/credential_ids")


def _refusal_of_revoking(
    book: Book, event: events.CredentialsRevoked, credential: Credential, achievement: str | None, received_at: Moment
) -> Refusal | None:
    """Return why one of many may not be revoked by this event, or None."""
    try:
        _check_not_suspended(book, event, credential)
        _check_change(book, event, credential, received_at)
        if _life(book, credential).achievement != achievement:
            raise FieldRefusal(
                sentence("The credential is not of the achievement {achievement}", achievement=achievement),
                pointer="/credential_ids",
            )
    except Refusal as refusal:
        return refusal
    return None


def _check_not_suspended(book: Book, event: events.CredentialsRevoked, credential: Credential) -> None:
    """A suspended institution revokes only what it issued itself (DESIGN 3.6)."""
    speaker = book.issuer(event.issuer)
    if speaker is None or event.issuer in {book.opened_log().registrar, credential.issuer}:
        return
    last = standing(book, speaker)
    if last is not None and last.kind == "suspended":
        raise SuspendedSpeakerRefusal(
            sentence(
                "{institution} is suspended since {at}; ask the registrar",
                institution=event.issuer,
                at=last.stamp.received_at,
            )
        )


def _check_change(book: Book, event: events.Transition, credential: Credential, received_at: Moment) -> None:
    life = _life(book, credential)
    _check_may_change(book, event, credential)
    _check_state(book, event, credential, life, received_at)
    _check_effective_at(book, event, life, received_at)
    room = book.opened_log().parameters.transitions_per_credential_max - len(changes_that_count(book, life))
    if room < (1 if isinstance(event, events.CredentialRevoked | events.CredentialsRevoked) else 2):
        raise LimitRefusal("This credential has had as many transitions as are kept; only revoking is left")


def _check_may_change(book: Book, event: events.Transition, credential: Credential) -> None:
    registrar = book.opened_log().registrar
    if event.issuer not in {credential.issuer, registrar, living_end(book, credential.issuer)}:
        raise NotAllowedRefusal(
            sentence(
                "Only {issuer}, its successor or the registrar may do this, not {institution}",
                issuer=credential.issuer,
                institution=event.issuer,
            ),
            pointer="/issuer",
        )
    if isinstance(event, events.CredentialReinstated) and event.issuer != registrar:
        suspended = [c for c in changes_that_count(book, _life(book, credential)) if c.kind == "suspended"]
        if suspended and not _is_same_or_successor(book, suspended[-1].stamp.speaker, event.issuer):
            raise NotAllowedRefusal(
                sentence(
                    "{institution} suspended it; only they or the registrar may reinstate",
                    institution=suspended[-1].stamp.speaker,
                ),
                pointer="/issuer",
            )


def _is_same_or_successor(book: Book, earlier: Did, speaker: Did) -> bool:
    return speaker in {earlier, living_end(book, earlier)}


def _check_state(book: Book, event: events.Transition, credential: Credential, life: Life, received_at: Moment) -> None:
    now = _standing_state(book, life) if not isinstance(event, events.CredentialSuspended) else None
    state = now or _effective_now(book, credential, received_at).state
    allowed = {
        events.CredentialRevoked: state not in {"revoked", "void"},
        events.CredentialsRevoked: state not in {"revoked", "void"},
        events.CredentialSuspended: state == "active",
        events.CredentialReinstated: state == "suspended",
    }[type(event)]
    if not allowed:
        raise CredentialStateRefusal(
            sentence(
                "The credential is {state}: {event} needs another state", state=state, event=event.__struct_config__.tag
            ),
            pointer="/credential_id",
            members={"state": state},
        )


def _standing_state(book: Book, life: Life) -> str:
    """What was done to the credential so far, whatever its period and parts say."""
    if is_void(book, life.stamp):
        return "void"
    done = changes_that_count(book, life)
    if any(change.kind == "revoked" for change in done):
        return "revoked"
    return "suspended" if done and done[-1].kind == "suspended" else "active"


def _check_effective_at(book: Book, event: events.Transition, life: Life, received_at: Moment) -> None:
    done = changes_that_count(book, life)
    earliest = max([min(life.valid_from, life.stamp.received_at), *(change.effective_at for change in done)])
    if not earliest <= event.effective_at <= received_at:
        raise EffectiveTimeRefusal(
            sentence(
                "effective_at lies between {earliest} and {latest}; {stated} does not",
                earliest=earliest,
                latest=received_at,
                stated=event.effective_at,
            ),
            pointer="/effective_at",
        )
