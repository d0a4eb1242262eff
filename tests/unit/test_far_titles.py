"""How achievements of gateways elsewhere are called, as a verifier says: asked for once, waited for shortly."""

import asyncio
import io
from typing import Any

import pytest
from msgspec.structs import replace

from proto.documents.credential import GradingScheme
from proto.ids import Did
from proto.moment import Moment
from proto.wire.register import AchievementFacts, DescribedAchievement
from services.clients.http_client import AnsweredProblem, UnreachableProblem
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.achievements import far_titles
from services.issuer_gateway.achievements.far_titles import (
    KNOWN_SECONDS,
    PAUSE_SECONDS,
    UNKNOWN_SECONDS,
    FarTitles,
)
from tests.support.tenants import stored_achievement, tenant_of

RIVERS, MAPS = "https://far.example/rivers", "https://far.example/maps"
SCALE = GradingScheme(name="Dutch grades", allowed_values=("6", "8", "10"))
NOT_READ: Any = None


def _facts(uri: str, title: str) -> AchievementFacts:
    own = stored_achievement(tenant_of("far", "Far School")).achievement
    achievement = replace(own, title={"en": title}, grading_scheme=SCALE)
    described = DescribedAchievement(
        catalogue="https://far.example", read_at=Moment("2026-01-01T00:00:00Z"), digest="00", achievement=achievement
    )
    return AchievementFacts(
        achievement=uri,
        owner=Did("did:web:far.example"),
        owner_name="Far School",
        description=described,
        awards=(),
        recognitions=(),
        decisions=(),
        has_more=False,
        as_of=NOT_READ,
        freshness=NOT_READ,
    )


class FakeVerifier(VerifierClient):
    """Knows some achievements, or does not answer."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.is_away = False
        self.never: asyncio.Event | None = None

    async def achievement(self, uri: str) -> AchievementFacts:
        self.asked.append(uri)
        if self.never is not None:
            await self.never.wait()
        if self.is_away:
            raise UnreachableProblem("It does not answer")
        if uri not in self.known:
            raise AnsweredProblem({"type": "urn:x:unknown-achievement"}, 404)
        return _facts(uri, self.known[uri])


class Clock:
    """A clock that is put forward."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def _titles(verifier: FakeVerifier | None, clock: Clock) -> FarTitles:
    return FarTitles(verifier, Log("gateway", io.BytesIO()), clock=clock)


async def test_a_title_is_asked_for_once_and_again_after_an_hour() -> None:
    verifier, clock = FakeVerifier({RIVERS: "Rivers"}), Clock()
    titles = _titles(verifier, clock)
    for _ in range(2):
        found = await titles.of([RIVERS, MAPS])
        assert {uri: (each.title, each.institution_name) for uri, each in found.items()} == {
            RIVERS: ({"en": "Rivers"}, "Far School")
        }
    assert sorted(verifier.asked) == [MAPS, RIVERS]
    verifier.known = {RIVERS: "Streams", MAPS: "Maps"}
    clock.now += UNKNOWN_SECONDS
    assert {each.title["en"] for each in (await titles.of([RIVERS, MAPS])).values() if each.title} == {"Rivers", "Maps"}
    clock.now += KNOWN_SECONDS
    assert {each.title["en"] for each in (await titles.of([RIVERS])).values() if each.title} == {"Streams"}


async def test_the_scales_of_a_far_achievement_come_with_its_title_and_with_whose_address_it_is() -> None:
    (found,) = (await _titles(FakeVerifier({RIVERS: "Rivers"}), Clock()).with_scales([RIVERS])).values()
    assert (found.named.title, found.owner) == ({"en": "Rivers"}, "did:web:far.example")
    assert [each.allowed_values for each in found.schemes] == [("6", "8", "10")]


async def test_a_verifier_that_is_away_is_left_alone_for_a_minute_and_asked_again() -> None:
    verifier, clock = FakeVerifier({RIVERS: "Rivers"}), Clock()
    verifier.is_away = True
    titles = _titles(verifier, clock)
    assert [await titles.of([RIVERS]) for _ in range(3)] == [{}] * 3
    assert verifier.asked == [RIVERS]
    verifier.is_away = False
    clock.now += PAUSE_SECONDS
    assert RIVERS in await titles.of([RIVERS])


async def test_a_page_does_not_wait_for_a_verifier_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(far_titles, "WAIT_SECONDS_MAX", 0.01)
    verifier = FakeVerifier({RIVERS: "Rivers"})
    verifier.never = asyncio.Event()
    titles = _titles(verifier, Clock())
    assert await titles.of([RIVERS]) == {}
    assert await titles.of([RIVERS]) == {}
    assert verifier.asked == [RIVERS]


async def test_so_many_titles_are_kept_and_who_was_asked_for_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(far_titles, "KEPT_MAX", 2)
    names = [f"https://far.example/{number}" for number in range(3)]
    verifier = FakeVerifier(dict.fromkeys(names, "x"))
    titles = _titles(verifier, Clock())
    for name in names:
        await titles.of([name])
    assert len(await titles.of(names[1:])) == 2
    assert verifier.asked == names
    assert names[0] in await titles.of(names[:1])
    assert verifier.asked == [*names, names[0]], "it was forgotten"


async def test_without_a_verifier_nobody_knows_a_title() -> None:
    found: Any = await _titles(None, Clock()).of([RIVERS])
    assert found == {}
