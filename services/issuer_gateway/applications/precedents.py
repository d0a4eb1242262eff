"""How like cases were decided: by this office, and by any institution on the public log, of which a verifier is asked.

Nothing of an application leaves with the question: it names an achievement and who awards it.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from proto.ids import ApplicationId, Did, EventId
from proto.moment import Moment, from_datetime
from proto.problem import Problem
from proto.wire.applications import Precedent, PrecedentsKnown, RecognitionDecision, UnlikeCases
from proto.wire.precedents import PrecedentsAnswer, PublicPrecedent
from proto.wire.register import DecisionFacts
from proto.wire.stacks import NamedAchievement
from proto.wire.verifier import Answer
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.applications.rules import UnlikeCaseProblem
from services.issuer_gateway.store.applications import SealedEvidence
from services.issuer_gateway.store.like_cases import LikeCase
from services.issuer_gateway.store.published_decisions import PublishedDecision

_SECONDS_MAX = 5.0
_TOGETHER_MAX = 4


class FoundPrecedents(msgspec.Struct, frozen=True, kw_only=True):
    """Public decisions on an achievement, and whether they are all that is known now."""

    known: PrecedentsKnown
    precedents: tuple[Precedent, ...] = ()


NOT_ASKED = FoundPrecedents(known="not-asked")
_UNKNOWN = FoundPrecedents(known="unknown")


class PublicPrecedents:
    """Asks a verifier of ours; without one, or where it does not answer in time, what is public is unknown."""

    def __init__(self, verifier: VerifierClient | None, log: Log) -> None:
        self._verifier = verifier
        self._log = log

    async def of(self, items: Sequence[SealedEvidence]) -> dict[int, FoundPrecedents]:
        """Return the public decisions on the achievement of each piece of evidence, by its number."""
        wanted = {(item.achievement, item.achievement_issuer) for item in items}
        places = asyncio.Semaphore(_TOGETHER_MAX)

        async def one(achievement: str, issuer: str) -> FoundPrecedents:
            async with places:
                return await self._ask(achievement, issuer)

        named = [(achievement, issuer) for achievement, issuer in wanted if achievement and issuer]
        found = dict(zip(named, await asyncio.gather(*(one(*each) for each in named)), strict=True))
        nothing = FoundPrecedents(known="known")  # no achievement, so no like case
        return {
            item.number: found.get((item.achievement or "", item.achievement_issuer or ""), nothing) for item in items
        }

    async def _ask(self, achievement: str, issuer: str) -> FoundPrecedents:
        if self._verifier is None:
            return _UNKNOWN
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                answer = await self._verifier.precedents(achievement, issuer)
        except (Problem, TimeoutError) as error:
            self._log.warning("precedents_not_asked", why=type(error).__name__)
            return _UNKNOWN
        is_fresh = answer.freshness.result == "valid"
        return FoundPrecedents(known="known" if is_fresh else "unknown", precedents=tuple(_told(answer)))


def _told(answer: PrecedentsAnswer) -> Iterator[Precedent]:
    for each in answer.decisions:
        yield _public(each, count=1, last_at=each.valid_from, is_standing=True)
    for way in answer.precedents:
        yield _public(way, count=way.count, last_at=way.last_at, is_standing=False)


def _public(told: DecisionFacts | PublicPrecedent, *, count: int, last_at: Moment, is_standing: bool) -> Precedent:
    return Precedent(
        scope="public",
        institution=told.recogniser,
        institution_name=told.recogniser_name,
        programme=told.programme,
        decision="full" if told.decision == "full" else "partial",
        ects_hundredths=told.ects_hundredths,
        eqf_level=told.eqf_level,
        is_standing=is_standing,
        count=count,
        last_at=last_at,
    )


def public_of(
    found: FoundPrecedents, answer: Answer | None, own: Did, published: Collection[PublishedDecision]
) -> tuple[Precedent, ...]:
    """Return the public precedents: as they were found now, else those that were told when the evidence came.

    What an own decision has put on the log is told as that decision; the one on the same evidence, which was appealed
    against, as nothing: it is no precedent of its own appeal.
    """
    if found.precedents or found.known == "known" or answer is None:
        return tuple(_without(found.precedents, own, published))
    return tuple(_told_with_evidence(answer, {each.recognition for each in published}))


def _without(found: Iterable[Precedent], own: Did, published: Iterable[PublishedDecision]) -> Iterator[Precedent]:
    said = Counter(
        (own, each.programme, each.decision, each.ects_hundredths or 0, each.eqf_level) for each in published
    )
    for each in found:
        way = (each.institution, each.programme or "", each.decision, each.ects_hundredths or 0, each.eqf_level)
        count = each.count - (0 if each.is_standing else said[way])
        if count > 0:
            yield msgspec.structs.replace(each, count=count)


def _told_with_evidence(answer: Answer, own: Collection[EventId]) -> Iterator[Precedent]:
    said: list[tuple[Did, str, int, Moment]] = sorted(
        (each.recogniser, each.decision, each.ects_hundredths, each.received_at)
        for each in answer.recognitions
        if each.state == "live" and each.event_id not in own
    )
    for (institution, decision, hundredths), group in groupby(said, key=lambda each: each[:3]):
        times = [each[3] for each in group]
        yield Precedent(
            scope="public",
            institution=institution,
            decision="full" if decision == "full" else "partial",
            ects_hundredths=hundredths,
            count=len(times),
            last_at=max(times),
        )


def own_of(
    own: Did, application_id: ApplicationId, like: Iterable[LikeCase], published: Iterable[PublishedDecision]
) -> list[Precedent]:
    """Return how this office decided like cases, but for the same application; nobody who applied is named."""
    public = Counter(
        (each.programme, each.decision, each.ects_hundredths)
        for each in published
        if each.is_last and each.application_id != application_id
    )
    return [
        Precedent(
            scope="own",
            institution=own,
            programme=each.programme,
            decision=each.decision,
            ects_hundredths=each.ects_hundredths,
            count=each.count,
            public_count=public[each.programme, each.decision, each.ects_hundredths],
            last_at=from_datetime(each.last_at),
        )
        for each in like
    ]


def check_alike(decision: RecognitionDecision, precedents: Iterable[Precedent], *, is_known: bool) -> None:
    """Raise `UnlikeCaseProblem` where like cases were decided otherwise, until that is said to be known."""
    unlike = [each for each in precedents if each.decision != decision]
    if not unlike or is_known:
        return
    told = ", ".join(
        f"{each.count} times {each.decision}{' on the public log' if each.scope == 'public' else ''}" for each in unlike
    )
    raise UnlikeCaseProblem(
        f"On this achievement was decided {told}. Decide alike, or say `despite_precedents` and the difference in the "
        "reasons",
        members={"precedents": [msgspec.to_builtins(each) for each in unlike]},
    )


def unlike_cases(like: Sequence[LikeCase]) -> list[UnlikeCases]:
    """Return the achievements on which decisions for one programme differ."""
    found = []
    for (achievement, issuer, programme), group in groupby(like, key=_case):
        counts = dict.fromkeys(("full", "partial", "refused"), 0)
        for each in group:
            counts[each.decision] += each.count
        if sum(count > 0 for count in counts.values()) > 1:
            found.append(
                UnlikeCases(
                    achievement=achievement,
                    achievement_issuer=issuer,
                    programme=programme,
                    full=counts["full"],
                    partial=counts["partial"],
                    refused=counts["refused"],
                )
            )
    return found


def _case(each: LikeCase) -> tuple[str, str, str]:
    return each.achievement, each.achievement_issuer, each.programme


def with_title(case: UnlikeCases, known: NamedAchievement | None) -> UnlikeCases:
    """Return a case with how its achievement is called by whoever awards it, where that is known."""
    if known is None:
        return case
    return msgspec.structs.replace(case, title=known.title, institution_name=known.institution_name)
