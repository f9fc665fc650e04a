"""When the last backup and pack of the stack succeeded, for whoever watches its instances.

``bin/backup`` and ``bin/pack`` note it in a file (``zopestack.backups.jobs``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from zopestack.figure import Figure, Values

#: Not ``job``, which is Prometheus's own.
LABELS = ("job_name",)

SUCCEEDED = Figure(
    "job_succeeded",
    "gauge",
    "When the last backup or pack succeeded, in seconds since the epoch; 0 for never.",
    LABELS,
)
FAILED = Figure(
    "job_failed", "gauge", "1 if a backup or pack has failed since then, else 0.", LABELS
)


def figures(path: str) -> Iterator[tuple[Figure, Values]]:
    """The figures of each job; none where nothing is known.

    :param path: the file.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {
            (name,): (float(job["succeeded"]), int(bool(job["failed"])))
            for name, job in told.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    yield SUCCEEDED, {name: succeeded for name, (succeeded, _) in known.items()}
    yield FAILED, {name: failed for name, (_, failed) in known.items()}
