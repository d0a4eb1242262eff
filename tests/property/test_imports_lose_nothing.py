"""Whatever stands where in a document of others, each of its texts is read, or listed as having no place."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.imports.open_badge import import_open_badge
from tests.support.documents import EXAMPLES, full_document
from tests.support.foreign_documents import open_badge
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


@given(st.sampled_from([_DUTCH, full_document(), open_badge(name="Siân")]), st.data())
@settings(max_examples=400, deadline=None)
def test_no_text_of_an_open_badge_is_lost(document: Any, data: st.DataObject) -> None:
    changed = document
    for _ in range(data.draw(st.integers(1, 3))):
        changed = with_value(changed, data.draw(st.sampled_from(_places(changed))), data.draw(shapes))
    assert untraced(changed, import_open_badge) == []
