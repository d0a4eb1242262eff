"""The file with an API key: what is no key is said in words, before anybody is asked."""

from pathlib import Path

import pytest

from proto.problem import InvalidProblem
from services.command.institution import gateway_client


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"cfk_one\ncfk_two\n", b"API key: cfk_one", b"\xff\xfec\x00", b"k\xc3\xb3d"]
)
async def test_a_file_that_holds_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "api.key"
    file.write_bytes(content)
    with pytest.raises(InvalidProblem, match="holds no key: name a file that holds the key alone"):
        async with gateway_client("http://127.0.0.1:9", file):
            pass


async def test_a_key_is_sent_without_what_is_around_it(tmp_path: Path) -> None:
    file = tmp_path / "api.key"
    file.write_bytes(b"  cfk_one\r\n")
    async with gateway_client("http://127.0.0.1:9", file) as client:
        assert client.headers == {"Authorization": "Bearer cfk_one"}
