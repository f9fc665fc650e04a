"""The agent's own port. It has its own threads and never uses one of Zope's.

GET /health    200, 404 or 503, and everything the agent knows as JSON
GET /alive     503 only if the instance hangs, so that a guard may restart it
GET /metrics   figures for Prometheus
GET /now       what /health tells and the requests that run, as JSON
GET /stacks    what every thread of the instance does now, as text
GET /threads   a dialog with HAProxy's watch (templates/slots.lua.j2): each line that names a
               question of zopestack.agent.threads is answered by a line of two numbers; "next 1"
               says that one request was sent since the question before
"""

from __future__ import annotations

import errno
import json
import re
import socket
import sys
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from zopestack.agent import jobs, own_thread
from zopestack.agent.health import Health
from zopestack.agent.metrics import process
from zopestack.agent.metrics.exposition import Exposition, Source
from zopestack.agent.now import now
from zopestack.agent.stacks import tracebacks
from zopestack.agent.threads import QUESTIONS, Threads
from zopestack.peers import Peers

#: Timeout in seconds for a client to send its request.
TIMEOUT = 5

NOT_FOUND = b"not found; use /health, /alive, /metrics, /now, /stacks or /threads\n"

#: A question, and how many requests HAProxy has sent since it asked the last one.
ASKED = re.compile(rb"(?P<name>%s)(?: (?P<given>[0-9]{1,9}))?\r?\n" % "|".join(QUESTIONS).encode())

#: Bytes of a request's rest that are read at once, to be ignored.
CHUNK = 4096


class Port(ThreadingHTTPServer):
    """The HTTP server of one agent."""

    daemon_threads = True
    health: Health
    exposition: Exposition

    def __init__(self, host: str, port: int, health: Health, exposition: Exposition) -> None:
        self.health = health
        self.exposition = exposition
        self.peers = Peers(health.configuration.hosts)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Answer)

    def start(self) -> None:
        """Serve from a thread of its own."""
        own_thread.start("agent", self.serve_forever)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether the one who has connected may ask."""
        return self.peers.may(client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close early: HAProxy does once it has read the status."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Answer(BaseHTTPRequestHandler):
    """One request to the agent."""

    server: Port
    timeout = TIMEOUT
    disable_nagle_algorithm = True
    server_version = "zopestack"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request by its path."""
        health = self.server.health
        if self.path == "/health":
            balancers, name = health.drain.balancers, self._name()
            with balancers.asking(name):
                report = health.report()
                self._send(report["status"], "application/json", json.dumps(report).encode())
                self._taken()
                balancers.took(name, report["status"])
        elif self.path == "/alive":
            hung = health.hang.hung()
            self._send(503 if hung else 200, "text/plain", b"hung\n" if hung else b"alive\n")
        elif self.path == "/metrics":
            self._send(200, CONTENT_TYPE_PLAIN_0_0_4, self.server.exposition.text())
        elif self.path == "/now":
            self._send(200, "application/json", json.dumps(now(health)).encode())
        elif self.path == "/stacks":
            self._send(200, "text/plain; charset=utf-8", tracebacks(health.meter).encode())
        elif self.path == "/threads":
            self._converse(health.meter.threads)
        else:
            self._send(404, "text/plain", NOT_FOUND)

    def _name(self) -> str:
        """Who asks: on another host may be a HAProxy with the same process id."""
        name, address = self.headers.get("User-Agent", ""), self.client_address[0]
        return name if address == self.server.server_address[0] else f"{name} at {address}"

    def _converse(self, threads: Threads) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        begun = threads.begun
        while asked := ASKED.fullmatch(self.rfile.readline(80)):
            expected = begun + int(asked["given"]) if asked["given"] else None
            answer = threads.answer(QUESTIONS[asked["name"].decode()], expected)
            begun = threads.begun
            self.wfile.write(b"%d %d\n" % answer)

    def _send(self, status: int, content_type: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _taken(self) -> None:
        """Wait until the one who asks closes the connection: it has read the answer then."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(CHUNK):
                pass

    def log_message(self, *_: Any) -> None:
        """Log nothing: a health check every second would fill the log."""


def open_port(health: Health, *sources: Source) -> Port:
    """Listen, or exit with one message if the port is in use.

    :param sources: of figures, beside the health and the jobs of the stack.
    """
    own = health.configuration
    known = (health.figures, lambda: jobs.figures(own.jobs), process.figures)
    exposition = Exposition(own.name, (*known, *sources), process.standard())
    try:
        return Port(own.host, own.port, health, exposition)
    except OSError as why:
        if why.errno != errno.EADDRINUSE:
            raise
        sys.exit(
            f"{own.name}: cannot listen on the agent's port {own.host}:{own.port}: another program "
            "uses that port. Change agent-base-port in [stack]."
        )
