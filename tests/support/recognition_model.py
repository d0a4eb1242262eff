"""Who recognised what, computed a second time from the bare history, word by word from DESIGN 7 and 9.

Shares no code with `proto.lifecycle`. Knows no keys: nobody's are stolen here (`lifecycle_model` is about those).
"""

from datetime import datetime
from typing import Any, NamedTuple

from proto import events
from proto.ids import CredentialId, Did, EventId
from proto.moment import Moment

DECISIONS_OF_A_KIND_MAX = 16
YEARS_MAX = 5


class Held(NamedTuple):
    """A credential as it was issued; `components` where it is a stack."""

    issuer: Did
    achievement: str
    ects_hundredths: int
    eqf_level: int | None
    valid_from: Moment
    components: tuple[CredentialId, ...] = ()


class RecognitionModel:
    """All that was admitted, and whether something more would be."""

    def __init__(self) -> None:
        self.held: dict[CredentialId, Held] = {}
        self.revoked: set[CredentialId] = set()
        self.suspended: set[CredentialId] = set()
        self.recognitions: dict[EventId, events.CredentialRecognisedV2] = {}
        self.decisions: dict[EventId, events.AchievementRecognised] = {}
        self.withdrawn: set[EventId] = set()

    # Stacks.

    def is_active(self, name: CredentialId, now: Moment) -> bool:
        """Tell whether a credential holds: it, and every part of it at any depth."""
        held = self.held.get(name)
        is_gone = held is None or name in self.revoked or name in self.suspended or now < held.valid_from
        return not is_gone and held is not None and all(self.is_active(each, now) for each in held.components)

    def remaining(self, name: CredentialId, now: Moment) -> int:
        """Return the credits that still hold: of a stack the lesser of what it declares and what its parts keep."""
        held = self.held[name]
        if name in self.revoked or name in self.suspended or now < held.valid_from:
            return 0
        if not held.components:
            return held.ects_hundredths
        return min(held.ects_hundredths, sum(self.remaining(each, now) for each in held.components))

    def inside(self, name: CredentialId) -> list[CredentialId]:
        """Return what a credential counts, at any depth, itself first."""
        return [name, *(each for part in self.held[name].components for each in self.inside(part))]

    def depth(self, name: CredentialId) -> int:
        """Return how many levels of stacks a credential has."""
        parts = self.held[name].components
        return 1 + max(self.depth(each) for each in parts) if parts else 0

    def may_stack(self, event: events.CredentialStackedV2, now: Moment, *, levels_max: int) -> bool:
        """Tell whether a stack is admitted: of active parts that carry what it declares, each once."""
        parts = event.components
        if not all(self.is_active(each, now) for each in parts):
            return False
        counted = [each for part in parts for each in self.inside(part)]
        return (
            len(set(counted)) == len(counted)
            and 1 + max(self.depth(each) for each in parts) <= levels_max
            and event.ects_hundredths <= sum(self.held[each].ects_hundredths for each in parts)
        )

    # Recognitions.

    def stands(self, name: EventId) -> bool:
        """Tell whether a recognition or a decision was made and neither withdrawn nor replaced."""
        is_replaced = any(getattr(each, "replaces", None) == name for each in self.recognitions.values())
        return (name in self.recognitions or name in self.decisions) and name not in self.withdrawn and not is_replaced

    def in_force(self, name: EventId, now: Moment) -> bool:
        """Tell whether a standing decision decides now."""
        decision = self.decisions.get(name)
        return decision is not None and self.stands(name) and decision.valid_from <= now < decision.valid_until

    def may_recognise(self, event: events.CredentialRecognisedV2, now: Moment, *, times_max: int) -> bool:
        """Tell whether a recognition is admitted: of another's active credential, once for a programme."""
        held = self.held[event.credential_id]
        if held.issuer == event.issuer or not self.is_active(event.credential_id, now):
            return False
        if event.decision == "full" and event.ects_hundredths != held.ects_hundredths:
            return False
        if event.under and not self._follows(event, event.under, held, now):
            return False
        replaced = event.replaces or None
        if replaced and not (self.stands(replaced) and _same(self.recognitions.get(replaced), event)):
            return False
        own = {name: each for name, each in self.recognitions.items() if _same(each, event)}
        others = [each for name, each in own.items() if name != replaced and self.stands(name)]
        return all(each.programme != event.programme for each in others) and len(own) < times_max

    def _follows(self, event: events.CredentialRecognisedV2, under: EventId, held: Held, now: Moment) -> bool:
        decision = self.decisions.get(under)
        if decision is None or not self.in_force(under, now) or decision.issuer != event.issuer:
            return False
        return (
            (decision.achievement_issuer, decision.achievement) == (held.issuer, held.achievement)
            and (decision.programme, decision.decision) == (event.programme, event.decision)
            and (decision.eqf_level or None) == (event.eqf_level or None)
            and (event.decision == "full" or event.ects_hundredths == decision.ects_hundredths)
            and held.ects_hundredths >= (decision.ects_hundredths_min or 0)
            and (held.eqf_level or 0) >= (decision.eqf_level_min or 0)
        )

    def may_decide(self, event: events.AchievementRecognised) -> bool:
        """Tell whether a standing decision is admitted: on another's, for five years at most, one at a time."""
        if event.achievement_issuer == event.issuer or event.valid_until <= event.valid_from:
            return False
        begin, end = (datetime.fromisoformat(each) for each in (event.valid_from, event.valid_until))
        if end > begin.replace(year=begin.year + YEARS_MAX):
            return False
        like = {name: each for name, each in self.decisions.items() if _kind(each) == _kind(event)}
        beside = [each for name, each in like.items() if self.stands(name)]
        is_apart = all(event.valid_until <= each.valid_from or each.valid_until <= event.valid_from for each in beside)
        return is_apart and len(like) < DECISIONS_OF_A_KIND_MAX

    def may_withdraw(self, name: EventId, speaker: Did, made: Any) -> bool:
        """Tell whether somebody may take back one of `made`: what is its own, and stands."""
        return name in made and made[name].issuer == speaker and self.stands(name)


def _same(made: events.CredentialRecognisedV2 | None, event: events.CredentialRecognisedV2) -> bool:
    return made is not None and (made.issuer, made.credential_id) == (event.issuer, event.credential_id)


def _kind(event: events.AchievementRecognised) -> tuple[str, ...]:
    return event.issuer, event.achievement_issuer, event.achievement, event.programme
