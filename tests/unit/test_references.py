"""README is held against the code: its tables are the code's, and what it names exists."""

from services.command.main import _ROOMS
from tests.support.readme_tables import README, with_tables


def test_every_route_and_every_setting_stands_in_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_tables(text), "run: python -m tests.support.readme_tables"


def test_every_command_stands_in_readme() -> None:
    text = README.read_text(encoding="utf-8")
    assert [name for name in _ROOMS if f"`credentify {name}" not in text and f"`{name}`" not in text] == []
