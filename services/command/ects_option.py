"""Credits as an option of a command: written as people do, read exactly. Nothing that gets signed is rounded."""

from typing import Any

import click

from proto.stacking import ects_of_text, ects_text


class EctsType(click.ParamType[int]):
    """ECTS credits, with a point or a comma, in hundredths."""

    name = "ECTS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return hundredths; refuses what is no number with at most two decimals."""
        found = value if isinstance(value, int) else ects_of_text(str(value))
        if found is None:
            self.fail(f"write ECTS credits as 3 or {ects_text(250)}, with at most two decimals", param, ctx)
        return found


ECTS = EctsType()
