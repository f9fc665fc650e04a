"""Inside supervisord: make its socket and its pid file again when they have been deleted.

Cleaners of old files delete them from a stack that has run for long. Without its socket nobody
can tell supervisord anything, and it makes the socket once, when it starts. It loads this as an
interface of its own (its manual, "Extending Supervisor's XML-RPC API"), which has no methods.
"""

from __future__ import annotations

import os
from typing import Any

from supervisor import events

from zopestack.supervisor import entry


class Mend:
    """An interface without methods. It looks every 5 s (supervisor's manual, "TICK_5")."""

    def __init__(self, supervisord: Any) -> None:
        options = supervisord.options

        def look(event: Any) -> None:
            try:
                if not os.path.exists(options.pidfile):  # noqa: PTH110
                    options.logger.warn(f"{options.pidfile} has been deleted; writing it again")
                    options.write_pidfile()
                for config, server in options.httpservers:
                    if not os.path.exists(config["file"]):  # noqa: PTH110
                        options.logger.warn(f"{config['file']} has been deleted; making it again")
                        # Not close_httpservers, which cuts off the clients that are connected.
                        server.close()
                        # Not openhttpservers, which ends supervisord where it fails.
                        options.httpservers = options.make_http_servers(supervisord)
            except (OSError, ValueError) as why:
                options.logger.critical(f"supervisorctl cannot reach supervisord: {why}")

        # Made once for each socket; a restarted supervisord is another object.
        if not hasattr(supervisord, "mended"):
            supervisord.mended = True
            events.subscribe(events.Tick5Event, look)
            events.subscribe(events.SupervisorRunningEvent, lambda event: entry.started())


def make(supervisord: Any) -> Mend:
    """Make the interface; this is the ``supervisor.rpcinterface_factory``."""
    return Mend(supervisord)
