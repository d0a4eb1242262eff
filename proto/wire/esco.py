"""Skills of ESCO, as the gateway finds and loads them, over HTTP."""

from proto.events import Record


class EscoFound(Record, frozen=True, kw_only=True):
    """A skill of ESCO; `uri` goes into `esco_skills` of a learning outcome, or with its label into `esco`."""

    uri: str
    label: str
    type: str
    description: str = ""


class EscoFoundList(Record, frozen=True, kw_only=True):
    """Skills for what was typed, the likeliest first."""

    skills: tuple[EscoFound, ...]


class EscoLoaded(Record, frozen=True, kw_only=True):
    """How many skills of ESCO a file had, and how many rows about something else, which were passed over."""

    skill_count: int
    foreign_count: int = 0
    language: str
