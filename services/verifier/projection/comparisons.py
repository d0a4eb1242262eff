"""What comparing the log with what others were shown has found last, as it is kept beside the projection. Pure."""

from typing import Literal

import msgspec

from proto.ids import TreeSize
from proto.moment import Moment

COMPARED = "compared"


class Compared(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What was found at one address, of how large a tree, and when."""

    state: Literal["same", "ahead", "failed"]
    size: TreeSize | None
    at: Moment


ENCODE_COMPARISONS = msgspec.msgpack.Encoder().encode
DECODE_COMPARISONS = msgspec.msgpack.Decoder(dict[str, Compared]).decode
