"""`credentify verify --offline` and `credentify bundle`, as somebody with three files and no network uses them."""

import csv
import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from proto.bundles.bundle import Bundle, encode_bundle
from proto.canonical import canonical_json
from proto.documents.baked_picture import with_credential
from proto.ids import CredentialId, KeyId
from proto.keys import SecretKey
from proto.moment import Moment
from services.command.bundle import credential_id_in
from services.command.main import main
from services.command.output import EXIT_COULD_NOT_ASK
from services.command.verify import EXIT_STATUS
from services.crypto.data_integrity import create_proof
from services.verifier.languages.english import when
from tests.support.bundles import bundle_of, cosigned, issue_document, without, witness_policy_text
from tests.support.document_files import pdf
from tests.support.documents import ISSUER
from tests.support.worlds import World


class Desk:
    """Three files and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = World()
        self.document, self.credential_id = issue_document(self.world)

    def bundle(self) -> Bundle:
        return bundle_of(self.world, self.credential_id, checkpoint=cosigned(self.world))

    def write(self, *, document: Any = None, bundle: bytes | None = None, policy: str | None = None) -> list[str]:
        contents = {
            "document.json": json.dumps(document or self.document, indent=1).encode(),
            "bundle.json": bundle if bundle is not None else encode_bundle(self.bundle()),
            "policy": (policy or witness_policy_text(self.world)).encode(),
        }
        for name, content in contents.items():
            (self.folder / name).write_bytes(content)
        first, second, third = (str(self.folder / name) for name in contents)
        return ["verify", "--offline", first, second, "--policy", third]

    def run(self, *arguments: str, **files: Any) -> Result:
        return CliRunner().invoke(main, [*self.write(**files), *arguments])

    def answer(self, **files: Any) -> dict[str, Any]:
        result = self.run("--json", **files)
        found: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == EXIT_STATUS[found["verdict"]]
        return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    def refuse(*_: object) -> None:
        raise AssertionError("offline means that nobody is asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return Desk(tmp_path)


def check_of(answer: dict[str, Any], name: str) -> tuple[str, str]:
    return next((item["result"], item["code"]) for item in answer["checks"] if item["check"] == name)


def test_what_checks_out_is_authentic_as_of_a_time_and_never_valid(desk: Desk) -> None:
    result = desk.run()
    assert result.exit_code == 2
    assert result.stdout.startswith(f"AUTHENTIC AS OF {when(desk.world.received_at(2))} (indeterminate)")
    assert "the log of 2027-01-15 08:00 UTC (by the word of its witnesses)" in result.stdout


def test_each_check_says_what_it_can_know(desk: Desk) -> None:
    answer = desk.answer()
    assert answer["verdict"] == "indeterminate"
    assert [(item["check"], item["result"]) for item in answer["checks"]] == [
        ("document", "valid"),
        ("proof", "not_applicable"),
        ("signature", "valid"),
        ("inclusion", "valid"),
        ("issuer", "valid"),
        ("status", "unknown"),
        ("period", "valid"),
        ("components", "not_applicable"),
        ("freshness", "unknown"),
    ]
    assert answer["issuer"]["legal_name"] == "Nadmorska of Example"
    assert (answer["as_of"]["time"], answer["as_of"]["time_source"]) == (desk.world.received_at(2), "log")


def test_without_witnesses_the_time_is_the_logs_word(desk: Desk) -> None:
    policy = f"log {desk.world.log_key.verifier.text}\nquorum none\n"
    answer = desk.answer(policy=policy)
    assert (answer["verdict"], answer["as_of"]["time_source"]) == ("indeterminate", "log")
    assert answer["as_of"]["time"] == desk.world.received_at(2)


def test_a_time_that_is_still_to_come_is_none_to_rely_on(desk: Desk) -> None:
    """A log could date ahead: what is said until then would be hidden by "authentic as of" its time."""
    desk.world = World(start=Moment("2090-01-01T00:00:00.000Z"))
    desk.document, desk.credential_id = issue_document(desk.world)
    policy = f"log {desk.world.log_key.verifier.text}\nquorum none\n"
    result = desk.run(policy=policy)
    assert result.stdout.startswith("INDETERMINATE: could not be decided; do not rely on it"), result.stdout
    answer = desk.answer(policy=policy)
    assert (answer["verdict"], answer["as_of"]["time"]) == ("indeterminate", None)


def test_an_altered_document_is_invalid(desk: Desk) -> None:
    answer = desk.answer(document=desk.document | {"name": "Doctor of everything"})
    assert answer["verdict"] == "invalid"
    assert check_of(answer, "document") == ("invalid", "other-document")
    assert "credential" not in answer


def test_a_revoked_credential_is_invalid(desk: Desk) -> None:
    desk.world.say(desk.world.revocation(desk.world.parties[ISSUER.did], desk.credential_id))
    answer = desk.answer()
    assert (answer["verdict"], check_of(answer, "status")) == ("invalid", ("invalid", "status-revoked"))
    assert answer["status"]["state"] == "revoked"


def test_a_missing_quorum_is_invalid(desk: Desk) -> None:
    answer = desk.answer(bundle=encode_bundle(bundle_of(desk.world, desk.credential_id)))
    assert (answer["verdict"], check_of(answer, "inclusion")) == ("invalid", ("invalid", "quorum-missing"))
    assert answer["as_of"]["time"] is None


def test_a_bundle_without_the_admission_is_invalid(desk: Desk) -> None:
    answer = desk.answer(bundle=encode_bundle(without(desk.bundle(), 1)))
    assert answer["verdict"] == "invalid"
    assert check_of(answer, "signature") == ("invalid", "unknown-key")
    assert check_of(answer, "document") == ("invalid", "not-issued")


def test_an_altered_byte_of_the_bundle_is_invalid(desk: Desk) -> None:
    data = bytearray(encode_bundle(desk.bundle()))
    data[len(data) // 2] ^= 1
    result = desk.run(bundle=bytes(data))
    assert result.exit_code == 1
    assert "INVALID" in result.stdout


def test_the_documents_own_proof_is_checked_with_the_keys_in_the_bundle(desk: Desk) -> None:
    party = desk.world.parties[ISSUER.did]
    secret, key = party.secret("assertion"), party.assertion
    good = desk.document | {"proof": proof_of(desk.document, secret, key.key_id)}
    assert check_of(desk.answer(document=good), "proof") == ("valid", "proof-holds")
    other = proof_of(desk.document, party.secret("assertion", 1), key.key_id)
    answer = desk.answer(document=desk.document | {"proof": other})
    assert (answer["verdict"], check_of(answer, "proof")) == ("invalid", ("invalid", "proof-wrong"))


def proof_of(document: dict[str, Any], secret: SecretKey, key_id: str) -> dict[str, Any]:
    created = Moment("2026-01-01T00:00:00.000Z")
    return create_proof(document, key_id=KeyId(key_id), sign=secret.sign, suite="eddsa-jcs-2022", created=created)


def test_a_stack_says_which_parts_are_known_to_hold(desk: Desk) -> None:
    world, school = desk.world, desk.world.admit("school")
    stack = world.stacked(school, [world.issued(school), world.issued(school)])
    desk.credential_id = stack
    answer = desk.answer()  # the document is another one, which is said, and nothing about the stack is
    assert check_of(answer, "document") == ("invalid", "other-document")
    assert "stack" not in answer


def test_files_that_cannot_be_read_end_with_status_3(desk: Desk) -> None:
    arguments = desk.write()
    for wrong in (
        [*arguments[:2], "missing.json", *arguments[3:]],
        [*arguments[:3], "missing.json", *arguments[4:]],
        arguments[:4],
        [*arguments[:3], *arguments[4:]],
        ["verify", *arguments[2:]],
    ):
        assert CliRunner().invoke(main, wrong).exit_code == EXIT_COULD_NOT_ASK, wrong
    assert desk.run(policy="quorum everybody\n").exit_code == EXIT_COULD_NOT_ASK
    assert desk.run(document=[1, 2]).exit_code == EXIT_COULD_NOT_ASK


def test_a_bundle_is_asked_for_by_id_or_by_document(desk: Desk) -> None:
    desk.write()
    assert credential_id_in(desk.credential_id) == desk.credential_id
    assert credential_id_in(str(desk.folder / "document.json")) == desk.credential_id


def test_the_digest_covers_what_json_can_spell_in_many_ways(desk: Desk) -> None:
    assert msgspec.json.decode(canonical_json(desk.document)) == desk.document
    assert desk.answer(document=dict(reversed(desk.document.items())))["verdict"] == "indeterminate"
    assert CredentialId(desk.credential_id) == desk.bundle().credential_id


def test_a_document_of_a_newer_model_is_not_judged_and_not_called_false(desk: Desk) -> None:
    contexts = [name.replace("/credentials/v2", "/credentials/v3") for name in desk.document["@context"]]
    answer = desk.answer(document=desk.document | {"@context": contexts})
    assert (answer["verdict"], check_of(answer, "document")) == ("indeterminate", ("unknown", "document-newer-model"))
    assert "content" not in answer


def test_a_paper_and_a_picture_hold_what_is_checked(desk: Desk) -> None:
    document, bundle = json.dumps(desk.document).encode(), encode_bundle(desk.bundle())
    arguments = desk.write()
    paper, picture = desk.folder / "paper.pdf", desk.folder / "badge.svg"
    paper.write_bytes(pdf(credential=document, bundle=bundle))
    picture.write_bytes(with_credential(b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', document))
    for given in ([str(paper)], [str(paper), arguments[3]], [str(picture), arguments[3]]):
        result = CliRunner().invoke(main, ["verify", "--offline", *given, *arguments[4:]])
        assert result.stdout.startswith("AUTHENTIC AS OF"), result.output
    paper.write_bytes(pdf(credential=document))
    refused = CliRunner().invoke(main, ["verify", "--offline", str(paper), *arguments[4:]])
    assert refused.exit_code == EXIT_COULD_NOT_ASK


def test_an_export_is_checked_by_itself_each_document_by_its_bundle(desk: Desk) -> None:
    document, bundle = json.dumps(desk.document).encode(), encode_bundle(desk.bundle())
    *_, policy = desk.write()
    export, report = desk.folder / "export.zip", desk.folder / "report.csv"
    newer = document.replace(b"/credentials/v2", b"/credentials/v3")
    with zipfile.ZipFile(export, "w") as made:
        for name, content in (("good", document), ("altered", document.replace(b"Briain", b"Brian")), ("newer", newer)):
            made.writestr(f"documents/{name}.json", content)
            made.writestr(f"bundles/{name}.bundle", bundle)
        made.writestr("documents/alone.json", document)
        made.writestr("policy.txt", "quorum none\n")
    command = ["verify", "--offline", str(export), "--policy", policy, "--report", str(report)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == EXIT_STATUS["invalid"]
    for said in ("AUTHENTIC AS OF", "Awarded to Łukasz Ó Briain", "alone.json: Its bundle is missing"):
        assert said in result.stdout
    rows = {row["file"]: row["verdict"] for row in csv.DictReader(report.read_text(encoding="utf-8").splitlines())}
    assert [rows[f"documents/{name}.json"] for name in ("good", "altered", "newer", "alone")] == [
        "indeterminate",
        "invalid",
        "indeterminate",
        "unreadable",
    ]
    for wrong in (command[:3], [*command[:3], "bundle.json", *command[3:]]):
        assert CliRunner().invoke(main, wrong).exit_code == EXIT_COULD_NOT_ASK
