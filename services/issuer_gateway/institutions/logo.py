"""Logos of institutions: small pictures in PNG. Judges their form by their head; draws nothing."""

import struct

from proto.problem import InvalidProblem, NotFoundProblem

LOGO_BYTES_MAX = 262_144
LOGO_PIXELS_MAX = 2_000
_HEAD = struct.Struct(">8sI4sII")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class LogoProblem(InvalidProblem):
    """What was sent is no picture that pages and papers can show."""

    slug = "logo"
    title = "No logo"


class NoLogoProblem(NotFoundProblem):
    """The institution has sent no logo."""

    slug = "no-logo"
    title = "The institution has no logo here"


def check_logo(content: bytes) -> None:
    """Raise `LogoProblem` unless this begins as a PNG of at most 2,000 by 2,000 pixels."""
    if len(content) >= _HEAD.size:
        signature, length, kind, width, height = _HEAD.unpack_from(content)
        if (signature, length, kind) == (_SIGNATURE, 13, b"IHDR"):
            if 0 < width <= LOGO_PIXELS_MAX and 0 < height <= LOGO_PIXELS_MAX:
                return
            raise LogoProblem(
                f"The picture has {width} by {height} pixels: send one of at most {LOGO_PIXELS_MAX} each way"
            )
    raise LogoProblem("This is no PNG: save the logo as a PNG and send that")
