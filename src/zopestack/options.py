"""The options of [stack]: one table, and nowhere else a name, a default or a meaning.

Parsing, the error for an unknown name, README's table and the comments in buildout.cfg
come from it; a test compares them.
"""

from __future__ import annotations

from zopestack import haproxy, values
from zopestack.frontend.options import FRONTEND
from zopestack.option import Option

OPTIONS: dict[str, Option] = {
    option.name: option
    for option in (
        Option(
            "instances",
            values.instances,
            "auto",
            "How many Zope processes share the work; ``auto`` is one a usable CPU core.",
        ),
        Option(
            "threads",
            values.threads,
            "1",
            "Threads of each instance. More than 2 fight for one interpreter lock.",
        ),
        Option(
            "switch-interval",
            values.switch_interval,
            "",
            "How long a thread may keep the interpreter lock while another waits for it, such as "
            "``0.5ms``; by default Python's own, 5 ms.",
        ),
        Option(
            "http-address",
            values.address,
            "127.0.0.1:8080",
            "Where visitors reach the site; ``*:80`` opens it to every network.",
        ),
        Option(
            "base-port",
            values.port,
            "8081",
            "Instance *i* listens on loopback, port ``base-port + i - 1``.",
        ),
        Option(
            "agent-base-port",
            values.optional_port,
            "",
            "Instance *i* answers ``GET /health`` on loopback, port ``agent-base-port + i - 1``; "
            "by default 1000 above ``base-port``.",
        ),
        Option(
            "zeo-address",
            values.loopback_address,
            # Past the ports of 256 instances; 8100, the habit of Zope's recipes, is not.
            "127.0.0.1:8400",
            "Where the database server listens.",
        ),
        Option(
            "stats-address",
            values.loopback_address,
            "127.0.0.1:8404",
            "HAProxy's own status page, and its figures for Prometheus under ``/metrics``.",
        ),
        Option(
            "eggs",
            values.eggs,
            "Zope",
            "What every instance imports: ``Zope``, ``Plone``, your own packages.",
        ),
        Option(
            "user",
            values.user,
            "admin",
            "The first manager; the password is generated once into ``var/admin-password``.",
        ),
        Option(
            "haproxy",
            values.executable,
            "auto",
            "Path of HAProxy; ``auto`` takes the system's if it is "
            f"{haproxy.dotted(haproxy.OLDEST)} or later, else the one from PyPI.",
        ),
        Option(
            "nbthread",
            values.nbthread,
            # Two halve the rate of light pages on 2 cores (FACTS, "HAProxy in front of waitress").
            "1",
            "Threads of HAProxy; one serves thousands of requests a second.",
        ),
        Option(
            "stop-grace",
            values.seconds,
            "60s",
            "How long requests get to finish when an instance is stopped or restarted.",
        ),
        Option(
            "hung-after",
            values.seconds,
            "10m",
            "An instance hangs when all its threads have been in one request for longer; "
            "it gets no more requests and is restarted.",
        ),
        Option(
            "memory-limit",
            values.memory,
            "",
            "An instance that uses more, such as ``800MB``, is drained and restarted.",
        ),
        Option(
            "warm-up",
            values.paths,
            "",
            "Paths an instance fetches from itself before it takes traffic.",
        ),
        Option(
            "templates",
            values.optional_path,
            "",
            "A directory whose files win over the packaged templates, file by file.",
        ),
        Option(
            "var",
            values.path,
            "var",
            "Where the database, logs, sockets and the password live.",
        ),
        *FRONTEND,
    )
}
