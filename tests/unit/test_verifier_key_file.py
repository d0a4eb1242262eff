"""The file of API keys is read again until it can be read, also where its name, size and time stay as they were."""

import os
from pathlib import Path

from services.verifier.limits.api_keys import LOOK_SECONDS, ApiKeys

ONE, TWO = "1" * 64, "2" * 64


def _text(token_hash: str) -> str:
    return f"[[keys]]\nname = 'one'\ntoken_sha256 = '{token_hash}'\n"


class Clock:
    """Moved by the test."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def look(self, keys: ApiKeys) -> set[bytes]:
        """Let the next look come, and return the hashes of the keys that are known then."""
        self.seconds += LOOK_SECONDS
        keys.look()
        return keys.hashes


def test_a_file_that_could_not_be_read_is_read_once_it_can_be(tmp_path: Path) -> None:
    file, said, clock = tmp_path / "keys.toml", list[str](), Clock()
    file.write_text(_text(ONE))
    keys = ApiKeys(file, on_trouble=said.append, clock=clock.now)
    broken = _text(TWO).replace("name", "????")
    file.write_text(broken)
    for _ in range(3):
        assert clock.look(keys) == {bytes.fromhex(ONE)}, "what is wrong changes nothing"
    assert len(said) == 1, "it is said once"
    times = file.stat()
    with file.open("r+") as opened:
        opened.write(_text(TWO))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert clock.look(keys) == {bytes.fromhex(TWO)}
    assert clock.look(keys) == {bytes.fromhex(TWO)}
