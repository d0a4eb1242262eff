"""How commands name an achievement: by its title, who awards it, and its address."""

from proto.wire.content import Texts
from services.command.terminal import clean


def named(uri: str, title: Texts | None, institution_name: str | None) -> str:
    """Return one line: title (in English, else in the first language there is) and institution before the address."""
    texts = title or {}
    shown = texts.get("en") or next(iter(texts.values()), "")
    said = ", ".join(filter(None, (shown, institution_name))) if shown else ""
    return clean("  ".join(filter(None, (said, uri))))
