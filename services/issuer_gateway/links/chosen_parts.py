"""Which parts of a document a share shows. Pure.

What a learner did not choose is taken out of what the document says before anything is made of it: page, source, PDF
and API are all made of what is left. A document's signature covers the whole of it, so a share of parts holds no
document, and says so.
"""

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from proto.wire.content import Content
from proto.wire.holder_links import ShownPart

EVERY_PART: tuple[ShownPart, ...] = ("result", "evidence", "date_of_birth", "identifier", "document")
AUDIENCE_CHARACTERS_MAX = 200


class ShareTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a learner said of a share: for whom it is meant, and which parts it shows; `document` stands for all."""

    audience: str = ""
    parts: tuple[ShownPart, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the signed document itself is shown."""
        return "document" in self.parts


def chosen(content: Content, parts: Collection[ShownPart]) -> Content:
    """Return what a document says of the chosen parts alone.

    A result takes with it what was said of the award in words, which may say the result too.
    """
    if "document" in parts:
        return content
    holder = replace(
        content.holder,
        date_of_birth=content.holder.date_of_birth if "date_of_birth" in parts else None,
        identifier=content.holder.identifier if "identifier" in parts else None,
    )
    has_result = "result" in parts
    return replace(
        content,
        holder=holder,
        results=content.results if has_result else (),
        narrative=content.narrative if has_result else None,
        evidence=content.evidence if "evidence" in parts else (),
    )
