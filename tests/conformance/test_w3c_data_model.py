"""W3C's own files for the data model 2.0: what is good is taken, and nothing of a stranger's is called a forgery."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proto.documents.vc import DataModelProblem, check_credential
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

INPUT = Path(__file__).parent / "vectors" / "w3c-vc-data-model-2.0" / "input"
FILES = sorted(INPUT.rglob("*.json"))
CREDENTIALS = [path for path in FILES if not path.name.startswith("presentation")]
ISSUER = "did:example:issuer"
FUTURE = "2120-01-01T00:00:00Z"
NOT_ASKED = {
    "credential-type-unmapped-fail.json": "whether a type is defined needs the contexts, asked for at signing",
    "credential-type-mapped-nonurl-fail.json": "the same",
    "credential-redef-type-fail.json": "the same",
    "credential-redef-type2-fail.json": "the same",
    "credential-no-issuer-fail.json": "it breaks another rule: its subject is empty",
    "credential-issuer-object-ok.json": "its issuer is to be filled in",
}


def as_the_suite_sends_it(path: Path) -> Any:
    """Return a file with the issuer that the suite fills in, where it has none."""
    text = path.read_text(encoding="utf-8")
    document = json.loads(text.replace("PAST DATE", "2020-01-01T00:00:00Z").replace("FUTURE DATE", FUTURE))
    if "issuer" not in document:
        return document | {"issuer": ISSUER}
    issuer = document["issuer"]
    return document | {"issuer": issuer | {"id": issuer.get("id", ISSUER)}} if isinstance(issuer, dict) else document


@pytest.mark.parametrize("path", CREDENTIALS, ids=lambda path: path.stem)
def test_a_good_file_is_a_credential_and_a_bad_one_is_none(path: Path) -> None:
    document = as_the_suite_sends_it(path)
    if path.name.endswith("-ok.json"):
        check_credential(document)
    elif path.name not in NOT_ASKED:
        with pytest.raises(DataModelProblem):
            check_credential(document)


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        await found.catches_up()
        yield found


OF_ITSELF = {"period-not-begun", "period-over"}
"""What a file may say of itself, that it does not hold yet or no more; nothing else is wrong with any."""


def wrongs(answer: Any) -> set[str]:
    """Return the codes of what was found wrong; there is none without the verdict `invalid`."""
    found = {check["code"] for check in answer["checks"] if check["result"] == "invalid"}
    assert bool(found) == (answer["verdict"] == "invalid")
    return found


async def asked(verifier: Verifier, data: bytes) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    async with verifier.session.post(f"{verifier.url}/v1/verifications", data=data, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_no_file_of_the_suite_is_called_a_forgery(verifier: Verifier) -> None:
    for path in FILES:
        as_sent = json.dumps(as_the_suite_sends_it(path)).encode()
        for data, allowed in ((path.read_bytes(), set()), (as_sent, OF_ITSELF)):
            status, answer = await asked(verifier, data)
            answers = answer if isinstance(answer, list) else [{"answer": answer}]
            if status == 200:
                found = [line["answer"] for line in answers if "answer" in line]
                assert {wrong for each in found for wrong in wrongs(each)} <= allowed, path.name
                assert {each["verdict"] for each in found} <= {"indeterminate", "invalid"}
            else:
                assert status == 422, (path.name, answer)
                assert answer["detail"], path.name
