"""Asks openbadgeslib about the documents in a folder; the same contract as `run.mjs`. Opens no connection.

It judges `eddsa-rdfc-2022` proofs, and which key of the issuer made them. Status lists it reads as tokens only, so the
status is left out; it takes the machine's clock, not the one of the folder.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from openbadgeslib.errors import LibOpenBadgesException  # type: ignore[import-not-found] # runs in a venv of its own
from openbadgeslib.ob3.ldp import OB3LdpVerifier  # type: ignore[import-not-found] # the same


def verdict(document: dict[str, Any], loads: dict[str, Any]) -> dict[str, Any] | None:
    proof = document.get("proof")
    if isinstance(proof, dict):
        return None  # ours with JCS proofs, which it does not read

    def download(url: str) -> bytes:
        name = unquote(url)
        if name not in loads:
            raise LibOpenBadgesException(f"nothing is loaded for {name}")
        return json.dumps(loads[name]).encode()

    try:
        OB3LdpVerifier().verify(document, download=download)
    except LibOpenBadgesException as error:
        return {"accepts": False, "reason": f"{type(error).__name__}: {error}"[:2000]}
    return {"accepts": True, "reason": ""}


def main(folder: Path) -> None:
    world = json.loads((folder / "world.json").read_text())
    verdicts: dict[str, dict[str, Any]] = {}
    for name, document in world["cases"].items():
        judged = verdict(document, world["loads"])
        verdicts[name] = {} if judged is None else {"openbadgeslib": judged}
    (folder / "openbadgeslib.json").write_text(json.dumps({"verdicts": verdicts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
