"""An auditor over the tiles alone, against logs that are honest and logs that lie in every way."""

import contextlib
import errno
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from proto.base64_strict import decode_base64
from proto.ids import Origin, TreeSize
from proto.lifecycle import UnknownRulesProblem
from proto.log.checkpoint import open_checkpoint, sign_checkpoint
from proto.log.merkle import Hash, check_consistency
from proto.log.note_key import SignerKey, parse_vkey
from proto.log.policy import QuorumProblem
from proto.log.receipt import check_receipt, parse_receipt
from proto.log.tile import BundleId, TileId, bundles_of, parse_path, tiles_of
from services.auditor import AuditState, AuditStateProblem, Finding
from services.auditor.state import PIN_FILE, PROJECTION_FILE
from services.clients.log_client import LogProblem, LogUnreachableProblem
from services.persistence.durable_file import write_durably
from tests.support.audits import AuditStage, small_world, stage_of
from tests.support.bundles import cosigned, log_policy, witness_policy_text
from tests.support.served_logs import force, force_and_believe
from tests.support.statements import secret_key
from tests.support.worlds import World, activate_unknown_rules

LARGE = 600


def large_world() -> World:
    world = World()
    school = world.admit("school")
    while world.size < LARGE:
        world.issued(school)
    return world


@pytest.fixture(scope="module")
def large() -> World:
    """Two full tiles and a partial one; nobody may add to it."""
    return large_world()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[AuditStage]:
    async with stage_of(small_world(), tmp_path) as found:
        yield found


@pytest.fixture
async def large_stage(tmp_path: Path, large: World) -> AsyncIterator[AuditStage]:
    async with stage_of(large, tmp_path) as found:
        yield found


# Honest logs.


async def test_an_honest_log_is_proven_whole_and_every_tile_and_bundle_is_read(large_stage: AuditStage) -> None:
    seen = await large_stage.auditor.step()
    size = large_stage.world.size
    tiles, bundles = list(tiles_of(size)), list(bundles_of(size))
    assert (seen.size, seen.root_hash) == (size, large_stage.world.root_hash())
    assert (seen.entry_count, seen.tile_count) == (size, len(tiles))
    asked = {parse_path(path) for path in large_stage.log.paths if path.startswith("tile/")}
    assert asked >= {*tiles, *bundles}
    assert large_stage.progress.entry_counts[-1] == (size, size)
    assert large_stage.progress.tile_counts[-1] == (len(tiles), len(tiles))


async def test_growth_is_audited_from_where_it_was_also_after_a_restart(tmp_path: Path) -> None:
    world = small_world(count=250)
    async with stage_of(world, tmp_path) as stage:
        await stage.auditor.step()
        school = world.party("school")
        while world.size < 300:
            world.issued(school)
        seen = await stage.new().step()
        assert (seen.size, seen.entry_count) == (300, 50)
        assert seen.tile_count == 3  # both of level 0 and the one above
        again = await stage.auditor.step()
        assert (again.entry_count, again.tile_count) == (0, 0)


async def test_a_partial_tile_that_is_not_served_any_more_is_cut_from_the_full_one(large_stage: AuditStage) -> None:
    log = large_stage.log
    log.checkpoint = log.world.checkpoint(500)
    log.missing = {TileId(0, 1, 244).path, BundleId(1, 244).path}
    assert (await large_stage.auditor.step()).size == 500


async def test_a_log_that_asks_to_wait_is_waited_for(stage: AuditStage) -> None:
    stage.log.refusals = [
        *(web.Response(status=429, headers={"Retry-After": "0"}) for _ in range(6)),
        *(web.Response(status=503) for _ in range(2)),
    ]
    assert (await stage.auditor.step()).size == stage.world.size
    assert stage.log.refusals == []


async def test_a_log_that_goes_away_is_not_held_to_lie(stage: AuditStage) -> None:
    stage.log.refusals = [web.Response(status=503) for _ in range(100)]
    with pytest.raises(LogUnreachableProblem):
        await stage.auditor.step()


async def test_a_fork_that_was_shown_once_with_nothing_behind_it_is_found_although_the_auditor_began_anew(
    stage: AuditStage,
) -> None:
    await stage.auditor.step()
    other = World()
    college = other.admit("college")
    while other.size < stage.world.size + 2:
        other.issued(college)
    stage.log.checkpoint = other.checkpoint()
    stage.log.refusals = [web.Response(status=503) for _ in range(100)]
    with pytest.raises(LogUnreachableProblem):
        await stage.auditor.step()
    stage.log.checkpoint, stage.log.refusals = None, []
    stage.new()
    for number in range(3):
        stage.world.issued(stage.world.party("school"), f"later {number}")
    finding = await stage.finds("fork", is_conclusive=True)
    assert other.checkpoint().decode() in finding.checkpoints


async def test_an_empty_log_is_no_fault(stage: AuditStage) -> None:
    stage.log.size = 0
    assert (await stage.auditor.step()).size == 0
    stage.log.size = None
    assert (await stage.auditor.step()).size == stage.world.size


# Logs that lie.


async def test_an_altered_entry_is_found_and_named(large_stage: AuditStage) -> None:
    log, index = large_stage.log, 300
    altered = log.world.entries[index].replace(b'"payload":"e', b'"payload":"f')
    bundle = BundleId(1)

    def tamper(path: str, data: bytes) -> bytes:
        return data.replace(log.world.entries[index], altered) if path == bundle.path else data

    log.tamper = tamper
    finding = await large_stage.finds("altered", is_conclusive=False)
    assert (finding.index, finding.path) == (index, bundle.path)
    assert decode_base64(finding.served or "") == altered
    assert decode_base64(finding.expected or "") == log.world.leaf_hashes[index]
    assert large_stage.auditor.origin in finding.checkpoints[0]


@pytest.mark.parametrize(
    "tile", [TileId(0, 0), TileId(0, 1), TileId(0, 2, 88), TileId(1, 0, 2)], ids=lambda tile: tile.path
)
async def test_an_altered_tile_is_found_and_named(large_stage: AuditStage, tile: TileId) -> None:
    large_stage.log.tamper = lambda path, data: data[:-1] + bytes([data[-1] ^ 1]) if path == tile.path else data
    finding = await large_stage.finds("tile", is_conclusive=False)
    if tile.is_full:
        assert finding.path == tile.path
    else:  # those on the right edge vouch for each other
        assert tile.path in finding.detail


async def test_a_tile_that_is_altered_for_an_instant_is_no_fault(large_stage: AuditStage) -> None:
    seen: set[str] = set()

    def tamper(path: str, data: bytes) -> bytes:
        if path in seen:
            return data
        seen.add(path)
        return data[:-1] + bytes([data[-1] ^ 1])

    large_stage.log.tamper = tamper
    assert (await large_stage.auditor.step()).size == LARGE


async def test_an_entry_that_changes_in_a_bundle_that_grows_is_found(stage: AuditStage) -> None:
    await stage.auditor.step()
    old = stage.world.entries[2]
    altered = old.replace(b'"payload":"e', b'"payload":"f')
    stage.world.issued(stage.world.party("school"))
    stage.log.tamper = lambda path, data: data.replace(old, altered) if "entries" in path else data
    finding = await stage.finds("altered", is_conclusive=False)
    assert finding.index == 2


async def test_a_tile_that_is_not_served_is_a_finding(large_stage: AuditStage) -> None:
    large_stage.log.missing = {TileId(0, 0).path}
    finding = await large_stage.finds("unserved", is_conclusive=False)
    assert "404" in finding.detail


@pytest.mark.parametrize("name", [BundleId(0, 7).path, TileId(0, 0, 7).path])
async def test_what_is_cut_off_is_a_finding(stage: AuditStage, name: str) -> None:
    stage.log.tamper = lambda path, data: data[:-1] if path == name else data
    await stage.finds("unserved", is_conclusive=False)


async def test_two_trees_of_one_size_are_conclusive(stage: AuditStage) -> None:
    await stage.auditor.step()
    stage.log.world = small_world("college")
    finding = await stage.finds("fork", is_conclusive=True)
    notes = [open_checkpoint(note.encode(), stage.world.log_key.verifier).checkpoint for note in finding.checkpoints]
    assert notes[0].size == notes[1].size
    assert notes[0].root_hash != notes[1].root_hash


@pytest.mark.parametrize("is_projection_lost", [False, True])
async def test_a_fork_that_grew_is_conclusive_and_anybody_can_check_it(
    stage: AuditStage, *, is_projection_lost: bool
) -> None:
    await stage.auditor.step()
    if is_projection_lost:
        stage.close()
        for path in stage.folder.glob(f"{PROJECTION_FILE}*"):
            path.unlink()
        stage.new()
    honest = stage.world
    stage.log.world = small_world("college", count=11)
    check_fork(honest, await stage.finds("fork", is_conclusive=True))


async def test_a_smaller_fork_is_conclusive_too(stage: AuditStage) -> None:
    await stage.auditor.step()
    stage.log.world = small_world("college", count=5)
    check_fork(stage.world, await stage.finds("fork", is_conclusive=True))


def check_fork(world: World, finding: Finding) -> None:
    """Check the evidence as a third party does: with the log's public key and nothing else."""
    small, large = (open_checkpoint(note.encode(), world.log_key.verifier).checkpoint for note in finding.checkpoints)
    other, *proof = (Hash(decode_base64(text, length=32)) for text in finding.proof)
    assert other != small.root_hash
    check_consistency(small.size, large.size, other, large.root_hash, proof)


async def test_a_log_that_is_set_back_is_a_finding(stage: AuditStage) -> None:
    await stage.auditor.step()
    stage.log.size = 4
    finding = await stage.finds("rollback", is_conclusive=False)
    sizes = [open_checkpoint(n.encode(), stage.world.log_key.verifier).checkpoint.size for n in finding.checkpoints]
    assert sizes == [4, 7]


async def test_a_log_that_is_set_back_is_found_even_if_the_projection_was_lost(stage: AuditStage) -> None:
    await stage.auditor.step()
    stage.close()
    for path in stage.folder.glob(f"{PROJECTION_FILE}*"):
        path.unlink()
    stage.log.size = 4
    stage.new()
    await stage.finds("rollback", is_conclusive=False)


async def test_a_broken_rule_comes_with_a_receipt_that_anybody_can_check(stage: AuditStage) -> None:
    stranger = stage.world.party("stranger")
    index = force(stage.world, stage.world.seal(stage.world.committed(stranger, "x"), key=stranger.event))
    stage.world.issued(stage.world.party("school"))
    finding = await stage.finds("rule", is_conclusive=True)
    assert finding.index == index
    entry = decode_base64(finding.entry or "")
    receipt = parse_receipt((finding.receipt or "").encode())
    assert (entry, receipt.index) == (stage.world.entries[index], index)
    check_receipt(receipt, entry, log_policy(stage.world))


async def test_a_wrong_signature_a_broken_chain_and_time_that_goes_back_are_conclusive(tmp_path: Path) -> None:
    for kind, changed in (
        ("signature", {}),
        ("chain", {"previous": bytes(32)}),
        ("order", {"received_at": "2025-12-31T00:00:00.000Z"}),
    ):
        world = small_world()
        school = world.party("school")
        envelope = world.seal(world.committed(school, "c"))
        other = world.seal(world.committed(school, "d"))
        if kind == "signature":
            envelope = msgspec.structs.replace(envelope, signatures=other.signatures)
        force(world, envelope, **changed)
        async with stage_of(world, tmp_path / kind) as stage:
            finding = await stage.finds(kind, is_conclusive=True)
            check_receipt(
                parse_receipt((finding.receipt or "").encode()), decode_base64(finding.entry or ""), log_policy(world)
            )


async def test_a_checkpoint_of_another_key_or_log_is_a_finding(stage: AuditStage) -> None:
    thief = SignerKey(name=stage.world.origin, secret=secret_key("thief"))
    signed = open_checkpoint(stage.world.checkpoint(), stage.world.log_key.verifier)
    for note in (
        sign_checkpoint(signed.checkpoint, thief).encode(),
        World(origin=Origin("log.example/other")).checkpoint(),
        b"<html>welcome to the hotel</html>",
    ):
        stage.log.checkpoint = note
        await stage.finds("checkpoint", is_conclusive=False)


# What is no lie.


async def test_rules_that_are_not_known_stop_the_audit(stage: AuditStage) -> None:
    world = stage.world
    activate_unknown_rules(world)
    force_and_believe(world, world.seal(world.committed(world.party("school"), "c")))
    with pytest.raises(UnknownRulesProblem):
        await stage.auditor.step()


async def test_without_the_quorum_nothing_is_proven(stage: AuditStage) -> None:
    stage.policy = witness_policy_text(stage.world)
    stage.new()
    with pytest.raises(QuorumProblem):
        await stage.auditor.step()
    stage.log.checkpoint = cosigned(stage.world).encode()
    assert (await stage.auditor.step()).size == stage.world.size


async def test_where_there_is_no_log_nothing_is_held_against_it(stage: AuditStage) -> None:
    stage.log.url = f"{stage.log.url}/elsewhere"
    with pytest.raises(LogProblem):
        await stage.new().step()
    stage.log.url = "http://127.0.0.1:1"
    with pytest.raises(LogUnreachableProblem):
        await stage.new().step()


# What is kept.


async def test_the_pin_is_the_newest_proven_checkpoint(stage: AuditStage) -> None:
    await stage.auditor.step()
    pin = msgspec.json.decode((stage.folder / PIN_FILE).read_bytes())
    assert pin == {"checkpoint": stage.world.checkpoint().decode(), "tiles_size": 7}
    assert [path.name for path in stage.folder.glob(".*")] == []


@pytest.mark.parametrize("content", [b"", b"\0" * 200, b"{}", b'{"checkpoint":"","tiles_size":7}'])
async def test_a_damaged_pin_is_refused_and_not_overwritten(stage: AuditStage, content: bytes) -> None:
    (stage.folder / PIN_FILE).write_bytes(content)
    with pytest.raises(AuditStateProblem):
        stage.new()
    assert (stage.folder / PIN_FILE).read_bytes() == content


async def test_a_pin_of_another_log_or_with_more_tiles_than_there_are_is_refused(stage: AuditStage) -> None:
    other = World(origin=Origin("log.example/other")).checkpoint().decode()
    for pin in (
        {"checkpoint": other, "tiles_size": 0},
        {"checkpoint": stage.world.checkpoint().decode(), "tiles_size": 8},
    ):
        (stage.folder / PIN_FILE).write_bytes(msgspec.json.encode(pin))
        with pytest.raises(AuditStateProblem):
            stage.new()


async def test_no_byte_of_the_pin_can_be_altered_unseen(stage: AuditStage) -> None:
    await stage.auditor.step()
    data = (stage.folder / PIN_FILE).read_bytes()
    key = parse_vkey(stage.key)
    whole = AuditState(stage.folder, key).pinned
    for at in range(len(data)):
        (stage.folder / PIN_FILE).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with contextlib.suppress(AuditStateProblem):
            state = AuditState(stage.folder, key)
            assert state.pinned == whole  # the count of tiles alone is not signed
            assert state.pin is not None
            assert state.pin.tiles_size < TreeSize(7)


def test_a_write_that_fails_leaves_the_old_file_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fsync = tmp_path / "file", os.fsync
    write_durably(path, b"old")
    for fails_at, content in ((1, b"old"), (2, b"new")):  # before the rename: not persisted; after it: persisted
        calls: Iterator[int] = itertools.count(1)

        def fail(descriptor: int, calls: Iterator[int] = calls, fails_at: int = fails_at) -> None:
            if next(calls) == fails_at:
                raise OSError(errno.EIO, "the disk is gone")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="gone"):
            write_durably(path, b"new")
        assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (content, ["file"])
