"""Papers of credentials: PDF and pictures, laid out by a program of its own within bounds. Keeps nothing."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from proto.documents.baked_picture import with_credential
from proto.problem import BusyProblem, InvalidProblem
from services.bounded_program import run_bounded, within
from services.edge.qr_code import qr_svg
from services.issuer_gateway.papers.paper_process import PaperOrder
from services.issuer_gateway.waiting.turns import WorkTurns

MAKERS_MAX = 2
WAITING_MAX = 32
WAIT_SECONDS_MAX = 20.0
MAKE_SECONDS_MAX = 40.0
"""By the clock, for machines that have much else to do; how much work one may be, its program's processor time says."""
PROGRAM = ("-m", "services.issuer_gateway.papers.paper_process")
PictureForm = Literal["png", "svg"]
_PICTURE_PPI = 216.0
"""So that a PNG is 1,080 by 810 pixels."""
_THREADS = {"RAYON_NUM_THREADS": "1"}
"""One thread lays out one paper: more would take address space and no less time."""


class PaperProblem(InvalidProblem):
    """The paper cannot be laid out within its bounds."""

    slug = "paper"
    title = "No paper can be made of this credential"


class Papers:
    """Makes papers, `MAKERS_MAX` at once; others wait for their turn. `fonts` is a folder of more fonts."""

    def __init__(self, *, fonts: Path | None = None, program: Sequence[str] = PROGRAM) -> None:
        self._fonts = fonts
        self._program = program
        self._turns = WorkTurns(
            MAKERS_MAX,
            waiting_max=WAITING_MAX,
            wait_seconds_max=WAIT_SECONDS_MAX,
            busy="Other papers are being made; ask again in a minute",
        )

    async def pdf(
        self,
        said: Mapping[str, Any],
        *,
        document: bytes | None,
        address: str | None,
        bundle: bytes | None = None,
        logo: bytes | None = None,
    ) -> bytes:
        """Return a supplement as PDF/A-3a and PDF/UA-1, with document and bundle attached where they are given.

        `address` is what its QR code holds, `logo` the institution's, a PNG. Raises `PaperProblem`, and `BusyProblem`
        where others take too long.
        """
        files = {} if document is None else {"document": document.decode()}
        if bundle is not None:
            files["bundle"] = bundle.decode()
        if address:
            files["qr"] = qr_svg(address)
        return await self.made(PaperOrder(template="supplement", form="pdf", said=dict(said), files=files, logo=logo))

    async def picture(
        self,
        said: Mapping[str, Any],
        form: PictureForm,
        *,
        document: bytes,
        address: str | None,
        logo: bytes | None = None,
    ) -> bytes:
        """Return the picture of a credential as PNG or SVG, with the document inside by the rule of Open Badges.

        Raises as `pdf` does.
        """
        files = {"qr": qr_svg(address)} if address else {}
        order = PaperOrder(
            template="picture", form=form, said=dict(said), files=files, logo=logo, pixels_per_inch=_PICTURE_PPI
        )
        return with_credential(await self.made(order), document)

    async def made(self, order: PaperOrder) -> bytes:
        """Return a paper; raises `PaperProblem`, and `BusyProblem` where others take too long, or the machine does."""
        order = msgspec.structs.replace(order, fonts=str(self._fonts) if self._fonts else None)
        async with self._turns.turn():
            return await self._made(msgspec.json.encode(order))

    async def _made(self, order: bytes) -> bytes:
        try:
            ended = await run_bounded(self._program, order, wait=within(MAKE_SECONDS_MAX), environment=_THREADS)
        except TimeoutError as error:
            raise BusyProblem("This machine has too much to do to lay it out now; ask again in a minute") from error
        if ended.status:
            word = ended.said[-40:] or "it was ended: its texts are too long for a paper"
            raise PaperProblem(
                f"It cannot be laid out within the bounds of a paper ({word}). The document itself can be read as ever"
            )
        return ended.written
