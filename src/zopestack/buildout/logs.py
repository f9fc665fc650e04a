"""The logs of an instance: which it writes, and how they are rotated."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.model import Stack

Section = Mapping[str, str]


def options(stack: Stack, own: Section) -> dict[str, str]:
    """A user's options, with those of the logs that they leave open.

    There is no access log in the instances: HAProxy sees every request and knows more of it.

    CPU of a light request without one over with one is 0.85 (0.78 to 0.99): the median of
    25 interleaved rounds with one client; again, 0.84 (0.71 to 0.96). A user who names a
    file gets it, rotated.
    """
    asked = any(name.startswith(("access-log", "z2-log")) for name in own)
    file = own.get("z2-log", own.get("access-log", "" if asked else "disable"))
    if file.strip().lower() != "disable":
        return {**_rotated(stack, "event-log", own), **_rotated(stack, "access-log", own), **own}
    # The recipe takes a null handler then, which has no arguments.
    left = {name: text for name, text in own.items() if not name.startswith("access-log-")}
    return {**_rotated(stack, "event-log", own), "access-log": "disable", **left}


def _rotated(stack: Stack, log: str, own: Section) -> dict[str, str]:
    """The handler of a log, unless the user names one, which may take other arguments."""
    if f"{log}-handler" in own:
        return {}
    kept = {"maxBytes": stack.rotation.log_size, "backupCount": stack.rotation.log_files}
    # Lines of an instance's access log are finished texts.
    kind = "JsonLogFile" if stack.access.json and log == "event-log" else "LogFile"
    return {
        f"{log}-handler": f"zopestack.log_file.{kind}",
        f"{log}-kwargs": str(kept),
    }
