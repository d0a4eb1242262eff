"""One text for each byte string: what lenient decoders take is refused here."""

import pytest

from proto.base64_strict import decode_base64, encode_base64
from proto.problem import MalformedProblem


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", bytes(range(256))])
def test_what_was_encoded_decodes_to_the_same_bytes(data: bytes) -> None:
    assert decode_base64(encode_base64(data)) == data


@pytest.mark.parametrize(
    "text",
    ["YQ", "YQ=", "YR==", "YWJ=", "YQ==\n", " YQ==", "Y Q==", "-_8=", "YQ==YQ==", "YQ===", "=", "é", "YQ\x00=", "A"],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedProblem):
        decode_base64(text)


def test_another_length_is_refused() -> None:
    assert decode_base64("YWI=", length=2) == b"ab"
    with pytest.raises(MalformedProblem):
        decode_base64("YWI=", length=3)
