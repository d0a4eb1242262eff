"""Templates of pages: compiled once in a process, rendered with what each environment has."""

from pathlib import Path

from services.edge import Templates


def _rendered(folder: Path, shout: str) -> str:
    templates = Templates(folder)
    templates.environment.filters["shout"] = lambda text: text + shout
    return templates.environment.get_template("page.html.jinja").render(word="yes")


def test_pages_that_share_a_piece_compile_it_once(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("{{ word }}")
    first, second = (Templates(tmp_path).environment.get_template("page.html.jinja") for _ in range(2))
    assert first is not second
    assert first.root_render_func.__code__ is second.root_render_func.__code__


def test_what_was_compiled_once_is_rendered_with_the_filters_of_each(tmp_path: Path) -> None:
    (tmp_path / "page.html.jinja").write_text("{{ word|shout }}")
    assert [_rendered(tmp_path, "!"), _rendered(tmp_path, "?")] == ["yes!", "yes?"]


def test_another_text_under_the_same_name_is_compiled_anew(tmp_path: Path) -> None:
    for text in ("{{ word }} now", "{{ word }} then"):
        (tmp_path / "page.html.jinja").write_text(text)
        assert _rendered(tmp_path, "").endswith(text.rpartition(" ")[2])
