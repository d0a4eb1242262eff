"""Asks openvc-core about the documents in a folder; the same contract as `run.mjs`. Opens no connection.

It reads a proof only as a single object; a list of one, which Open Badges' schema wants, is given to it as its one
proof, by which nothing changes of what was signed. Contexts that it does not bring are given to it.
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
        self.contexts = {
            name: {"@context": found["@context"]} for name, found in loads.items() if set(found) == {"@context"}
        }

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


def verdict(document: dict[str, Any], loaded: Loaded, policy: Any) -> dict[str, Any]:
    proof = document.get("proof")
    single = document | {"proof": proof[0]} if isinstance(proof, list) and len(proof) == 1 else document
    try:
        verify_credential(
            single,
            policy=policy,
            resolver=loaded,
            resolve_status_list=loaded.status_list,
            extra_contexts=loaded.contexts,
        )
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
        verdicts[name] = {"openvc-core": verdict(document, loaded, policy)}
    (folder / "openvc.json").write_text(json.dumps({"verdicts": verdicts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
