"""How deep JSON goes, told from its bytes before it is decoded: what nests without end exhausts a reader. Pure."""

DEPTH_MAX = 64
"""Levels of objects and lists that anything of ours has at most (DESIGN 3.2)."""
_BRACES = bytes.maketrans(b"[]", b"{}")
_REST = bytes(set(range(256)) - set(b'{}[]"'))


def is_deep(data: bytes, *, depth_max: int = DEPTH_MAX) -> bool:
    """Tell whether JSON goes deeper than so many levels; brackets inside of strings do not count.

    Of what is no JSON either answer may come: the decoder says what is wrong with it.
    """
    if data.count(b"[") + data.count(b"{") <= depth_max:
        return False
    # Once no quote is an escaped one, each that opens is closed by the next: one pass, however many there are.
    unescaped = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    rest = b"".join(unescaped.translate(_BRACES, _REST).replace(b'""', b"").split(b'"')[::2])
    for _ in range(depth_max):
        if not rest:
            return False
        rest = rest.replace(b"{}", b"")
    return bool(rest)
