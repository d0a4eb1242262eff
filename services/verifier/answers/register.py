"""What the register and the counts say of institutions and their achievements, over one read transaction. Pure.

All of it is what is on record now; how a single credential stands is for `evaluator` to say.
"""

from collections.abc import Sequence
from typing import Literal

from proto.ids import Did
from proto.lifecycle import Book, Issuer, StandingDecision, is_in_force, profile
from proto.lifecycle.statements import StatementGroup, decisions_by
from proto.moment import Moment
from proto.wire.content import Texts
from proto.wire.register import (
    ActCounts,
    AwardedAchievement,
    DecisionFacts,
    IssuerAnswer,
    IssuerSummary,
    LookAlike,
    RecognisedAchievement,
)
from proto.wire.verifier import AsOf, Check
from services.verifier.answers.questions import TimedQuestion, UnknownIssuerProblem
from services.verifier.projection.listed import AwardKey, AwardSum, RecognisedKey, RecognisedSum
from services.verifier.projection.reader import ReadTransaction
from services.verifier.verdict import facts
from services.verifier.verdict.quality import day_of
from services.verifier.verdict.staleness import live_state

SHOWN_MAX = 20
"""So many rows of each list stand at an institution; the lists themselves have all."""
LOOK_ALIKES_MAX = 5
_EQF_LEVELS = range(1, 9)
_Shown = Literal["achievements", "recognises", "recognised_by", "decisions"]


class Register:
    """The register as of one read transaction; institutions are read once.

    `is_certain` tells whether the records lack nothing that was said; where they may, nothing is said to hold now.
    """

    def __init__(self, transaction: ReadTransaction, *, is_certain: bool) -> None:
        self._transaction = transaction
        self._is_certain = is_certain
        self._lists = transaction.lists
        self._book = Book()

    def name_of(self, did: Did) -> str:
        """Return an institution's legal name, or its DID where the register does not tell."""
        self._transaction.issuer(self._book, did)
        return facts.name_of(self._book, did)

    def summary(self, did: Did) -> IssuerSummary:
        """Return an institution as it stands in the list."""
        self._transaction.issuer(self._book, did)
        found = facts.issuer_facts(self._book, did, is_certain=self._is_certain)
        acts = self._lists.acts_of(did)
        assert found.state != "not_admitted", "the list holds those that were admitted"
        return IssuerSummary(
            did=did,
            legal_name=found.legal_name,
            country=found.country,
            state=found.state,
            admitted_at=found.admitted_at,
            accreditation=found.accreditation,
            answers_now=found.answers_now,
            credential_count=acts.get("credential", (0, 0))[0],
            ects_hundredths=acts.get("credential", (0, 0))[1],
            stack_count=acts.get("stack", (0, 0))[0],
            recognition_count=acts.get("recognition", (0, 0))[0],
        )

    def issuer(self, dids: Sequence[Did], question: TimedQuestion, as_of: AsOf, freshness: Check) -> IssuerAnswer:
        """Return what the register says of the first of these DIDs that it knows; raises `UnknownIssuerProblem`."""
        for did in dids:
            issuer = self._transaction.issuer(self._book, did)
            if issuer is not None and facts.issuer_facts(self._book, did).state != "not_admitted":
                return self._answer(issuer, question, as_of, freshness)
        raise UnknownIssuerProblem("No institution of this DID is on record; the registrar admits institutions")

    def _answer(self, issuer: Issuer, question: TimedQuestion, as_of: AsOf, freshness: Check) -> IssuerAnswer:
        did = issuer.did
        known = facts.issuer_facts(self._book, did, is_certain=self._is_certain)
        found = self._transaction.quality.issuer(known, today=day_of(question.now))
        acts = self._lists.acts_of(did)
        limit = SHOWN_MAX + 1
        achievements = [self.awarded(*each) for each in self._lists.awards(issuer=did, limit=limit)]
        recognises = [self.recognised(*each) for each in self._lists.recognised(recogniser=did, limit=limit)]
        recognised_by = [self.recognised(*each) for each in self._lists.recognised(issuer=did, limit=limit)]
        decisions = self.decisions(decisions_by(did), question.now)
        lists: dict[_Shown, Sequence[object]] = {
            "achievements": achievements,
            "recognises": recognises,
            "recognised_by": recognised_by,
            "decisions": decisions,
        }
        successor = found.answers_now if found.answers_now != did else None
        return IssuerAnswer(
            issuer=found,
            keys=facts.key_facts(self._book, issuer, now=question.now, is_certain=self._is_certain),
            as_of=as_of,
            freshness=freshness,
            successor_name=self.name_of(successor) if successor else None,
            look_alikes=self._look_alikes(known.legal_name, did, besides=successor),
            uri_prefixes=self.prefixes(did),
            profiles=facts.profile_facts(self._book, issuer),
            counts=ActCounts(**{f"{kind}_count": count for kind, (count, _) in acts.items()}),
            ects_hundredths=acts.get("credential", (0, 0))[1],
            achievements=tuple(achievements[:SHOWN_MAX]),
            recognises=tuple(recognises[:SHOWN_MAX]),
            recognised_by=tuple(recognised_by[:SHOWN_MAX]),
            decisions=tuple(decisions[:SHOWN_MAX]),
            has_more=tuple(name for name, rows in lists.items() if len(rows) > SHOWN_MAX),
        )

    def _look_alikes(self, name: str, did: Did, *, besides: Did | None) -> tuple[LookAlike, ...]:
        found = self._lists.looking_like(name, but=did, limit=LOOK_ALIKES_MAX)
        return tuple(LookAlike(did=each, legal_name=self.name_of(each)) for each in found if each != besides)

    def prefixes(self, did: Did) -> tuple[str, ...]:
        """Return the beginnings of addresses that the register gives to an institution now."""
        issuer = self._transaction.issuer(self._book, did)
        known = profile(self._book, issuer) if issuer else None
        return known.uri_prefixes if known else ()

    def awarded(self, key: AwardKey, found: AwardSum) -> AwardedAchievement:
        """Return an achievement with what was done with its credentials."""
        return AwardedAchievement(
            achievement=key.achievement,
            issuer=key.issuer,
            issuer_name=self.name_of(key.issuer),
            counts=ActCounts(
                credential_count=found.credentials,
                stack_count=found.stacks,
                revocation_count=found.revocations,
                suspension_count=found.suspensions,
                reinstatement_count=found.reinstatements,
                recognition_count=found.recognitions,
                withdrawal_count=found.withdrawals,
            ),
            ects_hundredths_min=found.ects_min,
            ects_hundredths_max=found.ects_max,
            eqf_levels=tuple(level for level in _EQF_LEVELS if found.levels >> level & 1),
            first_at=found.first_at,
            last_at=found.last_at,
            title=self.title(key.achievement),
        )

    def decisions(self, group: StatementGroup, now: Moment) -> list[DecisionFacts]:
        """Return the standing decisions of a group that are in force now, the newest first."""
        found = self._transaction.decisions(self._book, group)
        return [self._decided(each) for each in found if is_in_force(self._book, each, now, known_at=None)]

    def _decided(self, found: StandingDecision) -> DecisionFacts:
        return DecisionFacts(
            event_id=found.stamp.event_id,
            recogniser=found.recogniser,
            recogniser_name=self.name_of(found.recogniser),
            issuer=found.achievement_issuer,
            issuer_name=self.name_of(found.achievement_issuer),
            achievement=found.achievement,
            decision=found.decision,
            ects_hundredths=found.ects_hundredths,
            programme=found.programme,
            valid_from=found.valid_from,
            valid_until=found.valid_until,
            state=live_state(is_certain=self._is_certain),
            title=self.title(found.achievement),
            eqf_level=found.eqf_level,
            ects_hundredths_min=found.ects_hundredths_min,
            eqf_level_min=found.eqf_level_min,
            description_digest=found.description_digest,
        )

    def title(self, uri: str) -> Texts | None:
        """Return an achievement's title, by languages, where a catalogue describes it."""
        found = self._transaction.catalogue.description(uri)
        return found.achievement.title if found else None

    def recognised(self, key: RecognisedKey, found: RecognisedSum) -> RecognisedAchievement:
        """Return who recognises what, with how often."""
        return RecognisedAchievement(
            recogniser=key.recogniser,
            recogniser_name=self.name_of(key.recogniser),
            achievement=key.achievement,
            issuer=key.issuer,
            issuer_name=self.name_of(key.issuer),
            recognition_count=found.recognitions,
            withdrawal_count=found.withdrawals,
            ects_hundredths=found.ects_hundredths,
            title=self.title(key.achievement),
        )
