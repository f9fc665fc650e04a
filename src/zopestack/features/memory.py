"""Whether instances share the memory of one Zope, and which of them cannot."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.features.option import Feature, feature, option
from zopestack.features.parsers import switch

#: The part that Zope is loaded with for all.
LOADER = "loader"

#: The programs that do it. The first one starts with the stack; a roll starts the other one beside
#: the one that runs, which ends when the roll is over.
LOADERS = (LOADER, f"{LOADER}-2")

#: Options of an [instanceN] that a fork reads for itself, from its own files, when it starts.
#: Any other one could matter while Zope is loaded, which has been done for all alike.
OWN = (
    *("agent-address", "http-address"),
    *("access-log", "access-log-args", "access-log-handler", "access-log-kwargs"),
    *("asyncore-use-poll", "client-home", "event-log", "event-log-args", "event-log-handler"),
    *("event-log-kwargs", "event-log-level", "max-request-body-size", "switch-interval"),
    *("threads", "z2-log", "z2-log-level", "zeo-client-blob-cache-size"),
    *("zeo-client-cache-size", "zeo-client-client", "zeo-var", "zodb-cache-size"),
    "zodb-cache-size-bytes",
)

#: An option with which no instance can be a fork: its file is the user's own.
WSGI = "wsgi"

#: Values of it with which the recipe makes the file.
STANDARD = ("on", "true", "1")


@feature
class Memory(Feature):
    """What several instances may have in common."""

    share_memory: bool = option(
        switch,
        "off",
        "Load Zope once and fork it for each instance: several take less memory, and one that "
        "starts need not load Zope again. See :doc:`/howto/memory`.",
    )


def alone(common: Mapping[str, str], given: Mapping[str, str]) -> str:
    """Why an instance cannot be a fork; empty where it can.

    :param common: the options of [instance], with which Zope is loaded.
    :param given: those of this instance, with the common ones.
    """
    others = [
        name
        for name, text in sorted(given.items())
        if (name == WSGI and text not in STANDARD) or (name not in OWN and common.get(name) != text)
    ]
    return f"other {', '.join(others)}" if others else ""
