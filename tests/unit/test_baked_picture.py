"""Credentials inside of pictures: what goes in comes out byte for byte; a stranger's picture does no harm."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from proto.documents.baked_picture import (
    CREDENTIAL_BYTES_MAX,
    PNG_SIGNATURE,
    BakedPictureProblem,
    credential_in,
    kind_of,
    with_credential,
)
from tests.support.document_files import png

JSON = '{"credentialSubject": {"name": "Zoë ]]> & <b>\\u2028"}}'.encode()
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><path d="M0 0"/></svg>'
OB = "https://purl.imsglobal.org/ob/v3p0"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(kind: bytes, content: bytes) -> bytes:
    whole = png()
    return whole[:33] + chunk(kind, content) + whole[33:]


def svg(inside: str, attributes: str = f' xmlns:openbadges="{OB}"') -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg"{attributes}>{inside}</svg>'.encode()


def test_what_is_baked_into_a_png_comes_out_and_other_programs_read_both() -> None:
    baked = with_credential(png(), JSON)
    assert credential_in(baked) == JSON
    with Image.open(io.BytesIO(baked)) as picture:
        picture.load()
        assert picture.text["openbadgecredential"] == JSON.decode()  # type: ignore[attr-defined]  # of PNGs alone


def test_what_is_baked_into_an_svg_comes_out_as_the_same_json() -> None:
    baked = with_credential(SVG, JSON)
    assert kind_of(baked) == "SVG"
    assert credential_in(baked) == JSON.replace(b"]]>", b"]]\\u003e")
    assert baked.index(b"<openbadges:credential><![CDATA[") == baked.index(b">", baked.index(b"<svg")) + 1


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (png(), "No credential is inside"),
        (SVG, "No credential is inside"),
        (with_credential(with_credential(png(), JSON), JSON), "Several"),
        (svg("<openbadges:credential>{}</openbadges:credential>" * 2), "Several"),
        (with_credential(png(), JSON)[:-30], "its end is missing"),
        (with_credential(png(), JSON).replace(b"Zo", b"Ze", 1), "was altered"),
        (PNG_SIGNATURE, "its end is missing"),
        (with_chunk(b"iTXt", b"openbadgecredential\0\1\0\0\0" + zlib.compress(JSON)), "compressed"),
        (with_chunk(b"iTXt", b"openbadgecredential\0\0\0"), "cannot be read"),
        (with_chunk(b"iTXt", b"openbadgecredential\0\0\0\0\0" + b"x" * CREDENTIAL_BYTES_MAX), "larger"),
        (svg(f"<openbadges:credential>{'x' * (CREDENTIAL_BYTES_MAX + 1)}</openbadges:credential>"), "larger"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><path>", "not well-formed"),
        (svg("&undefined;"), "not well-formed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_picture_without_one_readable_credential_is_refused_with_what_to_do(picture: bytes, words: str) -> None:
    with pytest.raises(BakedPictureProblem, match=words):
        credential_in(picture)


def test_entities_of_an_svg_are_never_resolved() -> None:
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(12))
    bomb = f'<!DOCTYPE svg [<!ENTITY a0 "ha">{entities}]>'.encode() + svg(
        "<openbadges:credential>&a12;</openbadges:credential>"
    )
    outside = b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg(
        "<openbadges:credential>&x;</openbadges:credential>"
    )
    for picture in (bomb, outside):
        with pytest.raises(BakedPictureProblem, match="declares entities"):
            credential_in(picture)
    harmless = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">' + svg(
        '<openbadges:credential><![CDATA[{"a": 1}]]></openbadges:credential>'
    )
    assert credential_in(harmless) == b'{"a": 1}'


def test_only_an_element_of_open_badges_directly_inside_of_the_root_counts() -> None:
    real = "<openbadges:credential>{}</openbadges:credential>"
    for picture in (
        svg(f"<g>{real}</g>"),
        svg("<credential>{}</credential>"),
        svg(real, ' xmlns:openbadges="https://evil.example/"'),
    ):
        with pytest.raises(BakedPictureProblem, match="No credential"):
            credential_in(picture)
    assert credential_in(svg(real)) == b"{}"
    assert credential_in(svg('<openbadges:credential verify="eyJ.a.b"/>')) == b"eyJ.a.b"


def test_other_text_and_deep_pictures_do_no_harm() -> None:
    other = with_credential(with_chunk(b"iTXt", b"Comment\0\0\0\0\0openbadgecredential"), JSON)
    assert credential_in(other) == JSON
    deep = svg("<g>" * 50_000 + "</g>" * 50_000 + "<openbadges:credential>{}</openbadges:credential>")
    assert credential_in(deep) == b"{}"


@pytest.mark.parametrize("before", [b"<!---->" * 500, b"<!-- > -->\n" * 300, b"<!DOCTYPE a>" * 200, b"<!-- <svg> -->"])
def test_comments_before_a_picture_are_each_read_once(before: bytes) -> None:
    assert kind_of(before + b"<svg/>") == "SVG"
    assert kind_of(before + b"x") is None
    assert kind_of(b"<!--" * 900 + b"<svg/>") is None


def test_a_text_that_elements_cut_into_pieces_is_whole_and_a_drawing_has_a_bound() -> None:
    assert (
        credential_in(svg("<openbadges:credential>" + "ab<i/>" * 50_000 + "</openbadges:credential>")) == b"ab" * 50_000
    )
    with pytest.raises(BakedPictureProblem, match="more parts"):
        credential_in(svg("<i/>" * 200_001))


@given(st.binary(max_size=300), st.sampled_from([b"", PNG_SIGNATURE, b"<svg ", with_credential(SVG, JSON)]))
def test_no_bytes_break_the_reader(data: bytes, begin: bytes) -> None:
    try:
        credential_in(begin + data)
    except BakedPictureProblem:
        return
