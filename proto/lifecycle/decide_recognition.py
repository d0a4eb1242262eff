"""Rules for recognising: credentials one by one, achievements by a standing decision (DESIGN 3.6, 9). Pure."""

from proto import events
from proto.ids import Did, EventId
from proto.lifecycle.book import Book
from proto.lifecycle.decide_credential import active_life
from proto.lifecycle.decide_issuer import admitted, is_of_one_line, not_closed
from proto.lifecycle.decide_withdrawal import check_room, known_recognition
from proto.lifecycle.liveness import is_in_force, is_live, is_live_recognition
from proto.lifecycle.refusals import (
    AlreadyExistsRefusal,
    CredentialStateRefusal,
    EffectiveTimeRefusal,
    FieldRefusal,
    LimitRefusal,
    NotAllowedRefusal,
    OutOfScopeRefusal,
    StatementStateRefusal,
    UnknownStatementRefusal,
)
from proto.lifecycle.scope import check_prefix, check_scope, ects_number, institution
from proto.lifecycle.statements import (
    DECISION_YEARS_MAX,
    DECISIONS_EVER_MAX,
    DECISIONS_LIVE_MAX,
    STATEMENTS_EVER_MAX,
    StandingDecision,
    decisions_by,
    decisions_like,
)
from proto.lifecycle.states import Life, Profile
from proto.lifecycle.voidness import counts
from proto.moment import Moment
from proto.sentence import sentence

YEAR_MAX = 9999


def recognise(book: Book, event: events.CredentialRecognised, received_at: Moment) -> None:
    """An institution that may recognise counts an active credential, once (rules version 1)."""
    _check_may_recognise(book, event)
    active_life(book, event.credential_id, received_at, pointer="/credential_id")
    for event_id in book.recognitions_by((event.credential_id, event.issuer)):
        if is_live_recognition(book, event_id):
            raise AlreadyExistsRefusal(
                sentence(
                    "{institution} recognised it already: {recognition}", institution=event.issuer, recognition=event_id
                ),
                pointer="/credential_id",
            )
    _check_recognised_seldom(book, event)


def recognise_for_programme(book: Book, event: events.CredentialRecognisedV2, received_at: Moment) -> None:
    """An institution outside the issuer's line counts an active credential, once for each programme (version 2)."""
    _check_may_recognise(book, event)
    life = active_life(book, event.credential_id, received_at, pointer="/credential_id")
    _check_outside_the_line(book, event.issuer, life.issuer)
    if event.decision == "full" and event.ects_hundredths != life.ects_hundredths:
        raise FieldRefusal(
            sentence(
                "Recognised in full counts the credential's {ects} ECTS, not {stated}; with other credits "
                "the decision is partial",
                ects=ects_number(life.ects_hundredths),
                stated=ects_number(event.ects_hundredths),
            ),
            pointer="/ects_hundredths",
        )
    if event.under:
        _check_under(book, event, event.under, life, received_at)
    if event.replaces:
        _check_replaces(book, event, event.replaces)
    for event_id in book.recognitions_by((event.credential_id, event.issuer)):
        made = book.recognition(event_id)
        if made is None or event_id == event.replaces or made.programme != event.programme:
            continue
        if is_live(book, made):
            raise AlreadyExistsRefusal(
                sentence(
                    "{institution} recognised it for this programme already: {recognition}. Withdraw that, or "
                    "name it in `replaces`",
                    institution=event.issuer,
                    recognition=event_id,
                ),
                pointer="/credential_id",
            )
    _check_recognised_seldom(book, event)


def _check_may_recognise(book: Book, event: events.AnyRecognition | events.AchievementRecognised) -> Profile:
    known = institution(book, event.issuer)
    if not known.scope.may_recognise:
        raise OutOfScopeRefusal(
            sentence("{institution} may not recognise on this log", institution=event.issuer), pointer="/issuer"
        )
    check_prefix(known, event.issuer, event.programme, pointer="/programme")
    return known


def _check_recognised_seldom(book: Book, event: events.AnyRecognition) -> None:
    made = book.recognitions_by((event.credential_id, event.issuer))
    counting = [each for event_id in made if (each := book.recognition(event_id)) and counts(book, each.stamp)]
    if len(counting) >= book.opened_log().parameters.transitions_per_credential_max:
        raise LimitRefusal(
            sentence("{institution} has recognised and withdrawn it as often as is kept", institution=event.issuer)
        )


def _check_outside_the_line(book: Book, speaker: Did, issuer: Did) -> None:
    if is_of_one_line(book, speaker, issuer):
        raise NotAllowedRefusal(
            sentence(
                "{institution} does not recognise what it, or an institution whose line it is in, awarded: {issuer}",
                institution=speaker,
                issuer=issuer,
            ),
            pointer="/issuer",
        )


def _check_replaces(book: Book, event: events.CredentialRecognisedV2, replaced: EventId) -> None:
    """What is replaced is the speaker's own live recognition of this credential, and may be withdrawn once more."""
    made = known_recognition(book, replaced, pointer="/replaces")
    if made.recogniser != event.issuer:
        raise NotAllowedRefusal(
            sentence(
                "{recognition} is a recognition of {institution}", recognition=replaced, institution=made.recogniser
            ),
            pointer="/replaces",
        )
    if made.credential_id != event.credential_id:
        raise FieldRefusal(
            sentence(
                "{recognition} recognises the credential {credential}",
                recognition=replaced,
                credential=made.credential_id,
            ),
            pointer="/replaces",
        )
    if not is_live(book, made):
        raise CredentialStateRefusal(
            sentence("The recognition {recognition} was withdrawn already: leave out `replaces`", recognition=replaced),
            pointer="/replaces",
        )
    check_room(made, pointer="/replaces")


def _check_under(
    book: Book, event: events.CredentialRecognisedV2, under: EventId, life: Life, received_at: Moment
) -> None:
    """What is said to follow a standing decision does follow one of the speaker's own, that is in force now."""
    decision = book.statement(under)
    if not isinstance(decision, StandingDecision):
        raise UnknownStatementRefusal(
            sentence("No standing decision {decision} is on this log", decision=under), pointer="/under"
        )
    if decision.recogniser != event.issuer:
        raise NotAllowedRefusal(
            sentence("{decision} is a decision of {institution}", decision=under, institution=decision.recogniser),
            pointer="/under",
        )
    if not is_live(book, decision):
        raise StatementStateRefusal(
            sentence("The standing decision {decision} was withdrawn, or is void", decision=under), pointer="/under"
        )
    if not is_in_force(book, decision, received_at):
        raise EffectiveTimeRefusal(
            sentence(
                "The standing decision {decision} holds from {begin} to {end}",
                decision=under,
                begin=decision.valid_from,
                end=decision.valid_until,
            ),
            pointer="/under",
        )
    if fields := _apart(event, decision, life):
        raise FieldRefusal(
            sentence(
                "The recognition does not follow the standing decision {decision}: it differs in {fields}",
                decision=under,
                fields=", ".join(fields),
            ),
            pointer="/under",
        )


def _apart(event: events.CredentialRecognisedV2, decision: StandingDecision, life: Life) -> list[str]:
    """Return in what a recognition, or the credential, is not what the standing decision is about."""
    is_same = {
        "the achievement's issuer": life.issuer == decision.achievement_issuer,
        "the achievement": life.achievement == decision.achievement,
        "programme": event.programme == decision.programme,
        "decision": event.decision == decision.decision,
        "eqf_level": (event.eqf_level or None) == decision.eqf_level,
        "ects_hundredths": event.decision == "full" or event.ects_hundredths == decision.ects_hundredths,
        "ects_hundredths_min": life.ects_hundredths >= (decision.ects_hundredths_min or 0),
        "eqf_level_min": (life.eqf_level or 0) >= (decision.eqf_level_min or 0),
    }
    return [name for name, holds in is_same.items() if not holds]


def decide_standing(book: Book, event: events.AchievementRecognised, received_at: Moment) -> None:
    """An institution that may recognise counts what another awards for an achievement, for at most five years."""
    known = _check_may_recognise(book, event)
    check_scope(event, known.scope)
    issuer = admitted(book, event.achievement_issuer, pointer="/achievement_issuer")
    _check_outside_the_line(book, event.issuer, event.achievement_issuer)
    not_closed(book, issuer, event.achievement_issuer, pointer="/achievement_issuer")
    awarding = institution(book, event.achievement_issuer)
    check_prefix(awarding, event.achievement_issuer, event.achievement, pointer="/achievement")
    _check_period(event)
    _check_apart_from_others(book, event)
    _check_few(book, event, received_at)


def _check_period(event: events.AchievementRecognised) -> None:
    if event.valid_until <= event.valid_from:
        raise EffectiveTimeRefusal("valid_until lies after valid_from", pointer="/valid_until")
    year = min(int(event.valid_from[:4]) + DECISION_YEARS_MAX, YEAR_MAX)
    latest = f"{year:04}{event.valid_from[4:]}"
    if event.valid_until > latest:
        raise EffectiveTimeRefusal(
            sentence(
                "A standing decision holds for at most {years} years, here until {end}",
                years=DECISION_YEARS_MAX,
                end=latest,
            ),
            pointer="/valid_until",
        )


def _check_apart_from_others(book: Book, event: events.AchievementRecognised) -> None:
    """Of those on one achievement for one programme no two hold at once, and there are so many at most, ever."""
    like = decisions_like(event.issuer, event.achievement_issuer, event.achievement, event.programme)
    made = [each for name in book.statements_in(like) if isinstance(each := book.statement(name), StandingDecision)]
    for each in made:
        is_apart = each.valid_until <= event.valid_from or event.valid_until <= each.valid_from
        if not is_apart and is_live(book, each):
            raise AlreadyExistsRefusal(
                sentence(
                    "The decision {decision} on this achievement, for this programme, holds from {begin} to "
                    "{end}: withdraw it, or name another period",
                    decision=each.stamp.event_id,
                    begin=each.valid_from,
                    end=each.valid_until,
                ),
                pointer="/valid_from",
            )
    if sum(counts(book, each.stamp) for each in made) >= DECISIONS_EVER_MAX:
        raise LimitRefusal(
            sentence(
                "{institution} has decided on this achievement, for this programme, as often as is kept",
                institution=event.issuer,
            )
        )


def _check_few(book: Book, event: events.AchievementRecognised, received_at: Moment) -> None:
    names = book.statements_in(decisions_by(event.issuer))
    if len(names) < DECISIONS_LIVE_MAX:
        return
    made = [each for name in names if isinstance(each := book.statement(name), StandingDecision)]
    live = sum(each.valid_until > received_at and is_live(book, each) for each in made)
    if live >= DECISIONS_LIVE_MAX:
        raise LimitRefusal(
            sentence(
                "{institution} has {count} standing decisions: withdraw some of them",
                institution=event.issuer,
                count=live,
            )
        )
    if sum(counts(book, each.stamp) for each in made) >= STATEMENTS_EVER_MAX:
        raise LimitRefusal(
            sentence("{institution} has made as many standing decisions as are kept", institution=event.issuer)
        )
