"""Whether the running supervisord has the TCP port, the user and the password of the Stack."""

from __future__ import annotations

import base64
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

import psutil

from zopestack.features.address import Address
from zopestack.features.control import HASHED
from zopestack.model import Stack
from zopestack.supervisor.client import ANSWER

OUTDATED = (
    "port, user and password of [supervisor] apply when supervisord is started: "
    "bin/supervisorctl reload stops everything and starts it again"
)


def outdated(stack: Stack, supervisord: int) -> str:
    """What to do where it has not; empty where it has.

    :param supervisord: its pid.
    """
    port = stack.control.port
    listening: set[int] = set()
    with suppress(psutil.Error):
        listening = {
            each.laddr.port
            for each in psutil.Process(supervisord).net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        }
    if listening != ({port.port} if port else set()):
        return OUTDATED
    # A password cannot be known from its hash.
    if port and not stack.control.password.startswith(HASHED) and not _lets_in(stack, port):
        return OUTDATED
    return ""


def _lets_in(stack: Stack, port: Address) -> bool:
    here, control = port.reachable, stack.control
    login = base64.b64encode(f"{control.user}:{control.password}".encode()).decode()
    connection = HTTPConnection(here.host, here.port, timeout=ANSWER)
    try:
        connection.request("GET", "/", headers={"Authorization": f"Basic {login}"})
        return connection.getresponse().status != 401
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
