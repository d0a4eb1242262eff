"""The page of an interface: contents, a search, commands to copy; and nothing to be pressed inside of another."""

import html.parser
from typing import Any

import msgspec
import pytest

from services.edge import Route
from services.edge.curl import curl_of
from services.edge.docs import DocsPage
from services.edge.openapi import openapi_document


class Wish(msgspec.Struct, frozen=True):
    """What is wished for."""

    title: str
    amount: int
    kind: str = "plain"


async def _handler(_: object) -> None: ...


def route(method: str, path: str, operation: str, summary: str, **more: object) -> Route:
    return Route(method, path, _handler, operation=operation, summary=summary, tag="wishes", **more)  # type: ignore[arg-type] # as they come


ROUTES = [
    route("GET", "/v1/wishes/{wish_id}", "read_wish", "One wish", response={200: Wish}),
    route("POST", "/v1/wishes", "make_wish", "Wish for something", request=Wish, response={201: Wish}),
    route(
        "PUT", "/v1/list", "send_list", "Send a list", request=bytes, request_media=("text/csv",), response={204: None}
    ),
]


@pytest.fixture(scope="module")
def page() -> DocsPage:
    return DocsPage(openapi_document(title="Wishes", version="1", description="All of them.", routes=ROUTES))


def test_every_operation_is_in_the_contents_and_has_a_command(page: DocsPage) -> None:
    for each in ROUTES:
        assert f'href="#{each.operation}"' in page.whole
        assert f'id="{each.operation}"' in page.whole
    assert page.whole.count("<summary>With curl</summary>") == len(ROUTES)


def test_a_search_leaves_what_has_all_of_its_words_and_what_that_names(page: DocsPage) -> None:
    found = page.found("WISH something")
    assert 'id="make_wish"' in found
    assert 'id="read_wish"' not in found
    assert 'id="schema-Wish"' in found
    assert "1 of 3 operations" in found
    assert 'value="WISH something"' in found


def test_a_search_that_finds_nothing_says_so_and_shows_what_was_searched_as_text(page: DocsPage) -> None:
    found = page.found("<script>alert(1)</script>")
    assert "Nothing has all of these words" in found
    assert "<script>" not in found


def test_commands_hold_what_must_be_sent() -> None:
    members = {"title": {"type": "string"}, "amount": {"type": "integer", "minimum": 3}, "kind": {"type": "string"}}
    schemas = {"Wish": {"type": "object", "required": ["title", "amount"], "properties": members}}
    body: dict[str, Any] = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Wish"}}}}
    operation = {"method": "POST", "path": "/v1/wishes/{wish_id}", "security": [{"bearer": []}], "requestBody": body}
    command = curl_of(operation, schemas)
    assert command.startswith('curl -X POST \\\n  "$URL/v1/wishes/WISH_ID"')
    assert '-H "Authorization: Bearer $KEY"' in command
    assert '"title": "…"' in command
    assert '"amount": 3' in command
    assert "kind" not in command
    body["content"]["application/json"]["examples"] = {"one": {"value": {"title": "it's"}}}
    assert "it'\\''s" in curl_of(operation, schemas)


class _Nesting(html.parser.HTMLParser):
    """Finds what is to be pressed inside of something that is to be pressed itself."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.nested = 0, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as its parent has it
        if tag in {"a", "button", "summary"}:
            self.nested += self.open
            self.open += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in {"a", "button", "summary"}:
            self.open -= 1


def test_nothing_that_is_pressed_is_inside_of_another(page: DocsPage) -> None:
    nesting = _Nesting()
    nesting.feed(page.whole)
    assert nesting.nested == 0


def test_media_of_files_are_sent_from_a_file(page: DocsPage) -> None:
    assert "--data-binary @list.csv" in page.whole
