"""What the ledger publishes: tiles, bundles, proofs and receipts that lead to the checkpoint, and nothing beyond it."""

import asyncio

import msgspec
import pytest
from openapi_spec_validator import validate
from securesystemslib.dsse import Envelope as ForeignEnvelope
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # re-exported without __all__

from proto.envelope import open_envelope
from proto.ids import LeafIndex, TreeSize
from proto.keys import decode_public_key
from proto.log import entry as entries
from proto.log.checkpoint import Checkpoint, open_checkpoint
from proto.log.merkle import Frontier, Hash, check_consistency, leaf_hash
from proto.log.note_key import parse_vkey
from proto.log.policy import parse_policy
from proto.log.receipt import check_receipt, parse_receipt
from proto.log.tile import BundleId, TileId, bundles_of, decode_bundle, split_tile, tiles_of
from proto.log.tile_proof import frontier_of_tiles, tiles_for_root
from services.clients.log_client import LogProblem
from services.ledger.config import SETTINGS_PREFIX, Config
from services.settings import describe_settings
from tests.support.ledgers import Registrar, RunningLedger

COUNT = 700


@pytest.fixture
def rules_version() -> int:
    """What is said to the log here is said by version 1."""
    return 1


async def filled(ledger: RunningLedger, registrar: Registrar, count: int = COUNT) -> Checkpoint:
    """Append that many credentials and return the checkpoint that covers them."""
    college = await ledger.admit("college")
    await ledger.submit(registrar.issues(college, count))
    note = await ledger.published(count + 2)
    return open_checkpoint(note, parse_vkey(ledger.verifier_key)).checkpoint


async def fetched(ledger: RunningLedger, name: TileId | BundleId) -> bytes:
    status, body, headers = await ledger.get(f"/{name.path}")
    assert (status, headers["Content-Type"]) == (200, "application/octet-stream"), name.path
    assert "immutable" in headers["Cache-Control"]
    return body


async def test_tiles_and_bundles_lead_to_the_root_of_the_checkpoint(
    ledger: RunningLedger, registrar: Registrar
) -> None:
    checkpoint = await filled(ledger, registrar)
    leaves: list[Hash] = []
    for bundle in bundles_of(checkpoint.size):
        found = decode_bundle(await fetched(ledger, bundle), bundle.width)
        tile = TileId(0, bundle.index, bundle.width)
        assert split_tile(tile, await fetched(ledger, tile)) == [leaf_hash(entry) for entry in found]
        leaves += [leaf_hash(entry) for entry in found]
    assert Frontier().extend(leaves).root() == checkpoint.root_hash
    tiles = {tile: await fetched(ledger, tile) for tile in tiles_of(checkpoint.size)}
    needed = {tile: tiles[tile] for tile in tiles_for_root(checkpoint.size)}
    assert frontier_of_tiles(checkpoint.size, needed).root() == checkpoint.root_hash


async def test_every_partial_of_an_earlier_size_is_served(ledger: RunningLedger, registrar: Registrar) -> None:
    checkpoint = await filled(ledger, registrar, 260)
    whole = split_tile(TileId(0, 0), await fetched(ledger, TileId(0, 0)))
    for width in (1, 2, 100, 255):
        tile = TileId(0, 0, width)
        assert split_tile(tile, await fetched(ledger, tile)) == whole[:width]
        assert len(decode_bundle(await fetched(ledger, BundleId(0, width)), width)) == width
    assert checkpoint.size == 262


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/0/001", 404),
        ("/tile/0/000", 404),
        ("/tile/0/000.p/200", 404),
        ("/tile/1/000", 404),
        ("/tile/entries/000", 404),
        ("/tile/entries/001.p/1", 404),
        ("/tile/0/0", 400),
        ("/tile/0/x000/000", 400),
        ("/tile/00/000.p/2", 400),
        ("/tile/64/000", 400),
        ("/tile/0/000.p/0", 400),
        ("/tile/0/000.p/02", 400),
        ("/tile/0/000.p/256", 400),
        ("/tile/0/000.p/2?x=1", 400),
        ("/tile/0/000%2Ep/2", 400),
        ("/tile/entries/../0/000.p/2", 400),
        ("/tile/0/000.p/2/", 400),
    ],
)
async def test_nothing_unpublished_and_no_other_spelling_is_served(
    ledger: RunningLedger, registrar: Registrar, path: str, status: int
) -> None:
    await filled(ledger, registrar, 1)
    found, _, headers = await ledger.get(path)
    assert found == status
    assert headers["Cache-Control"] == "no-store"


async def test_the_checkpoint_is_never_cached(ledger: RunningLedger) -> None:
    status, body, headers = await ledger.get("/checkpoint")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert (headers["Cache-Control"], headers["Access-Control-Allow-Origin"]) == ("no-store", "*")
    assert open_checkpoint(body, parse_vkey(ledger.verifier_key)).checkpoint.size == 1


async def test_receipts_verify_under_the_policy_that_the_log_names(ledger: RunningLedger, registrar: Registrar) -> None:
    checkpoint = await filled(ledger, registrar, 300)
    info = await ledger.client.log()
    policy = parse_policy(info.witness_policy.encode())
    stored = [entry async for entry in ledger.client.entries(0, checkpoint.size)]
    for index in (0, 1, 255, 256, checkpoint.size - 1):
        receipt = parse_receipt(await ledger.client.receipt(LeafIndex(index)))
        assert receipt.index == index
        assert check_receipt(receipt, stored[index], policy).checkpoint.size == checkpoint.size
    with pytest.raises(LogProblem) as beyond:
        await ledger.client.receipt(LeafIndex(checkpoint.size))
    assert beyond.value.log_slug == "not-published"


async def test_each_size_is_consistent_with_the_published_one(ledger: RunningLedger, registrar: Registrar) -> None:
    checkpoint = await filled(ledger, registrar, 300)
    leaves = [leaf_hash(entry) async for entry in ledger.client.entries(0, checkpoint.size)]
    for old in (1, 2, 3, 255, 256, 257, checkpoint.size):
        proof = [Hash(each) for each in await ledger.client.consistency(TreeSize(old), checkpoint.size)]
        root = Frontier().extend(leaves[:old]).root()
        check_consistency(TreeSize(old), checkpoint.size, root, checkpoint.root_hash, proof)
    for old, new in ((0, 2), (3, 2), (1, checkpoint.size + 1)):
        with pytest.raises(LogProblem):
            await ledger.client.consistency(TreeSize(old), TreeSize(new))


async def test_entries_are_clipped_to_what_is_published(ledger: RunningLedger, registrar: Registrar) -> None:
    checkpoint = await filled(ledger, registrar, 300)
    found = [entry async for entry in ledger.client.entries(290, 10_000)]
    assert [entries.decode(entry).index for entry in found] == list(range(290, checkpoint.size))
    assert [entry async for entry in ledger.client.entries(checkpoint.size, 10_000)] == []
    _, _, clipped = await ledger.get("/v1/entries?from=0&to=10000")
    _, _, whole = await ledger.get("/v1/entries?from=0&to=10")
    assert (clipped["Cache-Control"], "immutable" in whole["Cache-Control"]) == ("no-store", True)
    assert (await ledger.get("/v1/entries?from=5&to=4"))[0] == 422
    assert (await ledger.get("/v1/entries?to=4"))[0] == 422


async def test_a_long_poll_ends_with_the_next_checkpoint(ledger: RunningLedger) -> None:
    waiting = asyncio.create_task(ledger.client.checkpoint_after(1, wait_seconds=20))
    assert await ledger.client.checkpoint_after(1, wait_seconds=0) is None
    await ledger.admit("college")
    note = await waiting
    assert note is not None
    assert open_checkpoint(note, parse_vkey(ledger.verifier_key)).checkpoint.size == 2


async def test_an_event_has_a_place_and_an_unknown_one_has_none(ledger: RunningLedger, registrar: Registrar) -> None:
    envelope = registrar.seal(registrar.admission(registrar.party("college")))
    answer = await ledger.client.submit_one(envelope)
    await ledger.published(2)
    place = await ledger.client.event(answer.event_id)
    assert place is not None
    assert (place.index, place.leaf_hash, place.is_published) == (answer.index, answer.leaf_hash, True)
    unknown = open_envelope(registrar.seal(registrar.admission(registrar.party("other")))).event_id
    assert await ledger.client.event(unknown) is None
    assert (await ledger.get("/v1/events/nonsense"))[0] == 422


async def test_securesystemslib_verifies_the_envelope_of_a_stored_entry(
    ledger: RunningLedger, registrar: Registrar
) -> None:
    checkpoint = await filled(ledger, registrar, 1)
    stored = [entry async for entry in ledger.client.entries(0, checkpoint.size)]
    envelope = entries.decode(stored[2]).envelope
    key_id, college = envelope.signatures[0].keyid, registrar.party("college")
    raw = decode_public_key(college.event.public_key)
    key = SSlibKey(key_id, "ed25519", "ed25519", {"public": raw.hex()})
    foreign = ForeignEnvelope.from_dict(
        {
            "payload": envelope.payload,
            "payloadType": envelope.payload_type,
            "signatures": [{"keyid": key_id, "sig": envelope.signatures[0].sig}],
        }
    )
    assert key_id in foreign.verify([key], 1)


async def test_the_service_describes_itself(ledger: RunningLedger) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/docs"):
        assert (await ledger.get(path))[0] == 200, path
    validate(msgspec.json.decode((await ledger.get("/openapi.json"))[1]))
    assert all(description for *_, description in describe_settings(Config, SETTINGS_PREFIX))
    info = await ledger.client.log()
    assert (info.origin, info.verifier_key) == (ledger.registrar.origin, ledger.verifier_key)
    assert (info.tree_size, info.published_size, info.rules_version) == (1, 1, ledger.registrar.rules_version)
