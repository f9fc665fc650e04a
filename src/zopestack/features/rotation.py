"""How much of its logs a stack keeps."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import size, whole_number

#: More old files of each log than anybody reads.
MAX_FILES = 1000


def _files(text: str) -> int:
    # Python's and supervisor's logs with no old file are never rotated.
    return whole_number(text, 1, MAX_FILES)


@feature
class Rotation(Feature):
    """The size of a log file, and how many old ones are kept beside it."""

    log_size: int = option(
        size,
        "10MB",
        "The size at which a log file is rotated; it holds for every log in ``var/log``.",
    )
    log_files: int = option(_files, "3", "How many old files of each log are kept.")
