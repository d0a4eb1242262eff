"""Tiles and entry bundles of C2SP tlog-tiles: names, widths, bytes. Knows no checkpoint, no storage and no HTTP."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from proto.ids import TreeSize
from proto.log.merkle import HASH_BYTES, SIZE_MAX, Hash
from proto.problem import InvalidProblem, MalformedProblem

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
LEVEL_MAX = 63
TILE_INDEX_MAX = SIZE_MAX >> TILE_HEIGHT
ENTRY_BYTES_MAX = 65_535

_LENGTH_BYTES = 2
_PATH_LENGTH_MAX = 80
_PATH = re.compile(
    r"tile/(?P<kind>entries|0|[1-9][0-9]?)"
    r"/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TileId(msgspec.Struct, frozen=True, order=True):
    """The name of a tile: level 0..63, index 0.. in its level, width 1..256 in hashes (256 is a full tile)."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        if not 0 <= self.level <= LEVEL_MAX:
            raise InvalidProblem(f"Tiles have levels from 0 to {LEVEL_MAX}, not {self.level}")
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """The path under the log's prefix: `tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_index_path(self.index)}{_width_path(self.width)}"

    @property
    def is_full(self) -> bool:
        """Whether the tile holds all of its 256 hashes and so never changes."""
        return self.width == TILE_WIDTH

    @property
    def full(self) -> "TileId":
        """The full tile at the same place."""
        return TileId(self.level, self.index)

    @property
    def byte_count(self) -> int:
        """The only length in bytes that the tile may have."""
        return self.width * HASH_BYTES


class BundleId(msgspec.Struct, frozen=True, order=True):
    """The name of an entry bundle: the index of the level-0 tile with the same entries, and the count of entries."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        _check_place(self.index, self.width)

    @property
    def path(self) -> str:
        """The path under the log's prefix: `tile/entries/<N>[.p/<W>]`."""
        return f"tile/entries/{_index_path(self.index)}{_width_path(self.width)}"

    @property
    def is_full(self) -> bool:
        """Whether the bundle holds all of its 256 entries and so never changes."""
        return self.width == TILE_WIDTH


def _check_place(index: int, width: int) -> None:
    if not 0 <= index <= TILE_INDEX_MAX:
        raise InvalidProblem(f"{index} is not the index of a tile")
    if not 1 <= width <= TILE_WIDTH:
        raise InvalidProblem(f"A tile holds 1 to {TILE_WIDTH} hashes, not {width}")


def _index_path(index: int) -> str:
    path = f"{index % 1000:03d}"
    while index >= 1000:  # noqa: PLR2004 - groups of three decimal digits (tlog-tiles, Merkle tree)
        index //= 1000
        path = f"x{index % 1000:03d}/{path}"
    return path


def _width_path(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"


def parse_path(path: str) -> TileId | BundleId:
    """Return what a path under the log's prefix names (C2SP tlog-tiles); no leading slash.

    Raises `MalformedProblem` for every spelling but the canonical one (`x000/123` names tile 123 too, and would split
    caches) and for levels, indexes and widths that no tree has.
    """
    match = _PATH.fullmatch(path) if len(path) <= _PATH_LENGTH_MAX else None
    if match is None:
        raise MalformedProblem(f"{path[:_PATH_LENGTH_MAX]!r} is not the path of a tile: tile/<L>/<N>[.p/<W>]")
    index = int(match["index"].replace("/", "").replace("x", ""))
    width = int(match["width"] or TILE_WIDTH)
    try:
        found = BundleId(index, width) if match["kind"] == "entries" else TileId(int(match["kind"]), index, width)
    except InvalidProblem as problem:
        raise MalformedProblem(f"{path!r} names no tile: {problem.detail}") from problem
    if found.path != path:
        raise MalformedProblem(f"{path!r} is not the canonical path: {found.path}")
    return found


def full_count(size: TreeSize, level: int) -> int:
    """Return how many full tiles a tree of `size` leaves has at a level."""
    return size >> (TILE_HEIGHT * (level + 1))


def partial_width(size: TreeSize, level: int) -> int:
    """Return how many hashes the partial tile at a level holds, 0 where there is none."""
    return (size >> (TILE_HEIGHT * level)) % TILE_WIDTH


def level_count(size: TreeSize) -> int:
    """Return how many levels of tiles a tree has; 0 for the empty tree."""
    return -(-size.bit_length() // TILE_HEIGHT)


def tile_at(size: TreeSize, level: int, index: int) -> TileId | None:
    """Return the tile that a tree of `size` leaves has at a place: full, partial, or None beyond its edge."""
    full = full_count(size, level)
    width = TILE_WIDTH if index < full else partial_width(size, level) if index == full else 0
    return TileId(level, index, width) if width else None


def is_tile_of(size: TreeSize, tile: TileId | BundleId) -> bool:
    """Tell whether a tree of `size` leaves, or one it grew from, has this tile or bundle: what a log may serve."""
    level = tile.level if isinstance(tile, TileId) else 0
    widest = tile_at(size, level, tile.index)
    return widest is not None and tile.width <= widest.width


def tiles_of(size: TreeSize) -> Iterator[TileId]:
    """Yield every tile of a tree of `size` leaves, level by level, each level's partial tile last."""
    for level in range(level_count(size)):
        full = full_count(size, level)
        yield from (TileId(level, index) for index in range(full))
        width = partial_width(size, level)
        if width:
            yield TileId(level, full, width)


def bundles_of(size: TreeSize) -> Iterator[BundleId]:
    """Yield every entry bundle of a tree of `size` leaves in order, the partial one last."""
    return (BundleId(tile.index, tile.width) for tile in tiles_of(size) if tile.level == 0)


def split_tile(tile: TileId, data: bytes) -> list[Hash]:
    """Return the hashes in a tile's bytes; raises `MalformedProblem` for any length but its own."""
    if len(data) != tile.byte_count:
        raise MalformedProblem(f"{tile.path} has {len(data)} bytes where {tile.byte_count} belong")
    return [Hash(data[at : at + HASH_BYTES]) for at in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Return 1 to 256 entries as a bundle: each as uint16 big-endian length ‖ bytes.

    Raises `InvalidProblem` for another count and for an entry of more than 65,535 bytes.
    """
    _check_place(0, len(entries))
    if any(len(entry) > ENTRY_BYTES_MAX for entry in entries):
        raise InvalidProblem(f"An entry has at most {ENTRY_BYTES_MAX} bytes")
    return b"".join(part for entry in entries for part in (len(entry).to_bytes(_LENGTH_BYTES, "big"), entry))


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Return the entries of a bundle, exactly `width`; raises `MalformedProblem` for more, fewer or cut ones."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        begin = at + _LENGTH_BYTES
        end = begin + int.from_bytes(data[at:begin], "big")
        if end > len(data) or begin > len(data):
            raise MalformedProblem(f"The entry bundle is cut off inside entry {len(entries)}")
        entries.append(data[begin:end])
        at = end
    if len(entries) != width or at != len(data):
        raise MalformedProblem(f"The entry bundle does not hold exactly {width} entries")
    return entries
