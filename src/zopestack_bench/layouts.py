"""What is measured: layouts, each one way to serve the same Zope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from zopestack import system_program
from zopestack_bench.slow import Slow

#: What the benchmark's own files are made from.
TEMPLATES = Path(__file__).parent / "templates"

#: Where gunicorn, uWSGI and waitress find Zope.
APPLICATION = "zopestack_bench.wsgi:application"


@dataclass(frozen=True)
class Layout:
    """One way to serve a Zope.

    :param name: short, for tables and plots: instances x threads, or the peer's name.
    :param help: one sentence for the report.
    :param threads: of each instance that it uses.
    :param program: what takes requests, a program of the farm's supervisord; empty for the
        instance itself.
    :param command: how to start that program, if it is none of the stack: ``{instances}``,
        ``{address}``, ``{directory}`` and ``{interpreter}``, the Python that has the instances' own
        eggs, are filled in. It is started once for all rounds, since that takes seconds.
    :param embeds: whether that program has Zope in its own processes.
    :param settings: options of [stack] that differ from the farm's.
    :param templates: templates in place of the product's, as ``templates`` of [stack].
    :param client: the address that requests come from; empty for 127.0.0.1, which the generated
        HAProxy limits less than others.
    :param slow: slow clients that it has while it runs.
    """

    name: str
    help: str
    instances: int
    threads: int
    program: str = "haproxy"
    command: str = ""
    embeds: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    templates: Path | None = None
    client: str = ""
    slow: tuple[Slow, ...] = ()


def generated(count: int, threads: int, settings: Mapping[str, str] | None = None) -> Layout:
    """So many instances of so many threads behind the generated HAProxy.

    :param settings: options of [stack] to try: nbthread, affinity and switch-interval.
    """
    chosen = [f"{option} {value}" for option, value in (settings or {}).items()]
    return Layout(
        " ".join((f"{count}x{threads}", *chosen)),
        f"{_count(count, 'instance')} with {_count(threads, 'thread')} each behind the generated "
        f"HAProxy{' with ' if chosen else ''}{', '.join(chosen)}",
        count,
        threads,
        settings=settings or {},
    )


def layouts(number: int) -> dict[str, Layout]:
    """The layouts of the project and its peers by name, as far as they serve more than one claim.

    :param number: N, how many instances share the machine besides the fixed ones, and processes
        of one thread each peer has.
    """
    same = "the same Zope and ZODB cache, no balancer, no log; it closes every connection"
    counts = [(1, 1), (2, 2), (2, 1), (number, 1), (number, 2)]
    found = [
        Layout("1x4 direct", "one instance with 4 threads, no balancer", 1, 4, ""),
        Layout("1x1 direct", "one instance with 1 thread, no balancer", 1, 1, ""),
        *(generated(count, threads) for count, threads in counts),
        Layout(
            "stock HAProxy",
            f"{number}x1 behind HAProxy's defaults: a thread a core, no maxconn, no log",
            number,
            1,
            templates=TEMPLATES / "stock",
        ),
        # No jail: as root, varnishd would drop to a user who cannot read our directory.
        Layout(
            "varnish",
            f"{number}x1 behind Varnish's director",
            number,
            1,
            "director",
            f"{system_program.find('varnishd')} -j none -F -a {{address}} "
            "-f {directory}/default.vcl -s malloc,32m -n {directory}/varnish",
        ),
        # With its default, synchronous workers.
        Layout(
            "gunicorn",
            f"gunicorn with {number} sync workers: {same}",
            number,
            1,
            "gunicorn",
            f"{{interpreter}} -m gunicorn {APPLICATION} --workers {{instances}} "
            "--no-control-socket --bind {address}",
            embeds=True,
        ),
        # With processes of one thread each. They load Zope after the fork: its connection to ZEO
        # does not survive one. It closes every connection without saying so, which clients take
        # for an error.
        Layout(
            "uwsgi",
            f"uWSGI with {number} processes: {same}",
            number,
            1,
            "uwsgi",
            "{interpreter} -c \"__import__('pyuwsgi').run('"
            f"--module {APPLICATION} --processes {{instances}} --master --lazy-apps "
            "--enable-threads --disable-logging --die-on-term --add-header Connection:close "
            "--http-socket {address}'.split())\"",
            embeds=True,
        ),
    ]
    return {layout.name: layout for layout in found}


#: The server that the agent's own takes the place of: one process with one thread. It closes no
#: connection.
WAITRESS = Layout(
    "waitress",
    "the same Zope on waitress's own server, one thread, no balancer, no log",
    1,
    1,
    "waitress",
    f"{{interpreter}} -m waitress -- --listen={{address}} --threads=1 {APPLICATION}",
    embeds=True,
)


def missing() -> dict[str, str]:
    """The peers this machine does not have, and how to get them."""
    pip = ".venv/bin/pip install"
    compiled = "(a wheel; where there is none it needs a C compiler)"
    known = {
        "varnish": (system_program.find("varnishd"), "apt-get install varnish"),
        "gunicorn": (find_spec("gunicorn"), f"{pip} gunicorn"),
        "uwsgi": (find_spec("pyuwsgi"), f"{pip} pyuwsgi {compiled}"),
    }
    return {name: how for name, (there, how) in known.items() if not there}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
