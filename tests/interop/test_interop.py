"""The checkers of others accept what we issue, in every shape of the examples, and refuse it once it was altered.

They come from npm and PyPI, run in processes of their own and open no connection; `tests/interop/judges/README.md` says
how to install them. Where they are missing, every test here skips and says so.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proto.documents.status_list import PURPOSE, status_entry
from services.crypto.data_integrity import SUITES, Suite
from tests.interop import shapes
from tests.interop.installed_judges import (
    JCS,
    JUDGES,
    RDFC,
    READS,
    READS_PROOFS,
    has_node_22,
    has_python,
    run,
    separate_judges,
)
from tests.interop.shapes import CONDEMNED, MUTATIONS, PLAIN, SET, STATUS_URL, STRANGER, Json

SCHEMA = (
    Path(__file__).parents[1] / "conformance" / "vectors" / "open-badges" / "ob_v3p0_achievementcredential_schema.json"
)
SHAPES = [name for name, _ in shapes.shapes()]
PURPOSES = {
    "revocation": {"verifier-core": False, "digitalbazaar-vc": False, "openvc-core": False},
    "suspension": {"verifier-core": False, "digitalbazaar-vc": False, "openvc-core": False},
    "message": {"verifier-core": False, "digitalbazaar-vc": False, "openvc-core": True},
    "refresh": {"verifier-core": False, "digitalbazaar-vc": False, "openvc-core": True},
}
"""Which checkers accept a credential whose bit is set, by the purpose of entry and list."""
SEVERAL = ["revocation", "suspension"]
FOUR = [{"status": f"0x{n}", "message": text} for n, text in enumerate(("active", "revoked", "suspended", "void"))]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What every judge said of every document."""

    verdicts: dict[str, dict[str, dict[str, Any]]]
    refused_addresses: list[str]

    def of(self, name: str, judge: str) -> tuple[bool, str]:
        """Return whether the judge accepts the document, and its reason; skips where it is not installed."""
        if judge not in self.verdicts[name] and judge in SEPARATE and not SEPARATE[judge]():
            pytest.skip(f"{judge} is not installed; see tests/interop/judges/README.md")
        found = self.verdicts[name][judge]
        return found["accepts"], found["reason"]


def purposes(list_purpose: Any, entry_purpose: Any, label: str, loads: Json, **entry: Any) -> dict[str, Json]:
    """Return signed documents with a clear and a set bit under such purposes, and load their list."""
    url = f"{STATUS_URL}/{label}"
    loads[url] = shapes.sign(shapes.status_list(url, statusPurpose=list_purpose), RDFC)
    return {
        f"purpose {label} {bit} {suite}": shapes.sign(
            shapes.document(credential_status=status_entry(url, index) | {"statusPurpose": entry_purpose} | entry),
            suite,
        )
        for bit, index in (("clear", PLAIN), ("set", SET))
        for suite in SUITES
    }


def _altered(signed: Json) -> Json:
    return signed | {"credentialSubject": signed["credentialSubject"] | {"ttl": 1}}


ENDED = {"validFrom": "2026-11-22T11:00:00.000Z", "validUntil": "2026-11-23T11:00:00.000Z"}
"""An hour ago: the checkers let clocks differ by five minutes."""
BAD_LISTS: Mapping[str, Callable[[str], Json | None]] = {
    "missing": lambda _: None,
    "not signed": shapes.status_list,
    "altered": lambda url: _altered(shapes.sign(shapes.status_list(url), RDFC)),
    "ended": lambda url: shapes.sign(shapes.status_list(url) | ENDED, RDFC),
    "other purpose": lambda url: shapes.sign(shapes.status_list(url, statusPurpose="suspension"), RDFC),
    "no bits": lambda url: shapes.sign(shapes.status_list(url, encodedList="u"), RDFC),
    "by a stranger": lambda url: shapes.sign(shapes.status_list(url, issuer=STRANGER), RDFC, key=shapes.OTHER_KEY),
}
"""Lists that must not be believed, by what is wrong with them; None is one that nobody serves."""


def make_cases(loads: Json) -> dict[str, Json]:
    """Return every document to ask about by its name; adds the status lists that they need to `loads`."""
    cases = {f"{name} {suite}": shapes.sign(shape, suite) for name, shape in shapes.shapes() for suite in SUITES}
    for suite in SUITES:
        whole = shapes.sign(shapes.document(), suite)
        cases |= {f"altered {name} {suite}": shapes.mutated(whole, change) for name, change in MUTATIONS.items()}
        revoked = shapes.document(credential_status=status_entry(STATUS_URL, SET))
        cases[f"set {suite}"] = shapes.sign(revoked, suite)
        condemned = shapes.document(issuer=shapes.issuer_of(CONDEMNED), credential_status=None)
        cases[f"condemned {suite}"] = shapes.sign(condemned, suite)
        for kind, make in BAD_LISTS.items():
            url = f"{STATUS_URL}/{kind.replace(' ', '-')}"
            served = make(url)
            loads |= {url: served} if served else {}
            cases[f"list {kind} {suite}"] = shapes.sign(
                shapes.document(credential_status=status_entry(url, PLAIN)), suite
            )
    for purpose in PURPOSES:
        cases |= purposes(purpose, purpose, purpose, loads)
    cases |= purposes(SEVERAL, SEVERAL, "several", loads)
    cases |= purposes(SEVERAL, PURPOSE, "several-in-the-list", loads)
    cases |= purposes(PURPOSE, PURPOSE, "two-bits", loads, statusSize=2, statusMessage=FOUR)
    return cases


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Every document put to every judge that is installed, once per run."""
    node = shutil.which("node")
    if node is None or not (JUDGES / "node_modules").is_dir():
        pytest.skip("the judges from npm are not installed; see tests/interop/judges/README.md")
    folder = tmp_path_factory.mktemp("interop")
    schema = json.loads(SCHEMA.read_text())
    loads = shapes.loads(schema)
    cases = make_cases(loads)
    world = {"now": shapes.NOW, "loads": loads, "hasSchema": True, "cases": cases}
    (folder / "world.json").write_text(json.dumps(world))
    run([node, str(JUDGES / "run.mjs"), str(folder)])
    answer = json.loads((folder / "verdicts.json").read_text())
    for command, file in separate_judges():
        run([*command, str(folder)])
        more = json.loads((folder / file).read_text())["verdicts"]
        answer["verdicts"] = {name: found | more[name] for name, found in answer["verdicts"].items()}
    return Asked(verdicts=answer["verdicts"], refused_addresses=answer["refusedAddresses"])


SEPARATE: Mapping[str, Callable[[], bool]] = {
    "openvc-core": has_python,
    "openbadgeslib": has_python,
    "fedify": has_node_22,
}
"""Judges that run in environments of their own, and whether they are installed."""


@pytest.mark.parametrize(("suite", "judge"), READS_PROOFS)
@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_our_documents_is_accepted(asked: Asked, name: str, suite: Suite, judge: str) -> None:
    assert asked.of(f"{name} {suite}", judge) == (True, "")


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_follows_the_official_schema(asked: Asked, name: str) -> None:
    assert asked.of(f"{name} {RDFC}", "open-badges-schema") == (True, "")
    # What readers of JCS proofs want, the schema does not allow; nothing else is wrong with it.
    assert asked.of(f"{name} {JCS}", "open-badges-schema") == (False, "/proof must be array")


@pytest.mark.parametrize(("suite", "judge"), READS_PROOFS)
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_document_altered_after_signing_is_refused(asked: Asked, name: str, suite: Suite, judge: str) -> None:
    accepts, reason = asked.of(f"altered {name} {suite}", judge)
    assert not accepts
    assert "threw" not in reason


@pytest.mark.parametrize(("suite", "judge"), READS)
def test_a_credential_whose_bit_is_set_is_refused(asked: Asked, suite: Suite, judge: str) -> None:
    accepts, reason = asked.of(f"set {suite}", judge)
    assert not accepts
    assert "revo" in reason.lower()


@pytest.mark.parametrize(("suite", "judge"), READS)
def test_what_a_key_signed_is_refused_once_the_key_is_dropped(asked: Asked, suite: Suite, judge: str) -> None:
    accepts, _ = asked.of(f"condemned {suite}", judge)
    assert not accepts


@pytest.mark.parametrize(("suite", "judge"), READS)
@pytest.mark.parametrize("kind", BAD_LISTS)
def test_a_status_list_that_cannot_be_believed_makes_them_refuse(
    asked: Asked, kind: str, suite: Suite, judge: str
) -> None:
    accepts, _ = asked.of(f"list {kind} {suite}", judge)
    # verifier-core does not ask whose list it is; ours are the issuer's own.
    assert accepts == (judge == "verifier-core" and kind == "by a stranger")


@pytest.mark.parametrize(("suite", "judge"), READS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_which_purpose_makes_checkers_refuse(asked: Asked, purpose: str, suite: Suite, judge: str) -> None:
    assert asked.of(f"purpose {purpose} clear {suite}", judge) == (True, "")
    accepts, reason = asked.of(f"purpose {purpose} set {suite}", judge)
    assert accepts == PURPOSES[purpose][judge]
    if judge == "verifier-core":
        assert f"{purpose}_status" in reason


@pytest.mark.parametrize(("suite", "judge"), READS)
def test_several_purposes_in_one_entry_or_list_are_refused_even_when_the_bit_is_clear(
    asked: Asked, suite: Suite, judge: str
) -> None:
    assert not asked.of(f"purpose several clear {suite}", judge)[0]
    assert not asked.of(f"purpose several-in-the-list clear {suite}", judge)[0]


@pytest.mark.parametrize(("suite", "judge"), READS)
def test_an_entry_of_two_bits_is_read_as_one(asked: Asked, suite: Suite, judge: str) -> None:
    assert not asked.of(f"purpose two-bits set {suite}", judge)[0]  # bit `SET`, where two bits would stand at 2 * SET


def test_nothing_was_asked_for_but_what_we_serve(asked: Asked) -> None:
    assert set(asked.refused_addresses) == {f"{STATUS_URL}/missing"}
