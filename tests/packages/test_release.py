"""A release: its wheel is the same bytes whoever builds it, and its bill of materials names all that is in it."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
from referencing import Resource
from referencing.jsonschema import DRAFT7

from tests.packages.conftest import ROOT, run, tool
from tests.packages.schema_files import registry_of
from tests.support.bill_of_materials import VENDORED, bill_of_materials, locked

SCHEMAS = ".python/cyclonedx/schema/_res"


def test_the_wheel_is_the_same_bytes_when_it_is_built_again(wheel: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT)
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_bill_names_each_library_of_the_lock_file_with_its_hashes_and_terms() -> None:
    bill = bill_of_materials()
    libraries = {each["name"]: each for each in bill["components"] if each["type"] == "library"}
    assert libraries.keys() == locked().keys()
    assert all(each["externalReferences"][0]["hashes"] for each in libraries.values())
    assert {each["scope"] for each in libraries.values()} == {"required", "excluded"}
    assert libraries["aiohttp"]["scope"] == libraries["multidict"]["scope"] == "required"
    assert libraries["hatchling"]["scope"] == "excluded", "it builds, and does not run"
    assert [name for name, each in libraries.items() if "licenses" not in each and each["scope"] == "required"] == []
    references = {each["bom-ref"] for each in bill["components"]} | {"credentify"}
    assert all({each["ref"], *each["dependsOn"]} <= references for each in bill["dependencies"])
    assert VENDORED.keys() <= references
    assert bill == bill_of_materials()


def test_the_bill_is_one_by_cyclonedx_own_schema() -> None:
    folder = tool(SCHEMAS)

    def read(uri: str) -> Resource[Any]:
        name = (
            Path(uri).name.replace(".schema.json", ".SNAPSHOT.schema.json").replace(".SNAPSHOT.SNAPSHOT", ".SNAPSHOT")
        )
        return Resource.from_contents(json.loads((folder / name).read_text()), default_specification=DRAFT7)

    registry = registry_of(read)
    validator = jsonschema.Draft7Validator({"$ref": "bom-1.6.SNAPSHOT.schema.json"}, registry=registry)
    faults = [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(bill_of_materials())]
    assert not faults, faults
