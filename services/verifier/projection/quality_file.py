"""The copy of a quality register as it lies in a file, which `credentify quality-register import` has written."""

from pathlib import Path

import msgspec

from proto.canonical import DECODE_ERRORS
from proto.quality_register import QualityRegister
from services.settings import SettingsFault
from services.verifier.verdict.quality import NO_COPY, QualityCopy


def read_quality_file(path: Path | None, *, days_max: int) -> QualityCopy:
    """Return the copy, or none where no file is set; raises `SettingsFault` for a file that holds none."""
    if path is None:
        return NO_COPY
    try:
        copy = msgspec.json.decode(path.read_bytes(), type=QualityRegister)
        return QualityCopy(copy, days_max=days_max)
    except (OSError, ValueError, OverflowError, *DECODE_ERRORS) as error:
        raise SettingsFault(
            f"QUALITY_REGISTER_FILE: {path} cannot be read, or is no copy of a register. Write one "
            "with `credentify quality-register import`, or leave the setting out"
        ) from error
