"""Statistics over real HTTP: equal to a slow count of the log's own entries, wherever it was cut."""

import collections
import contextlib
import csv
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto import events
from proto.envelope import open_envelope
from proto.ids import CredentialId
from proto.lifecycle import Refusal
from proto.log import entry as entries
from proto.moment import Moment, to_ms
from proto.problem import InvalidProblem
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import Party, World, lately

BEGUN = Moment("2025-01-01T00:00:00.000Z")
SEED = 7
ACTS = 220
MONTHS_DAYS = 3.0
COUNTRIES = {"school": "NL", "academy": "PL", "college": "NL"}
DIMENSIONS = ["", "month", "issuer", "country", "eqf_level", "country,month", "issuer,eqf_level,month"]


def told(acts: int, *, seed: int) -> World:
    """Return a world with a history that ended before now."""
    world = World(start=BEGUN)
    history(world, acts, seed=seed)
    return world


def history(world: World, acts: int, *, seed: int) -> None:
    """Say many things over about two years; what the rules refuse is not on the log."""
    chance = random.Random(seed)
    parties = [world.admit(name, country=country) for name, country in COUNTRIES.items()]
    made: list[tuple[Party, CredentialId]] = []
    for number in range(acts):
        world.advance(days=chance.random() * MONTHS_DAYS)
        owner, name = chance.choice(made) if made else (parties[0], CredentialId("0" * 64))
        party = chance.choice(parties)
        level: dict[str, Any] = chance.choice([{}, {"eqf_level": 5}, {"eqf_level": msgspec.UNSET}])
        with contextlib.suppress(Refusal, InvalidProblem):
            match chance.choice(["issue", "issue", "issue", "revoke", "hold", "release", "stack", "recognise"]):
                case "issue":
                    made.append((party, world.issued(party, f"{number}", **level)))
                case "revoke":
                    world.say(world.revocation(owner, name))
                case "hold":
                    world.say(world.hold(owner, name))
                case "release":
                    world.say(world.release(owner, name))
                case "stack":
                    parts = {part for by, part in made if by is owner and chance.random() < 0.3}
                    made.append((owner, world.stacked(owner, sorted(parts)[:2] or [name, name], f"stack {number}")))
                case "recognise":
                    index = world.say(world.recognition(party, name))
                    if chance.random() < 0.5:
                        world.say(world.withdrawal(party, world.event_id(index)))


class Count:
    """A slow count of the log's entries, from nothing but the events themselves."""

    def __init__(self, world: World, keep: Callable[[dict[str, Any]], bool] = lambda _: True) -> None:
        self.keep = keep
        self.acts: list[tuple[dict[str, Any], str, int]] = []
        credentials: dict[str, dict[str, Any]] = {}
        recognitions: dict[str, dict[str, Any]] = {}
        countries = {world.party(name).did: country for name, country in COUNTRIES.items()}
        for line in world.entries:
            entry = entries.decode(line)
            opened = open_envelope(entry.envelope)
            event, month = opened.event, entry.received_at[:7]
            group: dict[str, Any] = {"issuer": event.issuer, "country": countries.get(event.issuer), "month": month}
            match event:
                case events.CredentialIssuedV2() | events.CredentialStackedV2():
                    group["eqf_level"] = event.eqf_level or None
                    credentials[opened.credential_ids[0]] = group
                    kind = "stack_count" if isinstance(event, events.CredentialStackedV2) else "credential_count"
                    self.acts.append((group, kind, event.ects_hundredths))
                case events.CredentialRevoked() | events.CredentialSuspended() | events.CredentialReinstated():
                    kind = {"CredentialRevoked": "revocation_count", "CredentialSuspended": "suspension_count"}.get(
                        type(event).__name__, "reinstatement_count"
                    )
                    self.acts.append((credentials[event.credential_id] | {"month": month}, kind, 0))
                case events.CredentialRecognisedV2():
                    group["eqf_level"] = event.eqf_level or None
                    self.acts.append((group, "recognition_count", event.ects_hundredths))
                    recognitions[opened.event_id] = group
                case events.RecognitionWithdrawn():
                    self.acts.append((recognitions[event.recognition] | {"month": month}, "withdrawal_count", 0))
                case _:
                    pass

    def by(self, names: Sequence[str]) -> dict[tuple[Any, ...], collections.Counter[str]]:
        """Return the counts of each group."""
        found: dict[tuple[Any, ...], collections.Counter[str]] = {}
        credits_of = {
            "credential_count": "ects_hundredths",
            "stack_count": "stacked_ects_hundredths",
            "recognition_count": "recognised_ects_hundredths",
        }
        for group, kind, ects in self.acts:
            if self.keep(group):
                counts = found.setdefault(tuple(group[name] for name in names), collections.Counter())
                counts[kind] += 1
                if kind in credits_of:
                    counts[credits_of[kind]] += ects
        return found


def counted(row: dict[str, Any]) -> dict[str, int]:
    return {name: value for name, value in row.items() if name.endswith(("_count", "_hundredths")) and value}


async def agrees(verifier: Verifier, by: str, query: str = "", count: Count | None = None) -> None:
    answer = await verifier.get(f"/v1/statistics?by={by}{query}")
    names = [name for name in ("issuer", "country", "eqf_level", "month") if name in by.split(",")]
    expected = (count or Count(verifier.world)).by(names)
    found = {tuple(row[name] for name in names): counted(row) for row in answer["rows"]}
    assert found == {group: {k: v for k, v in counts.items() if v} for group, counts in expected.items()}
    total: collections.Counter[str] = collections.Counter()
    for counts in expected.values():
        total.update(counts)
    assert counted(answer["total"]) == {k: v for k, v in total.items() if v}
    assert answer["as_of"]["size"] == verifier.world.size
    assert answer["freshness"]["code"]


@pytest.mark.parametrize("by", DIMENSIONS)
async def test_the_counts_are_those_of_the_log_s_entries(tmp_path: Path, by: str) -> None:
    world = told(ACTS, seed=SEED)
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        assert len({kind for _, kind, _ in Count(log.world).acts}) == 7, "everything that is counted is there"
        await agrees(verifier, by)


async def test_counting_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = tmp_path / "projection.sqlite"
    async with served(told(ACTS // 2, seed=SEED)) as log:
        async with running(log, file) as verifier:
            await verifier.catches_up()
        log.world.now_ms = to_ms(lately())
        log.world.issued(log.world.party("school"), "after the restart")
        async with running(log, file) as verifier:
            await verifier.catches_up()
            await agrees(verifier, "issuer,month")


async def test_what_is_not_asked_for_is_left_out(tmp_path: Path) -> None:
    world = told(ACTS, seed=SEED + 1)
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        months = sorted({group["month"] for group, _, _ in Count(log.world).acts})
        first, last = months[2], months[-3]
        await agrees(
            verifier, "month", f"&from={first}&to={last}", Count(log.world, lambda g: first <= g["month"] <= last)
        )
        await agrees(verifier, "issuer", "&country=NL", Count(log.world, lambda g: g["country"] == "NL"))
        await agrees(verifier, "", "&eqf_level=0", Count(log.world, lambda g: g["eqf_level"] is None))
        did = log.world.party("academy").did
        await agrees(verifier, "eqf_level", f"&issuer={did}", Count(log.world, lambda g: g["issuer"] == did))


async def test_the_csv_holds_the_same_and_no_formula(tmp_path: Path) -> None:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        sly = log.world.admit("sly", legal_name="=HYPERLINK(1)")
        log.world.issued(sly, "one")
        await verifier.catches_up()
        async with verifier.session.get(f"{verifier.url}/v1/statistics.csv?by=issuer,eqf_level") as response:
            assert response.content_type == "text/csv"
            assert response.headers["X-Log-Size"] == str(log.world.size)
            (row,) = csv.DictReader(io.StringIO(await response.text()))
        assert (row["issuer"], row["legal_name"], row["credential_count"]) == (sly.did, "'=HYPERLINK(1)", "1")
        assert int(row["ects_hundredths"]) == round(float(row["ects"]) * 100) > 0


async def test_the_page_draws_and_lists_them(tmp_path: Path) -> None:
    world = told(60, seed=SEED)
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        page = await verifier.page("/statistics?by=country,month")
        assert "<svg" in page
        assert "NL, 2025-01" in page
        assert '<option value="country,month" selected>' in page
        assert "/v1/statistics.csv?by=country%2Cmonth" in page
        assert "There is nothing of that" in await verifier.page("/statistics?from=1999-01&to=1999-02")


async def test_what_cannot_be_asked_is_refused_by_name(tmp_path: Path) -> None:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        for query, parameter in (("by=school", "by"), ("from=2026-13", "from"), ("from=2026-02&to=2026-01", "to")):
            assert (await verifier.get(f"/v1/statistics?{query}", status=422))["parameter"] == parameter
