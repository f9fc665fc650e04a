"""What is compared: some instances, and what stands in front of them."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zopestack import rendering
from zopestack.bench import polling, proc
from zopestack.bench.farm import Broken, Farm, fetch
from zopestack.frontend.model import Frontend
from zopestack.model import Address, Instance, Stack
from zopestack.options import OPTIONS
from zopestack.runtime import Runtime
from zopestack.supervision import Supervisor

#: Processes that use less than this share of a core over so many seconds are idle.
SETTLED_SHARE = 0.1
SETTLED_SECONDS = 0.5

#: supervisord's words for a program that is on its way or there, and for one that is not.
STARTS = ("STARTING", "RUNNING")
STOPPED = ("STOPPED", "EXITED", "FATAL")

#: Seconds a balancer or a server of its own kind gets to listen, and to end.
PATIENCE = 60


@dataclass(frozen=True)
class Target:
    """A layout that is running.

    :param address: where it takes requests.
    :param roots: ids of its first processes by what they are: ``zope``, ``balancer``, ``zeo``.
    :param instances: those of the farm that it uses.
    :param runtime: HAProxy's runtime API, where HAProxy balances.
    :param keeper: supervisord, where it keeps the balancer's log. Its descendants are every
        process of the farm, so it is counted alone.
    :param crowd: processes that play visitors: neither its cost nor somebody else's.
    :param visitor: the address that requests come from; empty for this machine's own, which
        the generated HAProxy counts and limits less than others.
    """

    address: Address
    roots: Mapping[str, tuple[int, ...]]
    instances: tuple[Instance, ...] = ()
    runtime: Runtime | None = None
    keeper: int | None = None
    crowd: tuple[int, ...] = ()
    visitor: str = ""

    @property
    def processes(self) -> dict[str, tuple[int, ...]]:
        """All its processes now, with what they have forked."""
        found = {
            role: tuple(pid for root in roots for pid in proc.family(root))
            for role, roots in self.roots.items()
        }
        return found if self.keeper is None else {**found, "supervisord": (self.keeper,)}

    def settle(self, seconds: float = SETTLED_SECONDS) -> None:
        """Return when the processes have nothing to do: what they load is loaded, and what
        they were asked is done.

        :param seconds: of one look at them.
        """

        def quiet() -> bool:
            pids = [pid for pids in self.processes.values() for pid in pids]
            before = proc.usage(pids).cpu
            time.sleep(seconds)
            return proc.usage(pids).cpu - before < SETTLED_SHARE * seconds

        polling.until(quiet, PATIENCE)


@dataclass(frozen=True)
class Layout:
    """One way to serve a Zope.

    :param name: short, for tables and plots: instances x threads, or the peer's name.
    :param help: one sentence for the report.
    :param serve: starts it on a farm and stops it again.
    :param threads: of each of the farm's instances it uses.
    :param lasting: whether it is started once for all rounds, since it takes seconds to.
    :param settings: options of [stack] that differ from the farm's.
    """

    name: str
    help: str
    instances: int
    threads: int
    serve: Callable[[Farm, Layout], AbstractContextManager[Target]] = field(repr=False)
    lasting: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def direct(farm: Farm, layout: Layout) -> Iterator[Target]:
    """The first instance itself, without a balancer."""
    instances = farm.instances(1, layout.threads)
    yield Target(instances[0].address, roots(farm, instances), instances)


@contextmanager
def generated(
    farm: Farm,
    layout: Layout,
    edit: Callable[[str], str] | None = None,
    arrange: Callable[[Frontend], Frontend] | None = None,
) -> Iterator[Target]:
    """Behind HAProxy, configured and run as bin/buildout does, with the layout's own settings:
    supervisord starts it and keeps its log, which is part of what it costs.

    :param edit: what is changed in the text of haproxy.cfg.
    :param arrange: what is changed in the Stack's front end.
    """
    instances = farm.instances(layout.instances, layout.threads)
    found = {name: OPTIONS[name].parse(text) for name, text in layout.settings.items()}
    stack = _with(replace(farm.stack, instances=instances), found)
    if arrange:
        stack = replace(stack, frontend=arrange(stack.frontend))
    rendered = rendering.render(stack)
    given = {path: rendered[path] for path in stack.balancer_files}
    if edit:
        given[stack.haproxy_conf] = edit(given[stack.haproxy_conf])
    with ExitStack() as lasting:
        if "switch-interval" in found:
            lasting.enter_context(switching(instances, found["switch-interval"]))
        yield lasting.enter_context(supervised(farm, stack, given))


def _with(stack: Stack, settings: Mapping[str, Any]) -> Stack:
    """The Stack with other values of these options."""
    balancer, frontend = stack.balancer, stack.frontend
    return replace(
        stack,
        balancer=replace(balancer, nbthread=settings.get("nbthread", balancer.nbthread)),
        frontend=replace(frontend, affinity=settings.get("affinity", frontend.affinity)),
    )


@contextmanager
def switching(instances: tuple[Instance, ...], seconds: float) -> Iterator[None]:
    """Another switch interval in the running processes, through a page of the benchmark's.

    :raises Broken: where they do not have the page.
    """
    before = [float(fetch(each.address, "/bench-switch-interval")) for each in instances]
    try:
        for each in instances:
            fetch(each.address, f"/bench-switch-interval?seconds={seconds!r}")
        yield
    finally:
        for each, own in zip(instances, before, strict=True):
            fetch(each.address, f"/bench-switch-interval?seconds={own!r}")


@contextmanager
def supervised(farm: Farm, stack: Stack, given: Mapping[Path, str]) -> Iterator[Target]:
    """The farm's own program ``haproxy`` with this configuration.

    :param given: HAProxy's files.
    :raises Broken: where HAProxy does not listen; with the last lines of its log.
    """
    for path, text in given.items():
        path.write_text(text, encoding="utf-8")
    supervisor = Supervisor(stack.supervisor_socket)
    address = stack.balancer.http

    def state() -> str:
        return supervisor.processes()["haproxy"].state

    # Without waiting for startsecs: it listens long before.
    supervisor.rpc.startProcess("haproxy", False)
    try:
        polling.until(lambda: polling.listens(address) or state() not in STARTS, PATIENCE)
        if state() not in STARTS:
            log = stack.logs / "haproxy.out.log"
            raise Broken(f"HAProxy does not start with {stack.haproxy_conf}:\n{_tail(log)}")
        yield Target(
            address,
            {**roots(farm, stack.instances), "balancer": (farm.pid("haproxy"),)},
            stack.instances,
            Runtime(stack.haproxy_socket),
            supervisor.pid(),
        )
    finally:
        if state() not in STOPPED:
            supervisor.rpc.stopProcess("haproxy", False)
        polling.until(lambda: state() in STOPPED, PATIENCE)


@contextmanager
def haproxy(farm: Farm, stack: Stack, text: str) -> Iterator[Target]:
    """HAProxy with this configuration in front of the Stack's instances, on its own."""
    stack.var.mkdir(parents=True, exist_ok=True)
    conf = stack.var / "haproxy.cfg"
    conf.write_text(text, encoding="utf-8")
    command = [str(stack.balancer.executable), "-W", "-db", "-f", str(conf)]
    address = stack.balancer.http
    with running(command, stack.var / "haproxy.log", address) as pid:
        yield Target(
            address,
            {**roots(farm, stack.instances), "balancer": (pid,)},
            stack.instances,
            Runtime(stack.haproxy_socket),
        )


@contextmanager
def running(
    command: list[str],
    log: Path,
    address: Address,
    environment: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[int]:
    """A process that listens on the address; its id.

    :raises Broken: where it ends, or does not listen; with the last lines of its log.
    """
    with open(log, "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        polling.until(lambda: process.poll() is not None or polling.listens(address), PATIENCE)
        if process.poll() is not None:
            raise Broken(f"{' '.join(command)} ended with {process.returncode}:\n{_tail(log)}")
        yield process.pid
    except polling.TooLate:
        raise Broken(f"{' '.join(command)} does not listen on {address}:\n{_tail(log)}") from None
    finally:
        process.send_signal(stop)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def roots(farm: Farm, instances: tuple[Instance, ...]) -> dict[str, tuple[int, ...]]:
    """The processes of these instances and of ZEO."""
    return {"zope": tuple(farm.pid(x.name) for x in instances), "zeo": (farm.pid("zeo"),)}


def layouts(number: int) -> dict[str, Layout]:
    """The layouts of the project itself, by name.

    :param number: N, how many instances share the machine besides the fixed ones.
    """
    found = [
        Layout("1x4 direct", "one instance with 4 threads, no balancer", 1, 4, direct),
        Layout("1x1 direct", "one instance with 1 thread, no balancer", 1, 1, direct),
    ]
    counts = [(1, 1), (2, 2), (2, 1), (number, 1), (number, 2)]
    found += [generated_layout(count, threads) for count, threads in counts]
    return {layout.name: layout for layout in found}


def generated_layout(count: int, threads: int, settings: Mapping[str, str] | None = None) -> Layout:
    """So many instances of so many threads behind the generated HAProxy.

    :param settings: options of [stack] to try: nbthread, affinity and switch-interval.
    """
    plural = "s" if count > 1 else ""
    chosen = [f"{option} {value}" for option, value in (settings or {}).items()]
    return Layout(
        " ".join((f"{count}x{threads}", *chosen)),
        f"{count} instance{plural} with {threads} thread{'s' if threads > 1 else ''} each "
        f"behind the generated HAProxy{' with ' if chosen else ''}{', '.join(chosen)}",
        count,
        threads,
        generated,
        settings=settings or {},
    )


def counts(wanted: Mapping[str, Layout]) -> dict[int, int]:
    """How many instances a farm needs for these layouts, by number of threads."""
    most: dict[int, int] = {}
    for layout in wanted.values():
        most[layout.threads] = max(most.get(layout.threads, 0), layout.instances)
    return dict(sorted(most.items()))


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
