"""Asks openvc-core about the documents in a folder; the same contract as `run.mjs`. Opens no connection.

It reads a proof only as a single object, and under `eddsa-rdfc-2022` it refuses every inline context, so it judges
documents with JCS proofs, and status lists.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from openvc.did.base import DidResolutionError, parse_did_document  # type: ignore[import-not-found] # runs in a venv of its own
from openvc.errors import OpenvcError  # type: ignore[import-not-found] # the same
from openvc.verify import VerificationPolicy, verify_credential  # type: ignore[import-not-found] # the same


class Loaded:
    """Resolves what was loaded, and nothing else."""

    def __init__(self, loads: dict[str, Any], policy: Any) -> None:
        self._loads = loads
        self._policy = policy

    def supports(self, did: str) -> bool:
        return did.startswith("did:")

    def resolve(self, did: str) -> Any:
        if did not in self._loads:
            raise DidResolutionError(f"nothing is loaded for {did}")
        return parse_did_document(self._loads[did])

    def status_list(self, url: str) -> dict[str, Any]:
        if url not in self._loads:
            raise DidResolutionError(f"nothing is loaded for {url}")
        found = verify_credential(self._loads[url], policy=self._policy, resolver=self)
        return dict(found.credential)


def verdict(document: dict[str, Any], loaded: Loaded, policy: Any) -> dict[str, Any] | None:
    if isinstance(document.get("proof"), list):
        return None
    try:
        verify_credential(document, policy=policy, resolver=loaded, resolve_status_list=loaded.status_list)
    except OpenvcError as error:
        return {"accepts": False, "reason": f"{type(error).__name__}: {error}"[:2000]}
    return {"accepts": True, "reason": ""}


def main(folder: Path) -> None:
    world = json.loads((folder / "world.json").read_text())
    policy = VerificationPolicy(
        now=datetime.fromisoformat(world["now"]), require_status=True, require_status_issuer_binding=True
    )
    loaded = Loaded(world["loads"], policy)
    verdicts: dict[str, dict[str, Any]] = {}
    for name, document in world["cases"].items():
        judged = verdict(document, loaded, policy)
        verdicts[name] = {} if judged is None else {"openvc-core": judged}
    (folder / "openvc.json").write_text(json.dumps({"verdicts": verdicts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
