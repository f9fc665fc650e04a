"""Mail of the guard, handed to the machine's own mail server.

The guard uses this, so it imports little.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

#: Reads a message with its headers, as every mail server's does; a dot ends nothing.
SENDMAIL = ("sendmail", "-t", "-i")

#: Where it is, beside the PATH (Filesystem Hierarchy Standard 3.0, 4.10).
PLACES = "/usr/sbin:/usr/lib"

#: Seconds that it gets to take a message.
TIMEOUT = 30


def send(recipients: Sequence[str], subject: str, text: str) -> str:
    """Send a message; why that failed, empty where it did not.

    :param subject: one line of ASCII.
    """
    message = (
        f"To: {', '.join(recipients)}\n"
        f"Subject: {subject}\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Auto-Submitted: auto-generated\n"
        f"\n{text}\n"
    )
    path = f"{os.environ.get('PATH', os.defpath)}:{PLACES}"
    try:
        done = subprocess.run(
            SENDMAIL,
            input=message.encode("utf-8", "replace"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PATH": path},
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as why:
        return str(why)
    if not done.returncode:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip()
    return f"sendmail ended with {done.returncode}: {said}"
