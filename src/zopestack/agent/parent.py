"""Ask supervisord, which has started this process, what a stop signal means.

A machine that shuts down sends SIGTERM to every process at once. supervisord then stops HAProxy
first, which finishes what it serves, and sends each instance a signal of its own when it is its
turn. Another SIGTERM to an instance, from somebody's ``kill``, means this instance only.
"""

from __future__ import annotations

import socket
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import cast

#: Seconds that supervisord gets to notice that it was sent the signal, too: it looks at its own
#: signals once a second (supervisor 4.3, ``Supervisor.runforever``).
NOTICE = 1.0

#: Seconds between two questions.
POLL_INTERVAL = 0.05

#: supervisord's answer to anything while it shuts down (supervisor's ``xmlrpc.Faults``).
SHUTDOWN_STATE = 6


@dataclass(frozen=True)
class Parent:
    """The supervisord that has started this process, or none.

    :param url: its address, as it puts it into the environment of a program (its manual,
        "Subprocess Environment"); empty where the process was started by something else.
    :param program: what it calls this process.
    """

    url: str = ""
    program: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Parent:
        """The parent that an environment names."""
        names = [environment.get(f"SUPERVISOR_{each}_NAME", "") for each in ("GROUP", "PROCESS")]
        return cls(environment.get("SUPERVISOR_SERVER_URL", ""), ":".join(names))

    def shuts_down(self) -> bool:
        """Whether supervisord stops everything, this process only when it is its turn.

        Takes up to :data:`NOTICE` seconds.
        """
        deadline = time.monotonic() + NOTICE
        while self.url.startswith("unix://"):
            try:
                info = self._ask("supervisor.getProcessInfo", self.program)
            except xmlrpc.client.Fault as fault:
                return fault.faultCode == SHUTDOWN_STATE
            except (OSError, HTTPException, xmlrpc.client.Error):
                return False
            if info["statename"] == "STOPPING" or time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL)
        return False

    def _ask(self, method: str, *arguments: str) -> dict[str, str]:
        connection = HTTPConnection("localhost", timeout=NOTICE)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(NOTICE)
            connection.sock.connect(self.url.removeprefix("unix://"))
            body = xmlrpc.client.dumps(arguments, method)
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            (answer,), _ = xmlrpc.client.loads(connection.getresponse().read())
        finally:
            connection.close()
        return cast(dict[str, str], answer)
