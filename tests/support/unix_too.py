"""A server that listens on a unix socket beside its address, for ``connections.py``."""

from __future__ import annotations

from typing import Any

from waitress import server
from waitress.adjustments import Adjustments


def main(application: Any, global_conf: Any, unix_socket: str, **options: str) -> None:
    """Serve on both until the process ends (PasteDeploy's ``paste.server_runner``)."""
    tcp = server.create_server(application, **options)
    del options["listen"]
    server.UnixWSGIServer(
        application,
        map=tcp._map,
        dispatcher=tcp.task_dispatcher,
        adj=Adjustments(unix_socket=unix_socket, **options),
    )
    tcp.run()
