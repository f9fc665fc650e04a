"""What the dashboard of Grafana shows: the rows of panels that follow from a Stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from zopestack.model import Stack
from zopestack.render.alerts import CERTIFICATE, CONFLICTS, DAY, FREE

#: Series of the stack and of the instances that a person has chosen, by the dashboard's variables.
STACK = 'job="$job"'
CHOSEN = f'{STACK},instance_name=~"$instance"'

#: Shares of all requests that are at least as fast as what a panel shows.
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Query:
    """One group of lines in a panel.

    :param expression: in Prometheus's language, with the variables of Grafana.
    :param legend: the name of a line; ``{{label}}`` stands for the value of a label.
    """

    expression: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One graph.

    :param says: what a person learns from it.
    :param unit: of the values, as Grafana calls it.
    :param stacked: whether the sum is of interest.
    :param limit: a value that an alert looks for, drawn as a line.
    """

    title: str
    says: str
    unit: str
    queries: tuple[Query, ...]
    stacked: bool = False
    limit: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


def rows(stack: Stack) -> Iterator[Row]:
    """The rows, what concerns visitors first."""
    yield Row("Visitors", (*_requests(), *_front_end()))
    yield Row("Instances", tuple(_instances()))
    yield Row("Databases", tuple(_databases()))
    yield Row("Memory", tuple(_memory()))
    yield Row("Machine, backups and certificates", tuple(_operating(stack)))


def _chosen(figure: str) -> str:
    return f"{figure}{{{CHOSEN}}}"


def _all(figure: str, *more: str) -> str:
    return f"{figure}{{{','.join((STACK, *more))}}}"


def _rate(series: str) -> str:
    return f"rate({series}[$__rate_interval])"


def _sum(label: str, values: str) -> str:
    return f"sum by ({label}) ({values})"


def _by_instance(values: str) -> Query:
    return Query(values, "{{instance_name}}")


def _quantiles(figure: str) -> tuple[Query, ...]:
    buckets = _sum("le", _rate(_chosen(f"{figure}_bucket")))
    return tuple(
        Query(f"histogram_quantile({share}, {buckets})", f"{share:.0%}") for share in QUANTILES
    )


def _requests() -> Iterator[Panel]:
    answered = _rate(_chosen("zopestack_request_seconds_count"))
    yield Panel(
        "Requests",
        "What the instances have answered, by status.",
        "reqps",
        (Query(_sum("status", answered), "{{status}}"),),
        stacked=True,
    )
    yield Panel(
        "Time for a request",
        "How long a thread works on a request: half of them, 95% and 99% take at most this.",
        "s",
        _quantiles("zopestack_request_seconds"),
    )
    yield Panel(
        "Wait for a thread",
        "How long a request waits until a thread begins with it.",
        "s",
        _quantiles("zopestack_request_wait_seconds"),
    )


def _front_end() -> Iterator[Panel]:
    yield Panel(
        "Queue",
        "Requests that wait in HAProxy. A queue that is often there asks for more instances.",
        "short",
        (Query(_all("haproxy_backend_current_queue", 'proxy!="stats"'), "{{proxy}}"),),
    )
    yield Panel(
        "HAProxy's answers",
        "What visitors were answered, HAProxy's own answers included, by class of status.",
        "reqps",
        (
            Query(
                _sum("code", _rate(_all("haproxy_frontend_http_responses_total"))),
                "{{code}}",
            ),
        ),
        stacked=True,
    )
    yield Panel(
        "Connections of visitors",
        "Connections that are open now; max-connections is the most.",
        "short",
        (Query(_all("haproxy_frontend_current_sessions"), "{{proxy}}"),),
    )


def _instances() -> Iterator[Panel]:
    busy, threads = _chosen("zopestack_busy"), _chosen("zopestack_threads")
    yield Panel(
        "Busy threads",
        "Threads that work on a request now, and how many there are.",
        "short",
        (_by_instance(busy), Query(f"sum({threads})", "all threads")),
    )
    yield Panel(
        "Status",
        "200 serves, 404 is drained, 503 hangs, is cut off from its database, or starts.",
        "none",
        (_by_instance(_chosen("zopestack_status")),),
    )
    yield Panel(
        "Wait for the interpreter lock",
        "Threads that wait for another thread of their own process, on average. More instances "
        "with fewer threads wait less.",
        "short",
        (_by_instance(_rate(_chosen("zopestack_gil_wait_seconds_total"))),),
    )
    yield Panel(
        "CPU",
        "Cores that each instance uses.",
        "short",
        (_by_instance(_rate(_chosen("process_cpu_seconds_total"))),),
        stacked=True,
    )
    yield Panel(
        "Slots lent",
        "Requests beyond the threads, because clients hold slots without a thread.",
        "short",
        (_by_instance(_chosen("zopestack_slots_lent")),),
    )
    yield Panel(
        "Interrupted and repeated",
        "Requests that were interrupted after request-timeout, and repeated after a conflict.",
        "reqps",
        tuple(
            Query(f"sum({_rate(_chosen(figure))})", legend)
            for figure, legend in (
                ("zopestack_requests_interrupted_total", "interrupted"),
                ("zopestack_request_retries_total", "repeated"),
            )
        ),
    )


def _databases() -> Iterator[Panel]:
    commits, seconds, conflicts, loads, hits = (
        _sum("database", _rate(_chosen(f"zopestack_zodb_{name}_total")))
        for name in ("commits", "commit_seconds", "conflicts", "loads", "cache_hits")
    )
    yield Panel(
        "Conflicts",
        f"The share of commits that conflict. ZopeConflicts tells above {CONFLICTS:.0%}.",
        "percentunit",
        (Query(f"{conflicts} / {commits}", "{{database}}"),),
        limit=CONFLICTS,
    )
    yield Panel(
        "Commits",
        "Transactions that were committed.",
        "ops",
        (Query(commits, "{{database}}"),),
    )
    yield Panel(
        "Time for a commit",
        "On average; those that failed included.",
        "s",
        (Query(f"{seconds} / {commits}", "{{database}}"),),
    )
    yield Panel(
        "Objects loaded",
        "Objects that were not in the cache of their connection, and those of them that the "
        "instance's cache of the storage did not have either.",
        "ops",
        (
            Query(loads, "{{database}}"),
            Query(f"{loads} - {hits}", "{{database}} from its server"),
        ),
    )
    kept, limit, connections = (
        _chosen(f"zopestack_zodb_{name}")
        for name in ("cache_objects", "cache_limit", "connections")
    )
    full = f"{_sum('database', kept)} / {_sum('database', f'{limit} * {connections}')}"
    yield Panel(
        "Caches of connections",
        "How full they are. Full ones that load much ask for a larger zodb-cache-size.",
        "percentunit",
        (Query(full, "{{database}}"),),
    )
    yield Panel(
        "Connected",
        "1 if an instance can reach the database, else 0.",
        "none",
        (Query(_chosen("zopestack_zodb_connected"), "{{instance_name}} {{database}}"),),
    )


def _memory() -> Iterator[Panel]:
    yield Panel(
        "Memory of the instances",
        "What several share is divided among them.",
        "bytes",
        (_by_instance(_chosen("zopestack_memory_pss_bytes")),),
        stacked=True,
    )
    yield Panel(
        "Private memory",
        "What each instance shares with no other.",
        "bytes",
        (_by_instance(_chosen("zopestack_memory_private_bytes")),),
        stacked=True,
    )
    yield Panel(
        "Memory left",
        f"The share that the machine can still give. ZopeMemory tells below {FREE:.0%}.",
        "percentunit",
        (
            Query(
                f"{_all('zopestack_memory_available_bytes')} / "
                f"{_all('zopestack_memory_size_bytes')}",
                "left",
            ),
        ),
        limit=FREE,
    )
    pauses = _sum("instance_name", _rate(_chosen("zopestack_gc_pause_seconds_total")))
    yield Panel(
        "Pauses for garbage",
        "The share of the time for which the collection of garbage stops every thread.",
        "percentunit",
        (_by_instance(pauses),),
    )


def _operating(stack: Stack) -> Iterator[Panel]:
    yield Panel(
        "Programs",
        "How many programs supervisord has in each state.",
        "short",
        (Query(_sum("state", _all("zopestack_program_state")), "{{state}}"),),
        stacked=True,
    )
    free, size = _all("zopestack_disk_free_bytes"), _all("zopestack_disk_size_bytes")
    yield Panel(
        "Disks",
        f"The share that is free. ZopeDiskFull tells below {FREE:.0%}.",
        "percentunit",
        (Query(f"{free} / {size}", "{{directory}}"),),
        limit=FREE,
    )
    if stack.backups.jobs:
        last = f"max by (job_name) ({_all('zopestack_job_succeeded')})"
        yield Panel(
            "Age of backups",
            "Since the last backup or pack that succeeded.",
            "s",
            (Query(f"time() - {last}", "{{job_name}}"),),
        )
    if stack.certificate:
        ends = _all("zopestack_certificate_expires_seconds")
        yield Panel(
            "Certificates",
            f"Until each one ends. ZopeCertificateEnds tells {CERTIFICATE} days before.",
            "s",
            (Query(f"{ends} - time()", "{{file}}"),),
            limit=CERTIFICATE * DAY,
        )
