"""`credentify request` and `credentify claim` against a running gateway, as learners and staff use them."""

import csv
import json
import stat
from pathlib import Path

import pytest

from proto.documents.open_badge_names import IRIS
from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway


@pytest.fixture
async def office(gateway: RunningGateway) -> Office:
    office = await gateway.institution("waterland")
    await office.describe("hydrology", takes_requests=True)
    return office


@pytest.fixture
def shell(gateway: RunningGateway, tmp_path: Path, office: Office) -> Shell:
    return Shell(gateway, tmp_path, office)


async def test_requests_are_made_rejected_withdrawn_and_accepted_by_command(shell: Shell) -> None:
    ask = ("request", "ask", "--institution", "waterland", "--achievement", "hydrology")
    first, second, third = [
        json.loads(await shell.run(*ask, "--family-name", name, "--json")) for name in ("Bo", "Vo", "Zo")
    ]
    listed = await shell.run("request", "list", staff=True)
    assert [line.split()[-1] for line in listed.splitlines()] == ["Bo", "Vo", "Zo", "open"]
    reason = ("--reason", "The exam was not passed")
    assert "rejected" in await shell.run("request", "reject", first["request_id"], *reason, staff=True)
    assert "reason: The exam was not passed" in await shell.run("request", "status", shell.link(first["link"]))
    assert "withdrawn: Hydrology" in await shell.run("request", "withdraw", shell.link(second["link"]))
    body = shell.folder / "body.json"
    body.write_text('{"valid_from": "2026-02-01T00:00:00Z", "learner": {"ref": "ignored", "given_name": "Zoë"}}')
    accept = ("request", "accept", third["request_id"], "--ref", "s-1", "--grade", "8", "--body", str(body))
    assert await shell.run(*accept, staff=True) == await shell.run(*accept, staff=True)
    document = shell.folder / "document.json"
    await shell.run("request", "status", shell.link(third["link"]), "--document", str(document))
    subject = json.loads(document.read_bytes())["credentialSubject"]
    assert (subject[IRIS["givenName"]], subject[IRIS["familyName"]], subject["result"][0]["value"]) == (
        "Zoë",
        "Zo",
        "8",
    )
    refused = await shell.run("request", "accept", second["request_id"], staff=True, status=1)
    assert "withdrawn" in refused
    assert "no link" in await shell.run("request", "status", "https://gateway.example/requests/x", status=1)


async def test_links_of_a_batch_and_of_a_credential_are_made_used_and_cancelled_by_command(
    shell: Shell, office: Office, gateway: RunningGateway
) -> None:
    awards = [office.award("hydrology", f"s-{number}") for number in range(2)]
    batch = await office.client.send("POST", "/v1/batches", json.dumps(awards).encode(), key="exams")
    links = shell.folder / "links.csv"
    await shell.run("claim", "batch", batch.body["batch_id"], "--out", str(links), staff=True)
    assert stat.S_IMODE(links.stat().st_mode) == 0o600
    with links.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["line"] for row in rows] == ["1", "2"]
    out = shell.folder / "mine.json"
    await shell.run("claim", "use", shell.link(rows[0]["link"]), "--out", str(out))
    assert json.loads(out.read_bytes())["credentialSubject"][IRIS["givenName"]] == "Zoë"
    again = await shell.run("claim", "use", shell.link(rows[0]["link"]), "--out", str(out) + "2", status=1)
    assert "works once" in again
    assert "exists already" in await shell.run("claim", "use", shell.link(rows[1]["link"]), "--out", str(out), status=1)
    nowhere = str(out / "folder" / "mine.json")  # a file stands where a folder would have to be
    assert "no folder" in await shell.run("claim", "use", shell.link(rows[1]["link"]), "--out", nowhere, status=1)
    await shell.run("claim", "use", shell.link(rows[1]["link"]), "--out", str(shell.folder / "theirs.json"))
    for _ in range(2):  # what got nothing leaves no file behind
        used = await shell.run("claim", "use", shell.link(rows[0]["link"]), "--out", str(out) + "3", status=1)
        assert "works once" in used
    make = ("claim", "make", "--credential", rows[1]["credential_id"], "--json")
    made = json.loads(await shell.run(*make, staff=True))
    assert json.loads(await shell.run("claim", "status", made["claim_id"], staff=True))["state"] == "open"
    assert json.loads(await shell.run("claim", "cancel", made["claim_id"], staff=True))["state"] == "cancelled"
    listed = shell.folder / "awards.ndjson"
    others = [office.award("hydrology", f"t-{number}") for number in range(2)]  # the same is not awarded twice
    listed.write_text("".join(json.dumps(award) + "\n" for award in others))
    to_awards = shell.folder / "award-links.csv"
    await shell.run("claim", "awards", str(listed), "--out", str(to_awards), staff=True)
    with to_awards.open(newline="") as links_file:
        made_links = [row["link"] for row in csv.DictReader(links_file)]
    assert len(set(made_links)) == 2
    await shell.run("claim", "use", shell.link(made_links[1]), "--out", str(shell.folder / "second.json"))
    assert "either" in await shell.run("claim", "make", staff=True, status=1)
    assert gateway.ended_with == []
