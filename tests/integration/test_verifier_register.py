"""The register, what was awarded and recognised, and the log in figures, over real HTTP: JSON and files."""

import csv
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import msgspec
import pytest

from proto.log.checkpoint import cosign
from proto.log.note import Note, parse_note
from proto.wire.register import AchievementFacts, AwardedPage, IssuerAnswer, IssuerPage, LogAnswer, RecognisedPage
from services.command.known_names import resemblance_notes
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running, until
from tests.support.witnesses import witness_key
from tests.support.worlds import World, lately

CSV_INJECTION = "=HYPERLINK(1)"


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


async def _get(verifier: Verifier, path: str, of: Any) -> Any:
    return msgspec.convert(await verifier.get(path), of)


async def _rows(verifier: Verifier, path: str) -> list[dict[str, str]]:
    async with verifier.session.get(verifier.url + path) as response:
        assert (response.status, response.content_type) == (200, "text/csv")
        return list(csv.DictReader(io.StringIO(await response.text())))


async def test_the_register_is_searched_by_words_country_and_state_in_parts(verifier: Verifier) -> None:
    world = verifier.world
    names = {"delta": "Académie du Delta", "alpha": "Alpha 100% College", "omega": "Omega_Institute"}
    for name, legal_name in names.items():
        world.admit(name, legal_name=legal_name, country="NL" if name == "omega" else "FR")
    world.say(world.suspension(world.party("alpha")))
    world.say(world.closing(world.party("omega"), world.party("delta")))
    await verifier.catches_up()

    async def found(query: str) -> list[str]:
        page = await _get(verifier, f"/v1/issuers?{query}", IssuerPage)
        return [row.legal_name for row in page.issuers]

    assert await found("") == list(names.values())
    assert await found("q=ACADEMIE+delta") == ["Académie du Delta"]
    assert await found(f"q={quote('100%')}") == ["Alpha 100% College"]
    assert await found("q=_") == ["Omega_Institute"]
    assert await found("q=delta+nothing") == []
    assert await found("country=FR&state=suspended") == ["Alpha 100% College"]
    first = await _get(verifier, "/v1/issuers?limit=2", IssuerPage)
    rest = await _get(verifier, f"/v1/issuers?limit=2&cursor={first.next_cursor}", IssuerPage)
    assert [row.legal_name for row in (*first.issuers, *rest.issuers)] == list(names.values())
    assert rest.next_cursor is None
    assert rest.issuers[0].answers_now == world.party("delta").did
    assert [row["state"] for row in await _rows(verifier, "/v1/issuers.csv")] == ["active", "suspended", "closed"]


async def test_a_registrar_is_told_which_name_on_the_register_a_new_one_looks_like(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = verifier.world
    names = {"delta": "Acad\u00e9mie du Delta", "alpha": "Alpha College", "omega": "Omega Institute"}
    for name, legal_name in names.items():
        world.admit(name, legal_name=legal_name)
    await verifier.catches_up()
    monkeypatch.setattr("services.clients.verifier_client._ROWS", 1)
    delta = world.party("delta").did

    async def notes(name: str, subject: str = "did:web:new.example") -> list[str]:
        return await resemblance_notes(name, subject, verifier=verifier.url)

    (said,) = await notes("Academie du D\u0435lta")
    assert said.startswith(f"its name looks the same as that of {names['delta']} ({delta})")
    (said,) = await notes("0mega lnstitute")
    assert names["omega"] in said
    assert await notes("Academie de la Meuse") == []
    assert await notes(names["delta"], delta) == [], "its own name"
    world.admit("other", legal_name="ACADEMIE DU D\u0395LTA")
    await verifier.catches_up()
    shown = await _get(verifier, f"/v1/issuers/{quote(delta, safe='')}", IssuerAnswer)
    assert [(each.did, each.legal_name) for each in shown.look_alikes] == [
        (world.party("other").did, "ACADEMIE DU D\u0395LTA")
    ]
    alpha = await _get(verifier, f"/v1/issuers/{quote(world.party('alpha').did, safe='')}", IssuerAnswer)
    assert alpha.look_alikes == ()
    async with verifier.session.get(f"{verifier.url}/issuers/{quote(delta, safe='')}?lang=de") as page:
        assert "Nicht zu verwechseln mit" in await page.text()
    (said,) = await resemblance_notes("Alpha", "did:web:new.example", verifier="http://127.0.0.1:1")
    assert "was not compared with those on the register" in said


async def test_an_institution_is_told_with_scope_keys_successor_and_what_it_did(verifier: Verifier) -> None:
    world = verifier.world
    old, new, other = world.admit("old"), world.admit("new"), world.admit("other")
    world.say(world.scope_change(old, eqf_max=7))
    first, second = world.issued(old, "1"), world.issued(old, "2", ects_hundredths=400)
    whole = world.stacked(old, (first, second), ects_hundredths=750)
    world.say(world.recognition(other, first))
    withdrawn = world.event_id(world.say(world.recognition(other, second)))
    world.say(world.withdrawal(other, withdrawn))
    world.say(world.revocation(old, first))
    world.say(world.rotation(old, old, old.event), key=old.recovery)
    world.say(world.closing(old, new))
    await verifier.catches_up()

    answer = await _get(verifier, f"/v1/issuers/{quote(old.did, safe='')}", IssuerAnswer)
    assert (answer.issuer.state, answer.issuer.answers_now) == ("closed", new.did)
    assert answer.successor_name == "New of Example"
    assert answer.uri_prefixes == (old.url,)
    assert [item.kind for item in answer.profiles] == ["admitted", "scope_changed"]
    assert {key.state for key in answer.keys} == {"usable", "retired"}
    assert (answer.counts.credential_count, answer.counts.stack_count, answer.counts.revocation_count) == (2, 1, 1)
    assert answer.ects_hundredths == 750
    (recognised,) = answer.recognised_by
    assert (recognised.recogniser, recognised.recognition_count, recognised.withdrawal_count) == (other.did, 2, 1)
    assert sum(each.counts.credential_count + each.counts.stack_count for each in answer.achievements) == 3
    assert whole
    assert (await _get(verifier, f"/v1/issuers/{quote(other.did, safe='')}", IssuerAnswer)).recognises == (recognised,)
    await verifier.get("/v1/issuers/did:web:nobody.example", status=404)


async def test_what_was_awarded_and_recognised_is_listed_by_whom_in_parts_and_as_files(verifier: Verifier) -> None:
    world = verifier.world
    school, other = world.admit("school", legal_name=CSV_INJECTION), world.admit("other")
    uris = [f"{school.url}achievements/{number}" for number in range(3)]
    issued = [
        world.issued(school, uri, achievement=uri, ects_hundredths=150 + number * 100, eqf_level=5 + number)
        for number, uri in enumerate(uris)
    ]
    world.issued(school, "again", achievement=uris[0], ects_hundredths=300, eqf_level=6)
    world.say(world.recognition(other, issued[1], decision="partial", ects_hundredths=125))
    await verifier.catches_up()

    page = await _get(verifier, f"/v1/awards?issuer={quote(school.did)}&limit=2", AwardedPage)
    rest = await _get(verifier, f"/v1/awards?issuer={quote(school.did)}&cursor={page.next_cursor}", AwardedPage)
    assert [row.achievement for row in (*page.awards, *rest.awards)] == uris
    first = page.awards[0]
    assert (first.counts.credential_count, first.eqf_levels) == (2, (5, 6))
    assert (first.ects_hundredths_min, first.ects_hundredths_max) == (150, 300)
    named = (await _get(verifier, f"/v1/awards?achievement={quote(uris[1], safe='')}", AwardedPage)).awards
    assert [(row.achievement, row.counts.recognition_count) for row in named] == [(uris[1], 1)]
    rows = await _rows(verifier, "/v1/awards.csv")
    assert [(row["ects_hundredths_max"], row["ects_max"]) for row in rows] == [
        ("300", "3"),
        ("250", "2.5"),
        ("350", "3.5"),
    ]
    assert {row["issuer_name"] for row in rows} == {f"'{CSV_INJECTION}"}
    (found,) = (await _get(verifier, f"/v1/recognitions?recogniser={quote(other.did)}", RecognisedPage)).recognitions
    assert (found.achievement, found.ects_hundredths) == (uris[1], 125)
    (row,) = await _rows(verifier, f"/v1/recognitions.csv?achievement={quote(uris[1], safe='')}")
    assert (row["recogniser"], row["ects"]) == (other.did, "1.25")


async def test_what_a_condemned_registrar_key_said_leaves_the_register(verifier: Verifier) -> None:
    world = verifier.world
    world.admit("before")
    stolen = world.advance(seconds=5)
    world.advance(seconds=5)
    world.admit("thief")
    await verifier.catches_up()
    assert len((await _get(verifier, "/v1/issuers", IssuerPage)).issuers) == 2
    registrar = world.registrar
    world.say(world.condemnation(registrar, registrar, registrar.event, stolen), key=registrar.recovery)
    await verifier.catches_up()
    assert [row.legal_name for row in (await _get(verifier, "/v1/issuers", IssuerPage)).issuers] == [
        "Before of Example"
    ]


async def test_the_log_is_told_by_days_kinds_and_newest_entries_in_the_readers_language(verifier: Verifier) -> None:
    world = verifier.world
    school = world.admit("school")
    credential_id = world.issued(school, "one", ects_hundredths=350)
    world.say(world.revocation(school, credential_id))
    await verifier.catches_up()
    answer = await _get(verifier, "/v1/log/summary", LogAnswer)
    assert sum(day.entries for day in answer.days) == answer.days[-1].size == world.size
    assert answer.kinds["credential-issued.v2"] == 1
    assert [entry.text for entry in answer.newest] == [
        "School of Example revoked a credential: it was issued in error.",
        "School of Example issued a credential of 3.5 ECTS.",
        "The registrar admitted School of Example (AT) to the register.",
        "The registrar opened the log.",
    ]
    assert answer.newest[1].credential_ids == (credential_id,)
    assert (answer.is_witnessed, answer.witnesses) == (False, ())
    german = await _get(verifier, "/v1/log/summary?lang=de", LogAnswer)
    assert german.newest[0].text != answer.newest[0].text
    assert "School of Example" in german.newest[0].text
    (row,) = [row for row in await _rows(verifier, "/v1/log/growth.csv") if row["day"] == answer.days[-1].day]
    assert row["size"] == str(world.size)


async def test_the_pages_of_the_register_and_the_log_are_there_in_every_language(verifier: Verifier) -> None:
    world = verifier.world
    school, other = world.admit("school", legal_name="School <b>& Co"), world.admit("other")
    credential_id = world.issued(school, "one")
    world.say(world.recognition(other, credential_id))
    world.say(world.closing(school, other))
    await verifier.catches_up()
    for lang in ("en", "de", "es", "fr"):
        found = await verifier.page(f"/issuers?lang={lang}")
        assert "School &lt;b&gt;&amp; Co" in found
        page = await verifier.page(f"/issuers/{quote(school.did, safe='')}?lang={lang}")
        assert "Other of Example" in page
        log = await verifier.page(f"/log?lang={lang}")
        assert (credential_id[:8] in log, "<svg" in log, f"{verifier.url}/v1/checkpoint" in log) == (True, True, True)
    assert "admitted" in await verifier.page("/issuers?q=other&state=active&country=AT&cursor=broken")
    assert "with fewer words" in await verifier.page("/issuers?q=nobody&country=elsewhere")
    assert "Search for its name" in await verifier.page("/issuers/did:web:nobody.example", status=404)
    feed = ET.fromstring(await verifier.page("/log.atom"))
    assert len(feed.findall("{http://www.w3.org/2005/Atom}entry")) == world.size


async def test_a_standing_decision_is_told_with_who_decided_and_with_what_it_is_about(tmp_path: Path) -> None:
    world = World(start=lately(), rules_version=2)
    school, other = world.admit("school"), world.admit("other")
    world.say(world.committed(school, "one"))
    world.say(world.standing_decision(other, school, ects_hundredths=300, description_digest="ab" * 32))
    gone = world.say(world.standing_decision(other, school, programme=f"{other.url}programmes/2"))
    world.say(world.decision_withdrawal(other, world.event_id(gone)))
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        uri = f"{school.url}achievements/1"
        answer = await _get(verifier, f"/v1/issuers/{quote(other.did, safe='')}", IssuerAnswer)
        (decision,) = answer.decisions
        assert (decision.achievement, decision.issuer, decision.ects_hundredths) == (uri, school.did, 300)
        facts = await _get(verifier, f"/v1/achievements/{quote(uri, safe='')}", AchievementFacts)
        assert facts.decisions == (decision,)
        assert "Counts 3 ECTS, in full" in await verifier.page(f"/achievements/{quote(uri, safe='')}")
        assert "Counts 3 ECTS, in full" in await verifier.page(f"/issuers/{quote(other.did, safe='')}")
        assert "decided to recognise in full what School of Example awards" in await verifier.page("/log")


async def test_witnesses_are_told_by_what_was_checked_of_each_and_others_by_their_name_alone(tmp_path: Path) -> None:
    world = World(start=lately())
    world.admit("school")
    there, absent, stranger = (witness_key(name) for name in ("there", "absent", "stranger"))
    note = parse_note(world.checkpoint())
    now = int(time.time())
    lines = (cosign(note, there, now), cosign(note, stranger, now))
    policy = tmp_path / "policy"
    witnesses = "".join(f"witness {key.name} {key.verifier.text}\n" for key in (there, absent))
    policy.write_text(f"log {world.log_key.verifier.text}\n{witnesses}quorum {there.name}\n")
    async with served(world) as log:
        log.checkpoint = Note(text=note.text, signatures=(*note.signatures, *lines)).encode()
        async with running(log, tmp_path / "projection.sqlite", policy_file=policy) as verifier:
            await verifier.catches_up()
            answer = await _get(verifier, "/v1/log/summary", LogAnswer)
            assert answer.is_witnessed
            assert answer.quorum_at == answer.witnesses[0].cosigned_at
            assert [(each.name, each.is_known, each.cosigned_at is None) for each in answer.witnesses] == [
                (there.name, True, False),
                (absent.name, True, True),
                (stranger.name, False, True),
            ]
            page = await verifier.page("/log")
            assert "checked here by its key" in page
            assert "Has not cosigned the newest state." in page
            assert "did not check it" in page


async def test_others_with_whom_the_log_is_compared_are_told_by_what_was_found_last(tmp_path: Path) -> None:
    world = World(start=lately())
    world.admit("school")
    async with served(world) as log, served(world) as mirror:
        addresses = (f"{mirror.url}/checkpoint", "http://127.0.0.1:9/checkpoint")
        async with running(log, tmp_path / "a.sqlite", compare_with=addresses, compare_seconds=1) as verifier:

            async def states() -> bool:
                found = (await _get(verifier, "/v1/log/summary", LogAnswer)).compared
                return [(each.address, each.state) for each in found] == list(
                    zip(addresses, ("same", "failed"), strict=True)
                )

            await until(states)
            page = await verifier.page("/log")
            assert "it was shown the same log" in page
            assert "it did not answer" in page
