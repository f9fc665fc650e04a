"""When the last backup and pack of the stack succeeded, for whoever watches its instances.

``bin/backup`` and ``bin/pack`` note it in a file (``zopestack.backups.jobs``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

#: Figures of each job, as those of ``zopestack.agent.port.METRICS``.
METRICS = {
    "job_succeeded": (
        "gauge",
        "When the last backup or pack succeeded, in seconds since the epoch; 0 for never.",
    ),
    "job_failed": ("gauge", "1 if a backup or pack has failed since then, else 0."),
}


def figures(path: str) -> Iterator[tuple[str, str, float]]:
    """Name, job and value of each figure; none where nothing is known.

    :param path: the file.
    """
    try:
        told = json.loads(Path(path).read_text(encoding="utf-8"))
        known = {
            name: (float(job["succeeded"]), int(bool(job["failed"]))) for name, job in told.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    for number, figure in enumerate(METRICS):
        for name, values in known.items():
            yield figure, name, values[number]
