"""The contract of a user's own haproxy.cfg.j2: what the rest of the stack relies on.

A site without these runs, and loses requests at the next restart.
"""

from __future__ import annotations

import re

from zopestack.features.discovery import PREFIX
from zopestack.features.instances import Instance
from zopestack.model import Stack

#: Directives of the backend, and what they are for.
DIRECTIVES = {
    "option httpchk GET /health": "without it HAProxy takes a busy instance for a dead one",
    "http-check disable-on-404": "without it a stop loses requests that are just arriving",
}


def missing(stack: Stack, haproxy_cfg: str) -> str:
    """The first thing that is left out and why it is needed; empty where all is there."""
    lines = [" ".join(line.split("#")[0].split()) for line in haproxy_cfg.splitlines()]
    for directive, why in DIRECTIVES.items():
        if directive not in lines:
            return f"`{directive}`; {why}"
    by_default = any(re.match(r"default-server\b.*\bcheck\b", line) for line in lines)
    for instance in stack.balanced:
        start = _start(stack, instance)
        server = next((line for line in lines if f"{line} ".startswith(start)), None)
        if server is None:
            return f"`{start.strip()}`; without it {instance.server} gets no requests"
        words = server.split()
        if "check" not in words and not by_default:
            return f"`check` for {instance.server}; without it a dead instance gets requests"
        if f"port {instance.agent.port}" not in server:
            return (
                f"`port {instance.agent.port}` for {instance.server}; without it the check asks "
                "a port where requests keep it waiting"
            )
    return ""


def _start(stack: Stack, instance: Instance) -> str:
    """How the line begins with which HAProxy knows an instance."""
    found = stack.discovery.discover
    if found and instance.discovered:
        return f"server-template {PREFIX} 1-{found.most} {found.asked} "
    return f"server {instance.server} {instance.address} "
