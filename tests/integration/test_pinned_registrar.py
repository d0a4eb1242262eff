"""A whole log that lies: same name, same key, a registrar and institutions of its own. Who is new to it, with and
without a pin of the registrar: a verifier, an audit, an offline verification, a gateway.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.base64_strict import decode_base64
from proto.bundles.bundle import encode_bundle
from proto.log import entry as entries
from proto.log.receipt import check_receipt, parse_receipt
from services.auditor import Finding
from services.issuer_gateway.log.log_state import LogNotFollowedProblem
from services.settings import SettingsFault
from tests.support.audits import audit, audit_json
from tests.support.awarded import Awarded, award
from tests.support.bundles import bundle_of, policy_of
from tests.support.commands import credentify
from tests.support.databases import MakeDatabase
from tests.support.gateways import running_gateway
from tests.support.ledgers import RunningLedger
from tests.support.served_logs import served
from tests.support.tiled_logs import served_tiles
from tests.support.verifiers import Verifier, codes, running, until
from tests.support.worlds import World

TRUE = World()
"""The log that everybody means."""


def false_log() -> tuple[World, Awarded]:
    """Return a log that whoever holds the log's key made alone, and what it says a well-known school has awarded."""
    world = World(registrar="somebody else")
    assert world.log_key.verifier == TRUE.log_key.verifier
    return world, award(world, world.admit("school"))


PINS = [pytest.param(TRUE.registrar.did, id="registrar"), pytest.param(TRUE.event_id(0), id="entry 0")]


async def _faulty(verifier: Verifier, awarded: Awarded) -> None:
    async def ask() -> bool:
        return codes(await verifier.post(awarded.data))["freshness"] == "log-faulty"

    await until(ask)


async def test_a_new_verifier_without_a_pin_believes_the_false_log_and_says_that_nothing_is_pinned(
    tmp_path: Path,
) -> None:
    world, awarded = false_log()
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as verifier:
        await verifier.catches_up()
        answer = await verifier.post(awarded.data)
        assert (answer["verdict"], answer["as_of"]["pinned"]) == ("valid", False)
        page = await verifier.page(f"/c/{awarded.credential_id}")
        assert "Nothing pins the registrar of this log here" in page


@pytest.mark.parametrize("pin", PINS)
async def test_a_new_verifier_with_a_pin_confirms_nothing_of_the_false_log(tmp_path: Path, pin: str) -> None:
    world, awarded = false_log()
    async with served(world) as log, running(log, tmp_path / "projection.sqlite", registrar=(pin,)) as verifier:
        await _faulty(verifier, awarded)
        answer = await verifier.post(awarded.data)
        assert answer["verdict"] == "indeterminate"
        assert pin in answer["checks"][-1]["cause"]
        assert world.registrar.did in answer["checks"][-1]["cause"]
        assert (await verifier.get(f"/v1/credentials/{awarded.credential_id}", status=404))["fresh"] is False


@pytest.mark.parametrize("pin", PINS)
async def test_a_pin_is_met_by_the_true_log_and_every_answer_says_so(tmp_path: Path, pin: str) -> None:
    world = World()
    awarded = award(world, world.admit("school"))
    pins = ("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", pin)
    async with served(world) as log, running(log, tmp_path / "projection.sqlite", registrar=pins) as verifier:
        await verifier.catches_up()
        for answer in (
            await verifier.post(awarded.data),
            await verifier.get(f"/v1/credentials/{awarded.credential_id}"),
            await verifier.get(f"/v1/credentials/{awarded.credential_id}?at={world.now}"),
            await verifier.get("/v1/statistics"),
            await verifier.get(f"/v1/issuers/{world.party('school').did}"),
        ):
            assert answer["as_of"]["pinned"] is True
        assert "The registrar of this log is pinned here." in await verifier.page(f"/c/{awarded.credential_id}")


@pytest.mark.parametrize("pin", PINS)
async def test_a_pin_that_is_set_later_holds_against_what_was_replayed_before_and_can_be_corrected(
    tmp_path: Path, pin: str
) -> None:
    world, awarded = false_log()
    file = tmp_path / "projection.sqlite"
    async with served(world) as log:
        async with running(log, file) as verifier:
            await verifier.catches_up()
            assert await verifier.verdict(awarded) == "valid"
        async with running(log, file, registrar=(pin,)) as verifier:
            await _faulty(verifier, awarded)
            assert await verifier.verdict(awarded) == "indeterminate"
        for own in (world.registrar.did, world.event_id(0)):
            async with running(log, file, registrar=(own,)) as verifier:
                await verifier.catches_up()
                assert await verifier.verdict(awarded) == "valid"


async def test_a_pin_that_is_none_is_refused_with_words(tmp_path: Path) -> None:
    async with served(World()) as log:
        for wrong in ("did:web:registrar.example", "z6Mk", "did:key:z6MkX", "0" * 63):
            with pytest.raises(SettingsFault, match="GET /v1/log"):
                async with running(log, tmp_path / "projection.sqlite", registrar=(wrong,)):
                    pass


@pytest.mark.parametrize("pin", PINS)
async def test_an_audit_with_a_pin_finds_the_false_log_out(tmp_path: Path, pin: str) -> None:
    world, _ = false_log()
    async with served_tiles(world) as log:
        status, out, _ = await audit(log, "--once")
        assert (status, "NOT pinned" in out, world.registrar.did in out) == (0, True, True)
        kept = ("--state", str(tmp_path / "state"))
        assert (await audit_json(log, *kept))[1]["is_pinned"] is False
        for remembered in ((), kept):  # new to it, and after it was taken for true
            evidence = tmp_path / "evidence.json"
            status, found = await audit_json(log, *remembered, "--registrar", pin, "--evidence", str(evidence))
            assert (status, found["finding"]["kind"]) == (1, "registrar")
            finding = msgspec.json.decode(evidence.read_bytes(), type=Finding)
            assert finding.receipt is not None
            assert finding.checkpoints
    async with served_tiles(World()) as log:
        status, found = await audit_json(log, "--registrar", pin)
        assert (status, found["is_pinned"], found["registrar"]) == (0, True, TRUE.registrar.did)
        status, _, err = await audit(log, "--once", "--registrar", "somebody")
        assert (status, "GET /v1/log" in err) == (3, True)


async def test_the_finding_holds_the_false_opening_with_its_proof(tmp_path: Path) -> None:
    world, _ = false_log()
    evidence = tmp_path / "evidence.json"
    async with served_tiles(world) as log:
        await audit(log, "--once", "--registrar", TRUE.registrar.did, "--evidence", str(evidence))
    finding = msgspec.json.decode(evidence.read_bytes(), type=Finding)
    assert finding.entry is not None
    assert finding.receipt is not None
    data = decode_base64(finding.entry)
    check_receipt(parse_receipt(finding.receipt.encode()), data, policy_of(finding.verifier_key))
    assert entries.decode(data).index == 0


async def _offline(folder: Path, world: World, awarded: Awarded, *lines: str) -> tuple[int, dict[str, Any]]:
    """Run `credentify verify --offline` under a policy with these lines besides."""
    (folder / "document.json").write_bytes(awarded.data)
    (folder / "bundle.json").write_bytes(encode_bundle(bundle_of(world, awarded.credential_id)))
    policy = ["log " + world.log_key.verifier.text, *lines, "quorum none"]
    (folder / "policy").write_text("\n".join(policy) + "\n")
    files = (folder / "document.json", folder / "bundle.json", "--policy", folder / "policy")
    ran = await credentify("verify", "--offline", "--json", *files)
    return ran.status, json.loads(ran.out)


@pytest.mark.parametrize("pin", PINS)
async def test_offline_a_pin_in_the_policy_finds_the_false_log_out(tmp_path: Path, pin: str) -> None:
    world, awarded = false_log()
    status, answer = await _offline(tmp_path, world, awarded)
    assert (status, answer["as_of"]["pinned"]) == (2, False)
    status, answer = await _offline(tmp_path, world, awarded, f"registrar {pin}")
    assert (status, answer["verdict"]) == (1, "invalid")
    assert codes(answer)["issuer"] == "registrar-not-pinned"
    true = World()
    held = award(true, true.admit("school"))
    status, answer = await _offline(tmp_path, true, held, f"registrar {world.registrar.did}", f"registrar {pin}")
    assert (status, answer["as_of"]["pinned"]) == (2, True)
    assert codes(answer)["issuer"] == "issuer-in-scope"


async def test_a_gateway_says_nothing_to_a_log_that_is_not_the_pinned_one(
    make_database: MakeDatabase, ledger: RunningLedger, tmp_path: Path
) -> None:
    other = World(registrar="somebody else").registrar.did
    async with running_gateway(make_database, tmp_path / "gateway", ledger, registrar=(other,)) as gateway:
        office = await gateway.tenant("waterland")
        await ledger.say(ledger.registrar.admission(ledger.registrar.party("college")))
        uri = (await office.describe()).achievement.uri

        async def ask() -> bool:
            assert gateway.inside is not None
            return gateway.inside.follower.health().state == "faulty"

        await until(ask)
        refused = await office.client.post("/v1/credentials", office.award(uri))
        assert (refused.status, refused.slug) == (503, LogNotFollowedProblem.slug)
        assert other in refused.body["detail"]
    own = ledger.registrar.registrar.did
    async with running_gateway(make_database, tmp_path / "pinned", ledger, registrar=(own,)) as gateway:
        await gateway.institution("nadmorska")


async def test_the_log_shows_what_is_to_be_pinned(ledger: RunningLedger) -> None:
    status, body, _ = await ledger.get("/v1/log")
    shown = msgspec.json.decode(body)
    assert (status, shown["registrar"]) == (200, ledger.registrar.registrar.did)
    place = await ledger.client.event(shown["opening"])
    assert place is not None
    assert place.index == 0
