"""`credentify credential` against a running gateway: papers, pictures and secret links, as staff make them."""

import json
from pathlib import Path

import pytest

from proto.documents.baked_picture import credential_in
from tests.support.command_shell import Shell
from tests.support.gateways import Office, RunningGateway


@pytest.fixture
async def office(gateway: RunningGateway) -> Office:
    return await gateway.institution("waterland")


@pytest.fixture
def shell(gateway: RunningGateway, tmp_path: Path, office: Office) -> Shell:
    return Shell(gateway, tmp_path, office)


async def test_staff_fetch_paper_and_picture_and_make_list_and_end_links(shell: Shell, office: Office) -> None:
    credential_id = (await office.issue((await office.describe()).achievement.uri, "s-1")).credential_id
    pdf, png = shell.folder / "paper.pdf", shell.folder / "badge.png"
    await shell.run("credential", "pdf", credential_id, "--out", str(pdf), "--lang", "de", staff=True)
    await shell.run("credential", "picture", credential_id, "--out", str(png), staff=True)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert b"credentialSubject" in credential_in(png.read_bytes())
    refused = await shell.run(
        "credential", "picture", credential_id, "--out", str(shell.folder / "x.gif"), staff=True, status=1
    )
    assert ".png nor .svg" in refused
    made = json.loads(await shell.run("credential", "link", "--learner", "s-1", "--days", "3", "--json", staff=True))
    assert made["link"].partition("/credentials/cfh_")[1]
    assert made["link_id"] in await shell.run("credential", "links", "s-1", staff=True)
    ended = json.loads(await shell.run("credential", "end-link", made["link_id"], staff=True))
    assert ended["state"] == "ended"
    assert "either --learner" in await shell.run("credential", "link", staff=True, status=1)
