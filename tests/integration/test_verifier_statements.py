"""What institutions say of others' credentials and achievements is in the answer and on the page, while it holds."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proto.ids import CredentialId, EventId
from tests.support.served_logs import served
from tests.support.statements import Party
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately


class Said:
    """A verifier that follows a log of version 2, with a school's credential, a college and an agency."""

    def __init__(self, verifier: Verifier, school: Party, college: Party, agency: Party) -> None:
        self.verifier, self.world = verifier, verifier.world
        self.school, self.college, self.agency = school, college, agency
        self.credential: CredentialId = self.world.committed_id(school, "a")

    def say(self, event: Any) -> EventId:
        return self.world.event_id(self.world.say(event))

    async def answer(self, query: str = "") -> Any:
        """Return the answer by all that was said so far."""
        await self.verifier.catches_up()
        return await self.verifier.get(f"/v1/credentials/{self.credential}{query}")


@pytest.fixture
async def said(tmp_path: Path) -> AsyncIterator[Said]:
    world = World(start=lately(), rules_version=2, step_ms=1)
    school, college, agency = (world.admit(name) for name in ("school", "college", "agency"))
    world.say(world.committed(school, "a"))
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        yield Said(verifier, school, college, agency)


async def test_an_endorsement_is_shown_while_it_and_its_invitation_hold(said: Said) -> None:
    world = said.world
    assert "endorsements" not in await said.answer()
    invitation = said.say(world.invitation(said.school, said.agency))
    first = said.say(world.endorsement(said.agency, said.credential))
    answer = await said.answer()
    assert answer["verdict"] == "valid"
    assert answer["endorsements"] == [
        {
            "event_id": first,
            "endorser": said.agency.did,
            "endorser_name": "Agency of Example",
            "role": "quality",
            "invitation": invitation,
            "received_at": world.received_at(world.size - 1),
            "state": "live",
        }
    ]
    page = await said.verifier.page(f"/c/{said.credential}")
    assert "Endorsed by" in page
    assert "Agency of Example" in page
    then = world.received_at(world.size - 1)
    said.say(world.endorsement_withdrawal(said.agency, first))
    assert "endorsements" not in await said.answer()
    assert len((await said.answer(f"?known_at={then}"))["endorsements"]) == 1
    said.say(world.endorsement(said.agency, said.credential))
    assert len((await said.answer())["endorsements"]) == 1
    said.say(world.uninvitation(said.school, invitation))
    answer = await said.answer()
    assert "endorsements" not in answer
    assert answer["verdict"] == "valid", "no verdict rests on it"


async def test_what_a_thief_endorsed_is_not_shown(said: Said) -> None:
    world = said.world
    said.say(world.invitation(said.school, said.agency))
    stolen = world.now
    said.say(world.endorsement(said.agency, said.credential))
    assert (await said.answer())["endorsements"]
    world.say(world.condemnation(said.agency, said.agency, said.agency.event, stolen), key=said.agency.recovery)
    assert "endorsements" not in await said.answer()


async def test_decisions_on_its_achievement_are_shown_while_they_are_in_force(said: Said) -> None:
    world = said.world
    assert "standing_decisions" not in await said.answer()
    decision = said.say(world.standing_decision(said.college, said.school, ects_hundredths_min=300))
    strict = world.standing_decision(said.college, said.school, programme=f"{said.college.url}2", eqf_level_min=8)
    elsewhere = world.standing_decision(
        said.college, said.school, achievement=f"{said.school.url}achievements/2", programme=f"{said.college.url}3"
    )
    later = world.standing_decision(
        said.college, said.school, programme=f"{said.college.url}4", valid_from=world.moment(days=30)
    )
    for event in (strict, elsewhere, later):
        said.say(event)
    shown = (await said.answer())["standing_decisions"]
    assert [(item["programme"], item["covers"]) for item in shown] == [
        (f"{said.college.url}2", False),
        (f"{said.college.url}programmes/1", True),
    ]
    assert (shown[1]["recogniser_name"], shown[1]["ects_hundredths_min"]) == ("College of Example", 300)
    future = await said.answer(f"?at={world.moment(days=31)}")
    assert f"{said.college.url}4" in [item["programme"] for item in future["standing_decisions"]]
    page = await said.verifier.page(f"/c/{said.credential}")
    assert "Institutions that count this achievement" in page
    assert "not this credential" in page
    said.say(world.recognition(said.college, said.credential, under=decision))
    said.say(world.decision_withdrawal(said.college, decision))
    answer = await said.answer()
    assert [item["covers"] for item in answer["standing_decisions"]] == [False]
    assert [(item["under"], item["state"]) for item in answer["recognitions"]] == [(decision, "live")]
