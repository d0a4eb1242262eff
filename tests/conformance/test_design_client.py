"""Who has read DESIGN alone reads our logs and computes every id: by a client that shares no code with us."""

import ast
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support import design_client
from tests.support.golden_rules_v2 import names_of_files

FILES = names_of_files()
GOLDEN = Path(__file__).parent / "golden"
V1 = GOLDEN / "rules-v1.ndjson", GOLDEN / "rules-v1.json"


def test_the_client_imports_nothing_of_ours() -> None:
    assert design_client.__file__ is not None
    tree = ast.parse(Path(design_client.__file__).read_text(encoding="utf-8"))
    names = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    rooms = {name.partition(".")[0] for name in names}
    assert rooms <= {*sys.stdlib_module_names, "nacl"}, rooms


def _read(log: Path, states: Path, *, before: Sequence[design_client.Read] = ()) -> list[design_client.Read]:
    origin = json.loads(states.read_bytes())["log"]["origin"]
    return design_client.read_entries(origin, log.read_bytes().splitlines(), before=before)


@pytest.mark.parametrize("name", FILES)
def test_every_id_on_a_golden_log_follows_from_what_its_events_say(name: str) -> None:
    before = _read(*V1) if name == "v1-continued-by-v2" else []
    known, read = json.loads(FILES[name][1].read_bytes()), _read(*FILES[name], before=before)
    issues = [each for each in read if each.event["type"].startswith(("credential-issued", "credential-stacked"))]
    issues += [each for each in read if each.event["type"] == "credentials-issued.v1"]
    issued = {credential_id for each in issues for credential_id in each.credential_ids}
    inherited = {credential_id for each in before for credential_id in each.credential_ids}
    assert issued <= known["credentials"].keys() <= issued | inherited
    said = {each.event_id for each in [*before, *read]}
    assert {*known["recognitions"], *known["statements"]} <= said


def test_a_changed_byte_is_found() -> None:
    log, states = FILES["v2"]
    origin, lines = json.loads(states.read_text(encoding="utf-8"))["log"]["origin"], log.read_bytes().splitlines()
    changed = lines[5].replace(b'"received_at":"2026', b'"received_at":"2027')
    assert changed != lines[5]
    with pytest.raises(AssertionError, match="the chain"):
        design_client.read_entries(origin, [*lines[:5], changed, *lines[6:]])
