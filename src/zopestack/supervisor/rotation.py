"""Take instances out of the balancer's rotation and bring them back, one step at a time.

Every step is waited for where it shows: in supervisord, at the instance's agent, in
HAProxy. A failure is a :class:`Stopped` that says which instance, which step and why.
"""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from functools import partial

from supervisor.xmlrpc import Faults

from zopestack.features.instances import LANES, VISITORS, Instance
from zopestack.features.unknown_name import nearest
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.supervisor.client import Supervisor
from zopestack.supervisor.health import ask

#: Seconds HAProxy gets to see a change; it checks once a second.
CHECK_PATIENCE = 15

#: Seconds between two looks.
LOOK = 0.1

#: supervisord's states of a program that will not come up by itself.
FAILED = ("FATAL", "BACKOFF", "EXITED", "STOPPED")


class Stopped(Exception):
    """A command ended early; the rest of the stack is as it was."""


class Rotation:
    """Moves the instances of one stack in and out of rotation.

    :param say: called with each line of progress.
    """

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.say = say
        self.supervisor = Supervisor(stack.supervisor_socket)
        self.runtime = Runtime(stack.haproxy_socket)

    def named(self, names: Sequence[str]) -> list[Instance]:
        """The instances of these names; ``all``, or no name, stands for every one.

        :raises Stopped: for an unknown name.
        """
        instances = {instance.name: instance for instance in self.stack.instances}
        if not names or list(names) == ["all"]:
            return list(instances.values())
        for name in names:
            if name not in instances:
                raise Stopped(f"{name}: no such instance; {nearest(name, instances)}")
        return [instances[name] for name in dict.fromkeys(names)]

    def roll(self, instances: Sequence[Instance], at_once: int = 1) -> None:
        """Restart instances in groups of ``at_once``, each back in rotation before the next.

        :raises Stopped: at the first failure, or where visitors would be left without.
        """
        began = time.monotonic()
        for start in range(0, len(instances), at_once):
            group = instances[start : start + at_once]
            self._others_serve(group)
            for instance in group:
                self.say(f"{instance.name}: draining")
                self._call("stopProcess", instance, ignore=Faults.NOT_RUNNING)
            for instance in group:
                self._wait_stopped(instance)
                self.say(f"{instance.name}: stopped, starting")
                self._call("startProcess", instance, ignore=Faults.ALREADY_STARTED)
            for instance in group:
                self._wait_healthy(instance)
                self._wait_rotation(instance, up=True)
        self.say(f"{len(instances)} rolled in {time.monotonic() - began:.1f} s")

    def drain(self, instances: Sequence[Instance]) -> None:
        """Have instances take no new requests and wait until the running ones are done."""
        self._others_serve(instances)
        for instance in instances:
            self._signal(instance, "USR1")
            self.say(f"{instance.name}: draining")
        for instance in instances:
            self._wait_rotation(instance, up=False)
            self._wait(
                instance,
                "its requests to finish",
                self.stack.lifecycle.stop_grace + CHECK_PATIENCE,
                partial(self._idle, instance),
            )
            self.say(f"{instance.name}: drained, nothing in flight; `ready` brings it back")

    def ready(self, instances: Sequence[Instance]) -> None:
        """Bring drained instances back."""
        self.servers()
        for instance in instances:
            self._signal(instance, "USR2")
        for instance in instances:
            self._wait_rotation(instance, up=True)

    def servers(self) -> dict[str, Server]:
        """The instances as HAProxy sees them.

        :raises Stopped: where HAProxy does not answer.
        """
        try:
            return self.runtime.servers(*LANES)
        except OSError:
            raise Stopped(
                "HAProxy does not answer, so nothing was touched; "
                "`status haproxy` and `tail haproxy` say why"
            ) from None

    def _others_serve(self, group: Sequence[Instance]) -> None:
        # Requests of a lane without instances go to the visitors' own.
        leaving = {instance.name for instance in group if instance.lane == VISITORS}
        visited = {instance.name for instance in self.stack.lane(VISITORS)}
        serving = {name for name, server in self.servers().items() if server.up}
        if leaving and not serving & visited - leaving:
            raise Stopped(
                f"no instance beside {', '.join(sorted(leaving))} serves, and visitors would be "
                "turned away; nothing more was touched. Raise instances, or use restart."
            )

    def _call(self, method: str, instance: Instance, ignore: int) -> None:
        try:
            getattr(self.supervisor.rpc, method)(instance.name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != ignore:
                raise Stopped(f"{instance.name}: supervisord says {fault.faultString}") from None

    def _signal(self, instance: Instance, signal: str) -> None:
        if ask(instance) is None:
            raise Stopped(f"{instance.name} does not run; `status` says why")
        try:
            self.supervisor.rpc.signalProcess(instance.name, signal)
        except xmlrpc.client.Fault as fault:
            raise Stopped(f"{instance.name}: supervisord says {fault.faultString}") from None

    def _wait_stopped(self, instance: Instance) -> None:
        def stopped() -> bool:
            return self._state(instance) in ("STOPPED", "EXITED", "FATAL")

        self._wait(instance, "it to stop", self.stack.stop_seconds + LOOK * 50, stopped)

    def _wait_healthy(self, instance: Instance) -> None:
        began = time.monotonic()

        def healthy() -> bool:
            state = self._state(instance)
            if state in FAILED:
                raise Stopped(
                    f"{instance.name} did not start, supervisord says {state}; the other "
                    f"instances serve on. `tail {instance.name}` says why."
                )
            report = ask(instance)
            if report and report.why.startswith("warm-up path") and not report.healthy:
                raise Stopped(
                    f"{instance.name}: {report.why}; it stays out of rotation until that works, "
                    "the other instances serve on"
                )
            return bool(report and report.healthy)

        self._wait(instance, "it to be healthy", self.stack.timings.start, healthy)
        self.say(f"{instance.name}: healthy ({time.monotonic() - began:.1f} s)")

    def _wait_rotation(self, instance: Instance, up: bool) -> None:
        def seen() -> bool:
            server = self.servers().get(instance.name)
            if server is None:
                raise Stopped(f"{instance.name}: HAProxy does not know it; run `update`")
            return server.up is up

        where = "in" if up else "out of"
        self._wait(instance, f"HAProxy to see it {where} rotation", CHECK_PATIENCE, seen)
        self.say(f"{instance.name}: {where} rotation")

    def _idle(self, instance: Instance) -> bool:
        report = ask(instance)
        return report is None or report.in_flight == 0

    def _state(self, instance: Instance) -> str:
        process = self.supervisor.processes().get(instance.name)
        if process is None:
            raise Stopped(f"{instance.name}: supervisord does not know it; run `update`")
        return process.state

    def _wait(
        self, instance: Instance, what: str, patience: float, done: Callable[[], bool]
    ) -> None:
        deadline = time.monotonic() + patience
        while not done():
            if time.monotonic() > deadline:
                raise Stopped(f"{instance.name}: waited {patience:g} s for {what}; it has not")
            time.sleep(LOOK)
