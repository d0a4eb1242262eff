"""Names and bytes of tiles: one spelling each, one length each."""

import pytest

from proto.ids import TreeSize
from proto.log.tile import (
    BundleId,
    TileId,
    bundles_of,
    decode_bundle,
    encode_bundle,
    is_tile_of,
    parse_path,
    split_tile,
    tile_at,
    tiles_of,
)
from proto.problem import InvalidProblem, MalformedProblem


@pytest.mark.parametrize(
    "name",
    [TileId(0, 0), TileId(63, 123456789, 255), TileId(1, 1000, 1), BundleId(0), BundleId(1234067, 17), TileId(9, 999)],
)
def test_a_name_survives_its_path(name: TileId | BundleId) -> None:
    assert parse_path(name.path) == name


def test_paths_read_as_in_the_specification() -> None:
    assert TileId(0, 1234067).path == "tile/0/x001/x234/067"
    assert TileId(1, 1, 17).path == "tile/1/001.p/17"
    assert BundleId(273, 112).path == "tile/entries/273.p/112"


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/000",
        "tile/0/x000/123",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/000/",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000.p/",
        "tile/0/000.p/01",
        "tile/0/000.p/1/",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n",
        "tile/0//000",
        "tile/entries/1",
        "tile/0/../0/000",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/0/" + "x001/" * 3000 + "999",
        "",
    ],
)
def test_every_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(MalformedProblem):
        parse_path(path)


def test_a_tree_serves_its_own_tiles_and_those_it_grew_from_but_none_beyond() -> None:
    size = TreeSize(70_000)
    assert is_tile_of(size, TileId(0, 273, 112))
    assert is_tile_of(size, TileId(0, 273, 1))
    assert not is_tile_of(size, TileId(0, 273, 113))
    assert not is_tile_of(size, TileId(0, 274, 1))
    assert is_tile_of(size, TileId(0, 5, 9))
    assert is_tile_of(size, BundleId(272))
    assert not is_tile_of(size, TileId(3, 0, 1))
    assert tile_at(size, 2, 0) == TileId(2, 0, 1)


def test_all_tiles_of_a_tree_are_named_once() -> None:
    assert list(tiles_of(TreeSize(0))) == []
    assert list(tiles_of(TreeSize(256))) == [TileId(0, 0), TileId(1, 0, 1)]
    assert len(list(tiles_of(TreeSize(70_000)))) == 273 + 1 + 1 + 1 + 1
    assert list(bundles_of(TreeSize(257))) == [BundleId(0), BundleId(1, 1)]


def test_names_that_no_tree_has_are_refused() -> None:
    for level, index, width in ((64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**55, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(InvalidProblem):
            TileId(level, index, width)


def test_a_tile_of_another_length_is_refused() -> None:
    assert len(split_tile(TileId(0, 0, 2), bytes(64))) == 2
    for length in (0, 63, 65, 96, 8192):
        with pytest.raises(MalformedProblem):
            split_tile(TileId(0, 0, 2), bytes(length))


def test_entries_survive_their_bundle() -> None:
    entries = [b"", b"one", bytes(65_535)] + [bytes([i]) for i in range(253)]
    assert decode_bundle(encode_bundle(entries), 256) == entries


def test_a_bundle_with_more_fewer_or_cut_entries_is_refused() -> None:
    data = encode_bundle([b"one", b"two"])
    for bad, width in ((data, 1), (data, 3), (data[:-1], 2), (data + b"\x00", 2), (data[:6], 2), (b"", 1), (b"", 256)):
        with pytest.raises(MalformedProblem):
            decode_bundle(bad, width)
    for entries in ([], [b""] * 257, [bytes(65_536)]):
        with pytest.raises(InvalidProblem):
            encode_bundle(entries)
