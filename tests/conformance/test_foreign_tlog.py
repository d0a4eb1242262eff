"""Code that others wrote walks our tiles over HTTP, reaches our checkpoint's root and agrees with our proofs."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.ids import LeafIndex, Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import Checkpoint, cosign, sign_checkpoint
from proto.log.merkle import Hash, check_consistency, check_inclusion, leaf_hash
from proto.log.note import Note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.tile import TILE_WIDTH, BundleId, TileId, bundles_of, encode_bundle, tiles_of
from proto.log.tile_edge import TileEdge, grow

LOG = SignerKey(name="log.example/foreign", kind=KeyKind.ED25519, secret=SecretKey(bytes([1]) * 32))
WITNESS = SignerKey(name="w.example", kind=KeyKind.COSIGNATURE, secret=SecretKey(bytes([2]) * 32))
BATCH = 500
SIZES = (1, 255, 256, 700, 66_000)


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A log as anybody sees it: the folder, its address over HTTP, and what we say its size and root are."""

    folder: Path
    url: str
    size: TreeSize
    root: Hash
    old_size: TreeSize
    old_root: Hash


def entry(index: int) -> bytes:
    return f'{{"index":{index}}}'.encode() * (1 + index % 3)


def write(folder: Path, path: str, data: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)


def publish(folder: Path, size: int) -> tuple[Hash, TreeSize, Hash]:
    """Write checkpoint, tiles and bundles of a tree; return its root, and size and root of one it grew from."""
    edge, old = TileEdge(), TileEdge()
    for begin in range(0, size, BATCH):
        growth = grow(edge, [leaf_hash(entry(i)) for i in range(begin, min(begin + BATCH, size))])
        old = growth.edge if edge.size == 0 or begin <= size // 2 else old
        edge = growth.edge
        for tile, data in growth.full_tiles:
            write(folder, tile.path, data)
    for tile, data in edge.tiles.items():
        write(folder, tile.path, data)
    for bundle in bundles_of(edge.size):
        first = bundle.index * TILE_WIDTH
        write(folder, bundle.path, encode_bundle([entry(i) for i in range(first, first + bundle.width)]))
    checkpoint = Checkpoint(origin=Origin(LOG.name), size=edge.size, root_hash=edge.root())
    note = sign_checkpoint(checkpoint, LOG)
    note = Note(text=note.text, signatures=(*note.signatures, cosign(note, WITNESS, 1_700_000_000)))
    write(folder, "checkpoint", note.encode())
    return checkpoint.root_hash, old.size, old.root()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: each request of a walk would be a line."""


@pytest.fixture(scope="module", params=SIZES)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("log")
    root, old_size, old_root = publish(folder, request.param)
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield Published(
            folder=folder, url=url, size=TreeSize(request.param), root=root, old_size=old_size, old_root=old_root
        )
        server.shutdown()
        thread.join()


def sample(size: int) -> list[int]:
    """Return some indexes of a tree: the corners of its tiles, and a few between."""
    return sorted({i for i in (0, 1, 255, 256, size // 2, size // 3, size - 2, size - 1) if 0 <= i < size})


@pytest.fixture
def scales(published: Published) -> Iterator[Any]:
    """A reader of tlog-scales on the published log, with the size of the checkpoint that it read itself."""
    reader = pytest.importorskip("tlog_scales.reader", reason="the package tlog-scales is not installed")
    backend = pytest.importorskip("tlog_scales.backend").HttpBackend(published.url)
    backend.session.trust_env = False  # no proxy stands between loopback and loopback
    found = reader.TilesReader(backend)
    found.get_checkpoint()
    yield found
    backend.session.close()


def test_tlog_scales_reaches_our_root_from_our_tiles(scales: Any, published: Published) -> None:
    checkpoint = scales.get_checkpoint()
    assert (checkpoint.origin, checkpoint.size, checkpoint.root_hash) == (LOG.name, published.size, published.root)
    assert scales.calculate_root_hash() == published.root


def test_tlog_scales_verifies_our_signature_and_cosignature(scales: Any) -> None:
    vkey = pytest.importorskip("tlog_scales.signing").Vkey
    checkpoint = scales.get_checkpoint()
    for key in (LOG.verifier, WITNESS.verifier):
        checkpoint.verify(vkey.from_string(key.text))


def test_tlog_scales_finds_every_entry_under_our_root(scales: Any, published: Published) -> None:
    for index in sample(published.size):
        found = scales.get_entry(index)
        assert found == entry(index)
        proof = scales.get_inclusion_proof(index, published.size)
        proof.check(leaf_hash(found), published.root)
        hashes = [Hash(h) for h in proof.node_hashes]
        check_inclusion(LeafIndex(index), published.size, leaf_hash(found), hashes, published.root)


def test_tlog_scales_proves_that_our_log_only_grew(scales: Any, published: Published) -> None:
    proof = scales.get_consistency_proof(published.old_size, published.size)
    proof.check(published.old_root, published.root)
    hashes = [Hash(h) for h in proof.node_hashes]
    check_consistency(published.old_size, published.size, published.old_root, published.root, hashes)


@pytest.fixture
def aics() -> Any:
    return pytest.importorskip("aics_tlog", reason="the package aics-tlog is not installed (it needs Python 3.12)")


def test_aics_tlog_audits_every_tile_and_entry_of_our_log(aics: Any, published: Published) -> None:
    remote, verified = pytest.importorskip("aics_tlog.remote"), pytest.importorskip("aics_tlog.verified")
    reader = remote.HttpTileReader(published.url, proxies={})
    result = aics.verify_checkpoint(
        pytest.importorskip("aics_tlog.note").parse_note(reader.read_checkpoint()),
        aics.parse_vkey(LOG.verifier.text),
        [aics.parse_vkey(WITNESS.verifier.text)],
        quorum=1,
    )
    assert result.ok
    report = verified.audit_tiles(reader, published.size, published.root)
    tiles, bundles = list(tiles_of(published.size)), list(bundles_of(published.size))
    assert (report.size, report.tiles, report.bundles) == (published.size, len(tiles), len(bundles))


def test_aics_tlog_finds_an_altered_tile_and_an_altered_entry(aics: Any, tmp_path: Path) -> None:
    tiles, verified = pytest.importorskip("aics_tlog.tiles"), pytest.importorskip("aics_tlog.verified")
    size = 700
    root, _, _ = publish(tmp_path, size)
    reader = tiles.FileSystemTileReader(tmp_path)
    verified.audit_tiles(reader, size, root)
    for altered in (TileId(0, 1).path, TileId(1, 0, 2).path, BundleId(2, 188).path):
        good = (tmp_path / altered).read_bytes()
        write(tmp_path, altered, good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(tiles.TileVerificationError):
            verified.audit_tiles(reader, size, root)
        write(tmp_path, altered, good)
