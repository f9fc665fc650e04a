"""Inside supervisord: make its socket and its pid file again when they have been deleted, go on
with new logs when logrotate has renamed them, and note which processes it has started.

Cleaners of old files delete them from a stack that has run for long. Without its socket nobody
can tell supervisord anything, and it makes the socket once, when it starts. It loads this as an
interface of its own (its manual, "Extending Supervisor's XML-RPC API"), which has no methods.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supervisor import events

from zopestack.renamed import renamed
from zopestack.supervisor import entry, started


class Mend:
    """An interface without methods. It looks every 5 s (supervisor's manual, "TICK_5")."""

    def __init__(self, supervisord: Any, started_file: str) -> None:
        options = supervisord.options
        noted: dict[str, int] = {}

        def look(event: Any) -> None:
            try:
                if not os.path.exists(options.pidfile):  # noqa: PTH110
                    options.logger.warn(f"{options.pidfile} has been deleted; writing it again")
                    options.write_pidfile()
                sockets = [config["file"] for config, _ in options.httpservers if "file" in config]
                if gone := [file for file in sockets if not os.path.exists(file)]:  # noqa: PTH110
                    options.logger.warn(f"{', '.join(gone)} has been deleted; making it again")
                    # Not close_httpservers, which cuts off the clients that are connected. A TCP
                    # port is closed, too: the next call opens it again.
                    for _, server in options.httpservers:
                        server.close()
                    # Not openhttpservers, which ends supervisord where it fails.
                    options.httpservers = options.make_http_servers(supervisord)
            except (OSError, ValueError) as why:
                options.logger.critical(f"supervisorctl cannot reach supervisord: {why}")

        def reopen(event: Any) -> None:
            for handler in _log_files(supervisord):
                if renamed(handler.baseFilename, handler.stream.fileno()):
                    try:
                        _reopen(handler)
                    except OSError as why:
                        options.logger.critical(f"a log cannot be opened again: {why}")

        def note(event: Any) -> None:
            pids = {name: process.pid for name, process in _processes(supervisord) if process.pid}
            if pids != noted:
                try:
                    started.write(Path(started_file), pids)
                except OSError as why:
                    options.logger.critical(f"processes cannot be noted: {why}")
                noted.clear()
                noted.update(pids)

        # Made once for each socket; a restarted supervisord is another object.
        if not hasattr(supervisord, "mended"):
            supervisord.mended = True
            events.subscribe(events.Tick5Event, look)
            events.subscribe(events.Tick5Event, reopen)
            if started_file:
                events.subscribe(events.Tick5Event, note)
            events.subscribe(events.SupervisorRunningEvent, lambda event: entry.started())


def _log_files(supervisord: Any) -> Iterator[Any]:
    """What writes supervisord's own log, and those of the programs."""
    loggers = [supervisord.options.logger]
    for _, process in _processes(supervisord):
        # An input has none.
        found = (getattr(each, "normallog", None) for each in process.dispatchers.values())
        loggers += filter(None, found)
    for logger in loggers:
        yield from (each for each in logger.handlers if hasattr(each, "baseFilename"))


def _processes(supervisord: Any) -> Iterator[tuple[str, Any]]:
    """Every process by its name."""
    for group in supervisord.process_groups.values():
        yield from group.processes.items()


def _reopen(handler: Any) -> None:
    """Go on with a new file; with the old one where it cannot be made.

    Not supervisor's own ``reopen``, which closes the old one first: supervisord would end at its
    next line, and leave its programs alone.

    :raises OSError: where it cannot be made.
    """
    # With buffering and mode of supervisor's own.
    stream = open(handler.baseFilename, handler.mode)  # noqa: SIM115
    handler.stream.close()
    handler.stream = stream


def make(supervisord: Any, started: str = "") -> Mend:
    """Make the interface; this is the ``supervisor.rpcinterface_factory``.

    :param started: the file for the processes that supervisord has started; empty for none.
    """
    return Mend(supervisord, started)
