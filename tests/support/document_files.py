"""Files that hold a document, or a picture."""

import io

from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import StreamObject


def pdf(**attached: bytes) -> bytes:
    """Return a PDF of one page with these files in it, as any PDF program attaches them."""
    writer = PdfWriter()
    writer.add_blank_page(width=200, height=100)
    for name, content in attached.items():
        writer.add_attachment(f"{name}.json", content)
    for place, item in enumerate(writer._objects):
        if isinstance(item, StreamObject):
            writer._objects[place] = item.flate_encode()
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def png() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "white").save(stream, "PNG")
    return stream.getvalue()
