"""Takes questions about lists to the records: institutions, what they award and recognise, the log. Knows no HTTP."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from proto.ids import Did
from proto.wire.content import Texts
from proto.wire.precedents import PrecedentsAnswer
from proto.wire.register import (
    AchievementFacts,
    AchievementPage,
    AwardedAchievement,
    IssuerAnswer,
    IssuerSummary,
    LogAnswer,
    RecognisedAchievement,
)
from proto.wire.verifier import AsOf, Check
from services.verifier.answers.catalogue import Catalogue
from services.verifier.answers.log_summary import WatchedLog, log_summary
from services.verifier.answers.precedents import precedents_answer
from services.verifier.answers.questions import Moments, TimedQuestion
from services.verifier.answers.register import Register
from services.verifier.answers.service import AnswerService
from services.verifier.languages import Language
from services.verifier.projection.catalogue_reads import AchievementPlace, AchievementsWanted
from services.verifier.projection.listed import AwardKey, RecognisedKey
from services.verifier.projection.listed_reads import InstitutionPlace, InstitutionsWanted
from services.verifier.projection.reader import ProjectionReader, ReadTransaction
from services.verifier.verdict.verdict import as_of, freshness

_T = TypeVar("_T")
_Row = TypeVar("_Row")


class AnswerBasis(NamedTuple):
    """What belongs to every answer: the question's moments, where the records stand, how fresh they are."""

    question: TimedQuestion
    as_of: AsOf
    freshness: Check

    @property
    def is_certain(self) -> bool:
        """Whether the records lack nothing that was said by now."""
        return self.freshness.result == "valid"


class Slice(NamedTuple, Generic[_Row]):
    """Rows of a list, and the key of the last where more follow; None: these are all."""

    rows: tuple[_Row, ...]
    more_after: tuple[str, ...] | None
    as_of: AsOf
    freshness: Check


class ListService:
    """Answers questions about lists from the projection, each over one read transaction in a reader thread."""

    def __init__(self, projection: ProjectionReader, answers: AnswerService, watched: WatchedLog) -> None:
        self._projection = projection
        self._answers = answers
        self._watched = watched

    async def log(self, language: Language) -> LogAnswer:
        """Return the log in figures, with the newest entries in words."""
        return await self._read(
            language,
            lambda transaction, asked: log_summary(
                transaction,
                self._watched,
                language,
                question=asked.question,
                as_of=asked.as_of,
                fresh=asked.freshness,
            ),
        )

    async def issuer(self, dids: Sequence[Did], language: Language) -> IssuerAnswer:
        """Return what the register says of the first of these DIDs that it knows; raises `UnknownIssuerProblem`."""
        return await self._read(
            language,
            lambda transaction, asked: Register(transaction, is_certain=asked.is_certain).issuer(dids, *asked),
        )

    async def countries(self) -> list[str]:
        """Return the countries of all institutions."""
        return await self._projection.read(lambda transaction: transaction.lists.countries())

    async def issuers(
        self, wanted: InstitutionsWanted, *, after: InstitutionPlace | None, limit: int, language: Language
    ) -> Slice[IssuerSummary]:
        """Return the institutions that are wanted, in the order of their names, after one of them.

        Where the records may lack something, none is said to be active: those that would be are `unknown`.
        """

        def find(transaction: ReadTransaction, asked: AnswerBasis) -> Sequence[InstitutionPlace]:
            on_record = _on_record(wanted, is_certain=asked.is_certain)
            return transaction.lists.institutions(on_record, after=after, limit=limit + 1) if on_record else []

        return await self._listed(
            language,
            find,
            lambda register, place: register.summary(Did(place.did)),
            lambda place: place,
            limit,
        )

    async def awards(
        self,
        *,
        issuer: Did | None = None,
        achievement: str | None = None,
        after: AwardKey | None,
        limit: int,
        language: Language,
    ) -> Slice[AwardedAchievement]:
        """Return what was awarded, in the order of the achievements' addresses, after one of them."""
        return await self._listed(
            language,
            lambda transaction, _: transaction.lists.awards(
                issuer=issuer, achievement=achievement, after=after, limit=limit + 1
            ),
            lambda register, row: register.awarded(*row),
            lambda row: row[0],
            limit,
        )

    async def recognised(
        self,
        *,
        recogniser: Did | None = None,
        achievement: str | None = None,
        issuer: Did | None = None,
        after: RecognisedKey | None,
        limit: int,
        language: Language,
    ) -> Slice[RecognisedAchievement]:
        """Return who recognises credentials of what, after one of these."""
        return await self._listed(
            language,
            lambda transaction, _: transaction.lists.recognised(
                recogniser=recogniser, achievement=achievement, issuer=issuer, after=after, limit=limit + 1
            ),
            lambda register, row: register.recognised(*row),
            lambda row: row[0],
            limit,
        )

    async def achievements(
        self, wanted: AchievementsWanted, *, after: AchievementPlace | None, limit: int, language: Language
    ) -> tuple[AchievementPage, AchievementPlace | None]:
        """Return a part of the catalogue, and after which place it goes on; None: this is its end."""

        def work(transaction: ReadTransaction, asked: AnswerBasis) -> tuple[AchievementPage, AchievementPlace | None]:
            found = transaction.catalogue.page(wanted, after=after, limit=limit + 1)
            catalogue = Catalogue(transaction, is_certain=asked.is_certain)
            page = catalogue.page(tuple(found[:limit]), wanted, asked.as_of, asked.freshness)
            return page, found[limit - 1] if len(found) > limit else None

        return await self._read(language, work)

    async def achievement(self, uri: str, language: Language) -> AchievementFacts:
        """Return what is known of an achievement; raises `UnknownAchievementProblem`."""
        return await self._read(
            language,
            lambda transaction, asked: Catalogue(transaction, is_certain=asked.is_certain).achievement(
                uri, asked.question.now, asked.as_of, asked.freshness
            ),
        )

    async def precedents(self, achievement: str, issuer: Did, language: Language) -> PrecedentsAnswer:
        """Return how institutions decided on the credentials of an achievement; empty for what nobody recognised."""
        return await self._read(
            language,
            lambda transaction, asked: precedents_answer(
                transaction, achievement, issuer, now=asked.question.now, as_of=asked.as_of, fresh=asked.freshness
            ),
        )

    async def titles(self, uris: Collection[str]) -> Mapping[str, Texts]:
        """Return how catalogues call these achievements now, by address; one that none describes is left out."""

        def work(transaction: ReadTransaction) -> Mapping[str, Texts]:
            found = {uri: transaction.catalogue.description(uri) for uri in uris}
            return {uri: description.achievement.title for uri, description in found.items() if description}

        return await self._projection.read(work)

    async def _listed(
        self,
        language: Language,
        find: Callable[[ReadTransaction, AnswerBasis], Sequence[Any]],
        told: Callable[[Register, Any], _Row],
        key_of: Callable[[Any], tuple[str, ...]],
        limit: int,
    ) -> Slice[_Row]:
        """Return what was found, one row less than was asked for: whether that is there says whether more follow."""

        def work(transaction: ReadTransaction, asked: AnswerBasis) -> Slice[_Row]:
            found, register = find(transaction, asked), Register(transaction, is_certain=asked.is_certain)
            rows = tuple(told(register, row) for row in found[:limit])
            more_after = key_of(found[limit - 1]) if len(found) > limit else None
            return Slice(rows, more_after, asked.as_of, asked.freshness)

        return await self._read(language, work)

    async def _read(self, language: Language, work: Callable[[ReadTransaction, AnswerBasis], _T]) -> _T:
        question = self._answers.question(Moments())
        fresh = language.check(freshness(question.health))

        def over(transaction: ReadTransaction) -> _T:
            at = as_of(self._answers.origin, transaction.position, question.health)
            return work(transaction, AnswerBasis(question.after(transaction.position), at, fresh))

        return await self._projection.read(over)


def _on_record(wanted: InstitutionsWanted, *, is_certain: bool) -> InstitutionsWanted | None:
    """Return by which state on record those are found that are shown in the wanted one; None: there are none."""
    shown = "active" if is_certain else "unknown"
    if wanted.state == shown:
        return wanted._replace(state="active")
    return None if wanted.state in {"active", "unknown"} else wanted
