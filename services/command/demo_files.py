"""What the demo leaves to try: documents and one supplement in `demo/` of the data folder, and links to look at.

Made anew at each run, so that they show what holds now; only the learner's secret link stays the one that it was.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from proto.ids import CredentialId
from services.clients.gateway import AnsweredProblem, GatewayClient
from services.command.home import Addresses, replace_private
from services.command.output import own_name

PAPER = "valid.pdf"


class LeftToTry(msgspec.Struct, frozen=True, kw_only=True):
    """Links to look at by what they show, files, and the command to go on with."""

    links: dict[str, str]
    learner_page: str
    paper: str
    documents: tuple[str, ...]
    next_command: str

    def lines(self) -> list[str]:
        """Return what to print last: three links, a paper, the next command."""
        return [
            f"learner     {self.learner_page}   (what one learner holds; a secret link)",
            *(f"{name:<11} {link}" for name, link in self.links.items()),
            f"paper       {self.paper}   (the document is inside: choose it on the page above, or)",
            f"next        {self.next_command}",
        ]


async def leave_files(
    addresses: Addresses, kinds: Mapping[str, tuple[GatewayClient, CredentialId]], *, learner_page: str
) -> LeftToTry:
    """Write the document of each kind (`valid`, `revoked`, `impaired`) and a supplement of the first; return the rest.

    Files are the learners' own, so nobody else on this machine may read them.
    """
    folder, documents = Path(addresses.data) / "demo", []
    for kind, (gateway, credential_id) in kinds.items():
        file = folder / f"{kind}.json"
        replace_private(file, await gateway.document(credential_id))
        documents.append(str(file))
    first, first_id = next(iter(kinds.values()))
    replace_private(folder / PAPER, await first.pdf(first_id))
    replace_private(folder / "valid.png", await first.picture(first_id))
    paper = str(folder / PAPER)
    return LeftToTry(
        links={kind: f"{addresses.verifier}/c/{credential_id}" for kind, (_, credential_id) in kinds.items()},
        learner_page=learner_page,
        paper=paper,
        documents=tuple(documents),
        next_command=f"{own_name()} verify {paper} --verifier {addresses.verifier}",
    )


async def learner_page(gateway: GatewayClient, known: str, *, learner: str) -> str:
    """Return the secret link to all that a learner holds: the one that is known as long as it works, else a new one."""
    if known:
        try:
            await gateway.linked(known.rpartition("/")[2])
        except AnsweredProblem:
            pass
        else:
            return known
    made = await gateway.make_holder_link({"learner": learner})
    assert made.link is not None, "a link is shown to who made it"
    return made.link
