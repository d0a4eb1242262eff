"""A QR code as an SVG: for papers and for pages that are printed."""

import io

import segno


def qr_svg(text: str) -> str:
    """Return the QR code of a text as an SVG with its quiet zone, dark on white."""
    stream = io.BytesIO()
    segno.make_qr(text, error="m").save(stream, kind="svg", border=4, scale=4, light="#fff", xmldecl=False)
    return stream.getvalue().decode()
