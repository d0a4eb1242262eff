"""`python -m tests.support.bill_of_materials`: prints the bill of materials (CycloneDX 1.6) of what is installed here.

What is in it comes from the lock file, by its hashes, and from what each library says of itself; the same source gives
the same bytes. Asks nobody.
"""

import hashlib
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[2]
VENDORED = {
    "services/contexts": "JSON-LD contexts",
    "services/issuer_gateway/papers/fonts": "Fonts",
    "services/verifier/pages/browser/vendor": "Programs for the browser",
}
"""Works of others that are part of the package; each folder says whose they are and under which terms."""
_NAMESPACE = uuid.UUID("6f7d7d0c-5a2e-5a0f-9a51-6d1c6d2d8a10")
_LOCKED = re.compile(r"^([\w.-]+)==([^\s;]+)((?:.*\\\n)*.*)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NEEDED = re.compile(r"[\w.-]+")
Component = dict[str, Any]


class Locked(msgspec.Struct, frozen=True):
    """One library of the lock file, with the SHA-256 of each file that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Return its name as a package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked() -> dict[str, Locked]:
    """Return what the lock file holds, by normal name."""
    text = (ROOT / "requirements.txt").read_text()
    found = (
        Locked(_normal(name), version, tuple(_HASH.findall(rest))) for name, version, rest in _LOCKED.findall(text)
    )
    return {each.name: each for each in found}


def bill_of_materials() -> dict[str, Any]:
    """Return the bill; raises `PackageNotFoundError` where the project itself is not installed."""
    libraries, own = locked(), distribution("credentify")
    needed = _closure(own, libraries)
    components = [_component(each, is_needed=each.name in needed) for each in libraries.values()]
    root = {
        "type": "application",
        "bom-ref": "credentify",
        "name": "credentify",
        "version": own.version,
        "licenses": [{"expression": "Apache-2.0"}],
        "purl": f"pkg:pypi/credentify@{own.version}",
    }
    graph = [{"ref": "credentify", "dependsOn": sorted(libraries[name].purl for name in _direct(own, libraries))}]
    graph += [
        {"ref": each.purl, "dependsOn": sorted(libraries[name].purl for name in _of(each, libraries))}
        for each in libraries.values()
    ]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [*components, *_vendored()],
        "dependencies": graph,
    }
    serial = uuid.uuid5(_NAMESPACE, hashlib.sha256(msgspec.json.encode(bill)).hexdigest())
    return {"serialNumber": f"urn:uuid:{serial}"} | bill


def _component(library: Locked, *, is_needed: bool) -> Component:
    files = [{"alg": "SHA-256", "content": each} for each in library.hashes]
    found: Component = {
        "type": "library",
        "bom-ref": library.purl,
        "name": library.name,
        "version": library.version,
        "purl": library.purl,
        "scope": "required" if is_needed else "excluded",
        "externalReferences": [{"type": "distribution", "url": library.purl, "hashes": files}],
    }
    if licence := _licence(library.name):
        found["licenses"] = [{"license": {"name": licence}}]
    return found


def _licence(name: str) -> str | None:
    """Return what a library says of its terms, None where it is not installed here or says nothing."""
    try:
        said = distribution(name).metadata
    except PackageNotFoundError:
        return None
    classifiers = (each for each in said.get_all("Classifier") or () if each.startswith("License"))
    classified = "; ".join(each.rpartition(" :: ")[2] for each in classifiers)
    text = said["License-Expression"] or (said["License"] or "").partition("\n")[0] or classified
    return text or None


def _vendored() -> Iterator[Component]:
    for folder, words in VENDORED.items():
        files = sorted(path for path in (ROOT / folder).iterdir() if path.is_file())
        yield {
            "type": "file",
            "bom-ref": folder,
            "name": folder,
            "description": f"{words} of others; terms and origin stand in the folder",
            "components": [
                {
                    "type": "file",
                    "bom-ref": str(path.relative_to(ROOT)),
                    "name": path.name,
                    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
                }
                for path in files
            ],
        }


def _closure(own: Distribution, libraries: Mapping[str, Locked]) -> set[str]:
    """Return all that the project needs to run, by normal name."""
    found, waiting = set[str](), list(_direct(own, libraries))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _of(libraries[name], libraries)
    return found


def _of(library: Locked, libraries: Mapping[str, Locked]) -> set[str]:
    try:
        return _direct(distribution(library.name), libraries)
    except PackageNotFoundError:
        return set()


def _direct(installed: Distribution, libraries: Mapping[str, Locked]) -> set[str]:
    """Return which libraries of the lock file one names as needed, whatever the platform; extras are not asked for."""
    needed = (each for each in installed.requires or () if "extra ==" not in each)
    names = (_normal(_NEEDED.match(each)[0]) for each in needed)  # type: ignore[index]  # it begins with a name
    return {name for name in names if name in libraries}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(bill_of_materials()), indent=2) + b"\n")
