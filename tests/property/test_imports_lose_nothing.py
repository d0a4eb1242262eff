"""Whatever stands where in a document of others, each of its texts is read, or listed as having no place."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.imports.elm import import_elm
from proto.imports.microhe import import_microhe
from proto.imports.open_badge import import_open_badge
from tests.support.documents import EXAMPLES, full_document
from tests.support.foreign_documents import PROTOTYPE_RECORD, elm, open_badge, whole_elm
from tests.support.traces import MARK, untraced, with_value

_DUTCH = json.loads((EXAMPLES / "open-badges" / "waterland-dike-assessment.json").read_text())
marked = st.builds(lambda text: text + MARK, st.text(st.characters(codec="ascii", categories=["L"]), max_size=4))
values = st.recursive(
    marked
    | st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.just("")
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(marked | st.sampled_from(["id", "name"]), inner),
    max_leaves=6,
)
shapes: st.SearchStrategy[Callable[[Any], Any]] = st.one_of(
    values.map(lambda value: lambda _: value),
    st.just(lambda was: [was]),
    st.just(lambda was: [was, was]),
    st.just(lambda was: was[0] if isinstance(was, list) and was else was),
    values.map(lambda value: lambda was: was | {"id": value} if isinstance(was, dict) else value),
    values.map(lambda value: lambda was: [*was, value] if isinstance(was, list) else [was, value]),
    marked.map(lambda text: lambda was: was + text if isinstance(was, str) else text),
)


def _places(value: Any, pointer: str = "") -> list[str]:
    """Return pointers to everything in a document but the document."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = []
    for key, member in members:
        place = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
        found += [place, *_places(member, place)]
    return found


def _changed(document: Any, data: st.DataObject) -> Any:
    for _ in range(data.draw(st.integers(1, 3))):
        document = with_value(document, data.draw(st.sampled_from(_places(document))), data.draw(shapes))
    return document


@given(st.sampled_from([_DUTCH, full_document(), open_badge(name="Siân")]), st.data())
@settings(max_examples=400, deadline=None)
def test_no_text_of_an_open_badge_is_lost(document: Any, data: st.DataObject) -> None:
    assert untraced(_changed(document, data), import_open_badge) == []


# With a concept's URI its labels and its list are known; a type of another name changes nothing.
_KNOWN_BY_URI = ("/prefLabel", "/inScheme", "/type", "/notation")


@given(st.sampled_from([whole_elm(), elm()]), st.data())
@settings(max_examples=400, deadline=None)
def test_no_text_of_a_european_credential_is_lost(document: Any, data: st.DataObject) -> None:
    lost = untraced(_changed(document, data), import_elm)
    assert [pointer for pointer in lost if not any(part in pointer for part in _KNOWN_BY_URI)] == []


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_text_of_a_record_of_the_prototype_is_lost(data: st.DataObject) -> None:
    assert untraced(_changed(PROTOTYPE_RECORD, data), import_microhe) == []
