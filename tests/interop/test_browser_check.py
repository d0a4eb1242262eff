"""The check in the reader's browser says what our own rules say: over every golden log, over bundles good and altered.

Its script is run by Node.js here; how the page behaves in a browser is in `tests/browser`.
"""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from proto.bundles.bundle import Bundle, decode_bundle, encode_bundle
from proto.bundles.check import check_bundle
from proto.canonical import decode_json
from proto.documents.claims_root import CLAIMS_ROOT_TERM
from proto.documents.content import content_of
from proto.documents.document import credential_id_of
from proto.documents.open_badge_claims import claims
from proto.ids import CredentialId
from proto.log.policy import parse_policy
from proto.problem import Problem
from services.issuer_gateway.languages import LANGUAGES
from services.issuer_gateway.papers.papers import Papers
from services.issuer_gateway.papers.supplement import paper
from services.verifier.documents.reader import read
from services.verifier.documents.sent_document import SentDocument
from services.verifier.pages.browser_check import core_script
from services.verifier.pages.offline import UNJUDGED
from tests.support import golden_rules_v1
from tests.support.bundles import bundle_of, cosigned, issue_document, without, witness_policy_text
from tests.support.chaos import history
from tests.support.golden_rules_v2 import changed_over, opened_with
from tests.support.made_facts import made_facts
from tests.support.other_formats import OTHERS
from tests.support.worlds import FirstWorld, World

HARNESS = Path(__file__).parent.parent / "support" / "browser_check.mjs"
GOLDEN = golden_rules_v1.FOLDER
STATEMENTS, ALTERED = 80, 150
WAYS = ("browser", "library")

REFUSALS = {"malformed", "invalid"}
REFUSED = {"refused": "as it is written"}

Job = dict[str, Any]


@pytest.fixture(scope="module")
def node() -> str:
    """The path of Node.js, or the test is skipped."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed; see tests/interop/judges/README.md")
    return found


def answers(node: str, folder: Path, jobs: list[Job]) -> list[Any]:
    """Return what the script in a browser says to each of the jobs."""
    script, asked = folder / "script.js", folder / "jobs.json"
    script.write_text(core_script(), encoding="utf-8")
    asked.write_text(json.dumps(jobs), encoding="utf-8")
    run = subprocess.run([node, HARNESS, script, asked], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr.decode()
    found: list[Any] = json.loads(run.stdout)
    return found


def _lines(name: str) -> list[str]:
    return (GOLDEN / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()


def test_every_golden_log_replays_to_the_stored_states(node: str, tmp_path: Path) -> None:
    names = ["rules-v1", "rules-v1-to-v2", "rules-v2", "rules-v1-continued-by-v2"]
    before = {"rules-v1-continued-by-v2": _lines("rules-v1")}
    jobs = [{"kind": "log", "lines": _lines(name), "before": before.get(name, [])} for name in names]
    for name, found in zip(names, answers(node, tmp_path, jobs), strict=True):
        assert found == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")), name


def test_version_1_refuses_what_version_2_brought(node: str, tmp_path: Path) -> None:
    world = golden_rules_v1.golden_world()
    kept = [json.loads(line) for line in _lines("rules-v1-refused")]
    job = {
        "kind": "refused",
        "lines": [line.decode() for line in world.entries],
        "index": world.size,
        "received_at": world.now,
        "envelopes": [each["envelope"] for each in kept],
    }
    assert answers(node, tmp_path, [job]) == [[each["code"] for each in kept]]


def _bundle_job(data: bytes, policy: str, now: str, document: dict[str, Any] | None = None) -> Job:
    said = json.dumps(document, ensure_ascii=False) if document else None
    return {"kind": "bundle", "data": data.decode(), "policy": policy, "now": now, "document": said}


def _expected(job: Job) -> Any:
    try:
        bundle = decode_bundle(job["data"].encode())
    except Problem:
        return REFUSED
    document = json.loads(job["document"]) if job["document"] else None
    found = check_bundle(bundle, parse_policy(job["policy"].encode()), document=document)
    return {
        "faults": [[each.check, each.code, each.index, each.is_unknown] for each in found.faults],
        "state": msgspec.to_builtins(found.state(job["now"])),
        "time": found.time,
        "checkpoint_time": found.checkpoint_time,
        "is_witnessed": found.is_time_witnessed,
        "is_trusted": found.opened is not None,
    }


def _every_bundle(world: World) -> list[Job]:
    policy = f"log {world.log_key.verifier.text}\nquorum none\n"
    bundles = [bundle_of(world, credential_id) for credential_id in world.book.credentials]
    return [_bundle_job(encode_bundle(bundle), policy, world.now) for bundle in bundles]


def _history(seed: int) -> World:
    return history(Random(seed), STATEMENTS).world


def _stack() -> tuple[World, Bundle]:
    world = FirstWorld()
    school, college = world.admit("school"), world.admit("college")
    stack = world.stacked(school, [world.issued(school), world.issued(college)])
    return world, bundle_of(world, stack, checkpoint=cosigned(world))


def _altered() -> list[Job]:
    """Bundles with some bytes changed, with entries left out, and with the entries of others put in."""
    world, bundle = _stack()
    rng, data, policy = Random(7), encode_bundle(bundle), witness_policy_text(world)
    changed = [data]
    for _ in range(ALTERED):
        at = rng.randrange(len(data))
        changed.append(data[:at] + bytes([rng.choice(b'0123456789abcdefXYZ",:{}[]+/=')]) + data[at + 1 :])
    changed += [encode_bundle(without(bundle, item.index)) for item in bundle.entries]
    changed += [encode_bundle(msgspec.structs.replace(bundle, checkpoint=world.checkpoint().decode()))]
    changed += [encode_bundle(msgspec.structs.replace(bundle, credential_id=CredentialId("0" * 64)))]
    return [_bundle_job(each, policy, world.now) for each in changed]


def _with_documents(rules_version: int) -> list[Job]:
    world = World(rules_version=rules_version)
    document, credential_id = issue_document(world)
    data = encode_bundle(bundle_of(world, credential_id))
    policy = f"log {world.log_key.verifier.text}\nquorum none\n"
    others = [document | {"name": "Another"}, document | {CLAIMS_ROOT_TERM: "0" * 64}, document | {CLAIMS_ROOT_TERM: 1}]
    return [_bundle_job(data, policy, world.now, each) for each in (document, *others, {"no": "credential"})]


@pytest.mark.parametrize("way", WAYS)
def test_every_bundle_is_judged_as_by_our_own_rules(node: str, tmp_path: Path, way: str) -> None:
    jobs = [
        *_every_bundle(golden_rules_v1.golden_world()),
        *_every_bundle(opened_with()),
        *_every_bundle(changed_over()),
        *_every_bundle(_history(3)),
        *_with_documents(1),
        *_with_documents(2),
        *_altered(),
    ]
    found = answers(node, tmp_path, [job | {"way": way} for job in jobs])
    for job, answer in zip(jobs, found, strict=True):
        said = (
            REFUSED if answer.get("refused") in REFUSALS else answer
        )  # which of the two depends on what is read first
        assert said == _expected(job), job["data"][:4000]


def _documents() -> list[dict[str, Any]]:
    kept = json.loads((GOLDEN / "documents-with-inline-context.json").read_text(encoding="utf-8"))
    issued = [issue_document(World(rules_version=version))[0] for version in (1, 2)]
    return [each for made in kept.values() for each in made.values()] + issued


def test_documents_are_read_as_by_our_own_reader(node: str, tmp_path: Path) -> None:
    documents = _documents()
    jobs = [{"kind": "document", "text": json.dumps(each)} for each in documents]
    for document, found in zip(documents, answers(node, tmp_path, jobs), strict=True):
        claimed, content = claims(document), content_of(document)
        assert found["id"] == credential_id_of(document, claimed.issuer)
        assert found["claimed"] == {
            "issuer": claimed.issuer,
            "achievement": claimed.achievement,
            "ectsHundredths": claimed.ects_hundredths,
            "eqfLevel": claimed.eqf_level,
            "validFrom": claimed.valid_from,
            "validUntil": claimed.valid_until,
            "components": list(claimed.components),
        }
        said = found["content"]
        assert (said["title"], said["description"]) == (dict(content.title), dict(content.description))
        assert (said["holder"], said["dateOfBirth"]) == (content.holder.name, content.holder.date_of_birth)
        assert said["outcomes"] == [dict(each.title) for each in content.learning_outcomes]
        assert (said["eqfLevel"], said["workloadHours"]) == (content.level.eqf, content.workload_hours)
        assert [each["value"] for each in said["results"]] == [each.value for each in content.results if each.value]


TWICE = '{"a":1,"a":2}'
STRANGE = [
    TWICE,
    '{"a":9007199254740993}',
    '{"a":"\\ud800"}',
    "[" * 70 + "]" * 70,
    '{"a":01}',
    "{}x",
    "",
    '{"a":1e400}',
]


def test_what_two_readers_could_read_as_two_documents_is_refused(node: str, tmp_path: Path) -> None:
    jobs = [{"kind": "document", "text": text} for text in STRANGE]
    assert answers(node, tmp_path, jobs) == [{"refused": "malformed"}] * len(STRANGE)
    for text in STRANGE:
        with pytest.raises(Problem):
            decode_json(text.encode())


async def test_a_supplement_holds_what_is_checked_without_a_network(node: str, tmp_path: Path) -> None:
    world = FirstWorld()
    document, credential_id = issue_document(world)
    held = json.dumps(document, indent=2).encode()
    bundle = encode_bundle(bundle_of(world, credential_id))
    shown = made_facts(credential_id=credential_id)
    said = paper(content_of(document), shown, LANGUAGES["en"])
    pdf = await Papers().pdf(said, document=held, bundle=bundle, address=shown.check_url)
    job = {"kind": "file", "base64": base64.b64encode(pdf).decode()}
    (found,) = answers(node, tmp_path, [job])
    assert sorted(found["texts"]) == sorted([held.decode(), bundle.decode()])


def test_a_file_that_holds_no_credential_is_refused_in_words(node: str, tmp_path: Path) -> None:
    files = [b"%PDF-1.7 nothing", b"\x89PNG\r\n\x1a\n", b"\xff\xfe", b"%PDF-1.7 1 0 obj <</Type /EmbeddedFile>> stream"]
    jobs = [{"kind": "file", "base64": base64.b64encode(each).decode()} for each in files]
    assert answers(node, tmp_path, jobs) == [{"refused": "malformed"}] * len(files)


def test_what_is_not_judged_here_is_called_the_same(node: str, tmp_path: Path) -> None:
    award, _ = issue_document(FirstWorld())
    texts = [json.dumps(document) for document in (award, *(found for found, _ in OTHERS.values()))]
    for name in ("/ns/credentials/v2", "/ob/v3p0/"):
        texts += [json.dumps(award).replace(name, name.replace(*pair)) for pair in (("v2", "v12"), ("v3p0", "v3p2"))]
    expected = [_unjudged(text) for text in texts]
    assert {*expected} == {None, *UNJUDGED}
    assert answers(node, tmp_path, [{"kind": "format", "text": text} for text in texts]) == expected


def _unjudged(text: str) -> str | None:
    found = read(SentDocument(text.encode()))
    return found.other if found.claims is None and found.other in UNJUDGED else None
