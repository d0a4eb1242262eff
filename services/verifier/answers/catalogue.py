"""Achievements as they are listed and described, over one read transaction. Pure; what is of the log is told apart."""

import hashlib

from proto.canonical import canonical_struct
from proto.ids import Did
from proto.lifecycle import decisions_on
from proto.moment import Moment
from proto.problem import NotFoundProblem
from proto.wire.quality import QualityFinding
from proto.wire.register import (
    AchievementFacts,
    AchievementPage,
    AchievementSummary,
    CatalogueFacts,
    DescribedAchievement,
    FacetName,
    FacetValue,
)
from proto.wire.verifier import AsOf, Check
from services.verifier.answers.register import SHOWN_MAX, Register
from services.verifier.projection.catalogue_reads import AchievementPlace, AchievementsWanted
from services.verifier.projection.described import Description
from services.verifier.projection.reader import ReadTransaction
from services.verifier.verdict.quality import day_of


class UnknownAchievementProblem(NotFoundProblem):
    """Nothing is on record under this address, and no catalogue that is read here describes it."""

    slug = "unknown-achievement"
    title = "No such achievement is known here"


class Catalogue:
    """The catalogue as of one read transaction; `is_certain` as for the register."""

    def __init__(self, transaction: ReadTransaction, *, is_certain: bool) -> None:
        self._lists = transaction.lists
        self._catalogue = transaction.catalogue
        self._copy = transaction.quality
        self._register = Register(transaction, is_certain=is_certain)

    def page(
        self, found: tuple[AchievementPlace, ...], wanted: AchievementsWanted, as_of: AsOf, freshness: Check
    ) -> AchievementPage:
        """Return a part of the list with its facets; the caller says what follows."""
        facets = self._catalogue.facets(wanted)
        return AchievementPage(
            achievements=tuple(self._summary(place.uri) for place in found),
            achievement_count=self._catalogue.count(wanted),
            facets={
                name: tuple(
                    FacetValue(
                        value=each.value,
                        achievement_count=each.achievement_count,
                        label=self._label(name, each.value, each.label),
                    )
                    for each in values
                )
                for name, values in facets.items()
            },
            catalogues=tuple(
                CatalogueFacts(catalogue=address, read_at=Moment(read_at), achievement_count=count)
                for address, read_at, count in self._catalogue.catalogues()
            ),
            next_cursor=None,
            as_of=as_of,
            freshness=freshness,
        )

    def _label(self, name: FacetName, value: str, label: str) -> str:
        return self._register.name_of(Did(value)) if name == "issuer" else label

    def _summary(self, uri: str) -> AchievementSummary:
        description, awards = self._catalogue.description(uri), self._lists.awards(achievement=uri, limit=SHOWN_MAX)
        issuer = description.issuer if description else next((key.issuer for key, _ in awards), None)
        achievement = description.achievement if description else None
        credits_ = [achievement.ects_hundredths] if achievement else []
        credits_ += [bound for _, found in awards for bound in (found.ects_min, found.ects_max)]
        levels = {level for _, found in awards for level in range(1, 9) if found.levels >> level & 1}
        if achievement and achievement.eqf_level is not None:
            levels.add(achievement.eqf_level)
        return AchievementSummary(
            achievement=uri,
            issuer=issuer,
            issuer_name=self._register.name_of(issuer) if issuer else None,
            title=achievement.title if achievement else None,
            language=achievement.language if achievement else None,
            ects_hundredths_min=min(credits_, default=0),
            ects_hundredths_max=max(credits_, default=0),
            eqf_levels=tuple(sorted(levels)),
            credential_count=sum(found.credentials + found.stacks for _, found in awards),
            recognition_count=sum(found.recognitions for _, found in awards),
        )

    def achievement(self, uri: str, now: Moment, as_of: AsOf, freshness: Check) -> AchievementFacts:
        """Return what is on record under an address, and what describes it; raises `UnknownAchievementProblem`."""
        description, limit = self._catalogue.description(uri), SHOWN_MAX + 1
        awards = self._lists.awards(achievement=uri, limit=limit)
        recognitions = self._lists.recognised(achievement=uri, limit=limit)
        owner = self._owner(uri)
        issuers = dict.fromkeys([*(key.issuer for key, _ in awards), *([owner] if owner else [])])
        decisions = [each for did in issuers for each in self._register.decisions(decisions_on(did, uri), now)]
        if description is None and not awards:
            raise self._unknown(owner)
        return AchievementFacts(
            achievement=uri,
            owner=owner,
            owner_name=self._register.name_of(owner) if owner else None,
            description=_described(description),
            awards=tuple(self._register.awarded(*each) for each in awards[:SHOWN_MAX]),
            recognitions=tuple(self._register.recognised(*each) for each in recognitions[:SHOWN_MAX]),
            decisions=tuple(decisions[:SHOWN_MAX]),
            has_more=max(len(awards), len(recognitions), len(decisions)) > SHOWN_MAX,
            as_of=as_of,
            freshness=freshness,
            quality=self._quality(description, day_of(now)),
        )

    def _quality(self, found: Description | None, today: str) -> tuple[QualityFinding, ...]:
        """Return what the copy of the quality register says of each statement on quality of a description."""
        stated = found.achievement.quality_assurance if found else ()
        return tuple(self._copy.finding(each.url, each.code, each.name, today=today) for each in stated)

    def _owner(self, uri: str) -> Did | None:
        """Return the institution to which the register gives this address now."""
        for did in self._catalogue.owners(uri):
            if uri.startswith(self._register.prefixes(did) or ("\0",)):
                return did
        return None

    def _unknown(self, owner: Did | None) -> UnknownAchievementProblem:
        whose = f"; the register gives such addresses to {self._register.name_of(owner)}" if owner else ""
        return UnknownAchievementProblem(
            f"Nothing was awarded under this address, and no catalogue that is read here describes it{whose}"
        )


def _described(found: Description | None) -> DescribedAchievement | None:
    if found is None:
        return None
    return DescribedAchievement(
        catalogue=found.catalogue,
        read_at=found.read_at,
        digest=hashlib.sha256(canonical_struct(found.achievement)).hexdigest(),
        achievement=found.achievement,
    )
