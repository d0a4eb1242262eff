"""What an achievement is listed under: where it stands, by which words it is found, its facets. Pure; no table.

The log holds no description of an achievement. Where a catalogue describes it, title, level and the like are its
words; else level and credits are those that were awarded, and the address is its name.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import msgspec

from proto.documents.credential import Achievement
from proto.fold import fold
from proto.ids import Did
from proto.moment import Moment
from services.verifier.projection.listed import AwardKey, AwardSum

FacetName = Literal["issuer", "level", "credits", "language", "mode", "subject", "skill"]
FACETS: tuple[FacetName, ...] = ("issuer", "level", "credits", "language", "mode", "subject", "skill")
CREDIT_BOUNDS = (100, 300, 600, 1200, 3000)
"""Credits are listed in bands: up to so many hundredths; what is beyond is `more`, what states none is `none`."""
_WORDS_CHARACTERS_MAX, _PLACE_CHARACTERS_MAX = 2_000, 200
_BROAD_FIELD_DIGITS = 2
_EQF_LEVELS = range(1, 9)
DECODE_ACHIEVEMENT = msgspec.json.Decoder(Achievement).decode
ENCODE_ACHIEVEMENT = msgspec.json.Encoder().encode


class Facet(NamedTuple):
    """One property that an achievement can be chosen by; `label` is its name where the value is an address."""

    name: FacetName
    value: str
    label: str = ""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """How a catalogue describes an achievement of this institution, and when it was read there."""

    catalogue: str
    issuer: Did
    read_at: Moment
    achievement: Achievement


class Listing(NamedTuple):
    """Where an achievement stands in the list (folded), by which words it is found, and its facets."""

    place: str
    words: str
    facets: tuple[Facet, ...]


def listing_of(uri: str, description: Description | None, awards: Sequence[tuple[AwardKey, AwardSum]]) -> Listing:
    """Return how an achievement is listed that is described, was awarded, or both."""
    achievement = description.achievement if description else None
    title = _listed_title(achievement) if achievement else uri
    texts = list(_texts(achievement)) if achievement else []
    facets = {*_described_facets(achievement)} if achievement else {*_awarded_facets(awards)}
    issuers = {description.issuer} if description else {key.issuer for key, _ in awards}
    facets |= {Facet("issuer", issuer) for issuer in issuers}
    return Listing(
        place=fold(title)[:_PLACE_CHARACTERS_MAX],
        words=fold(" ".join([uri, *texts]))[:_WORDS_CHARACTERS_MAX],
        facets=tuple(sorted(facets)),
    )


def _listed_title(achievement: Achievement) -> str:
    """Return the title by which it is sorted: in English, which most readers are shown, else in its own language."""
    english = (text for tag, text in achievement.title.items() if tag.partition("-")[0].lower() == "en")
    return next(english, "") or achievement.text_in(achievement.title)


def _texts(achievement: Achievement) -> Iterator[str]:
    yield from achievement.title.values()
    yield from (skill.name for skill in achievement.esco)
    yield from achievement.tags
    yield from (text for outcome in achievement.learning_outcomes for text in outcome.title.values())
    yield from achievement.description.values()


def _described_facets(achievement: Achievement) -> Iterator[Facet]:
    yield _credits(achievement.ects_hundredths)
    if achievement.eqf_level is not None:
        yield Facet("level", str(achievement.eqf_level))
    yield Facet("language", achievement.language.partition("-")[0].lower())
    yield from (Facet("mode", mode) for mode in achievement.participation_modes)
    yield from (Facet("subject", code[:_BROAD_FIELD_DIGITS]) for code in achievement.isced_f)
    yield from (Facet("skill", skill.uri, skill.name) for skill in achievement.esco)


def _awarded_facets(awards: Sequence[tuple[AwardKey, AwardSum]]) -> Iterator[Facet]:
    for _, found in awards:
        yield from {_credits(found.ects_min), _credits(found.ects_max)}
        yield from (Facet("level", str(level)) for level in _EQF_LEVELS if found.levels >> level & 1)


def _credits(hundredths: int) -> Facet:
    if not hundredths:
        return Facet("credits", "none")
    bound = next((bound for bound in CREDIT_BOUNDS if hundredths <= bound), None)
    return Facet("credits", "more" if bound is None else str(bound // 100))
