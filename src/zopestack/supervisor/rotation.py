"""Take instances out of HAProxy's rotation and bring them back, one step at a time.

The effect of every step is polled where it shows: in supervisord, in the instance's agent, or in
HAProxy. A failure raises :class:`Stopped` with the instance, the step and the reason.
"""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from zopestack.features.instances import VISITORS, Instance
from zopestack.features.unknown_name import nearest
from zopestack.haproxy.runtime import Runtime, Server
from zopestack.model import Stack
from zopestack.supervisor import seen
from zopestack.supervisor.client import ANSWER, IDLE, Supervisor
from zopestack.supervisor.health import DRAINING, ask
from zopestack.supervisor.loaders import Loaders
from zopestack.supervisor.stopped import Stopped, of_haproxy
from zopestack.supervisor.volto import Volto
from zopestack.wait import POLL_INTERVAL, until

#: Timeout in seconds for HAProxy to notice a change; it checks every second.
CHECK_TIMEOUT = 15


class Rotation:
    """Moves the instances of one stack into and out of rotation.

    :param say: called with each line of progress.
    """

    def __init__(self, stack: Stack, say: Callable[[str], None]) -> None:
        self.stack = stack
        self.say = say
        self.supervisor = Supervisor(stack.supervisor_socket, ANSWER)
        self.runtime = Runtime(stack.haproxy_socket)
        self.loaders = Loaders(stack, self.supervisor, say)
        self.volto = Volto(stack, self.supervisor, self.runtime, say)

    def named(self, names: Sequence[str]) -> list[Instance]:
        """Return the instances with these names, or of groups with these names; ``all`` or no name
        means every instance that starts with the stack.

        :raises Stopped: for an unknown name.
        """
        instances = {instance.name: instance for instance in self.stack.instances}
        if not names or list(names) == ["all"]:
            return [each for each in instances.values() if each.autostart]
        known = {name: (each,) for name, each in instances.items()} | {
            lane.group: self.stack.lane_here(lane.name) for lane in self.stack.lanes if lane.group
        }
        for name in names:
            if name not in known:
                raise Stopped(f"{name}: no such instance; {nearest(name, known)}")
        return list(dict.fromkeys(each for name in names for each in known[name]))

    def roll(self, instances: Sequence[Instance], at_once: int = 1) -> None:
        """Restart at most ``at_once`` instances at a time, each back in rotation before the next,
        and at most all but one of a group.

        Where all that share memory are among them, code that has changed is loaded anew for them
        first. If one of them does not start, it is started again with the code of before.

        :raises Stopped: at the first failure, or if no other instance would be left to serve.
        """
        began = time.monotonic()
        restarted: Sequence[Instance] = ()
        try:
            for chosen in self._batches(instances, at_once):
                self.others_serve(chosen)
                if not restarted and self.loaders.concern(instances) and self.loaders.changed():
                    self.loaders.load_beside()
                restarted = chosen
                self._restart(restarted)
        except Stopped:
            if self.loaders.undo() and restarted:
                self._restart_as_before(restarted)
            raise
        except BaseException:
            self.loaders.undo()
            raise
        self.loaders.settle()
        seconds = time.monotonic() - began
        self.say(f"{len(instances)} instance(s) restarted in {seconds:.1f} s")

    def _batches(self, instances: Sequence[Instance], at_once: int) -> Iterator[list[Instance]]:
        batch: list[Instance] = []
        for instance in instances:
            of_lane = [each for each in batch if each.lane == instance.lane]
            lane = self.stack.lane_here(instance.lane)
            # Of the ordinary ones, others_serve sees to it where there is one host.
            spared = instance.balanced and (instance.lane != VISITORS or self.stack.hosts.several)
            whole = spared and len(of_lane) + 1 == len(lane)
            if len(batch) == at_once or (of_lane and whole):
                yield batch
                batch = []
            batch.append(instance)
        if batch:
            yield batch

    def _restart(self, instances: Sequence[Instance]) -> None:
        for instance in instances:
            self.say(f"{instance.name}: draining")
            self._ask(instance, self.supervisor.stop)
        for instance in instances:
            self.wait_stopped(instance)
            self.say(f"{instance.name}: stopped, starting")
            self._ask(instance, self.supervisor.start)
        for instance in instances:
            self.wait_back(instance)

    def _restart_as_before(self, instances: Sequence[Instance]) -> None:
        names = ", ".join(each.name for each in instances)
        self.say(f"{names}: starting again, with the code that was loaded before")
        try:
            self._restart(instances)
        # The first failure is the one to report.
        except Stopped as why:
            self.say(str(why))

    def drain(self, instances: Sequence[Instance]) -> None:
        """Take instances out of rotation and wait until their running requests are done."""
        self.others_serve(instances)
        for instance in instances:
            self._signal(instance, "USR1")
            self.say(f"{instance.name}: draining")
        for instance in instances:
            self._wait_rotation(instance, up=False)
            self._wait(
                instance,
                "its requests to finish",
                self.stack.lifecycle.stop_grace + CHECK_TIMEOUT,
                partial(self._idle, instance),
            )
            self.say(f"{instance.name}: drained, nothing in flight; `ready` brings it back")

    def ready(self, instances: Sequence[Instance]) -> None:
        """Bring drained instances back into rotation."""
        self.servers()
        for instance in instances:
            self._signal(instance, "USR2")
        for instance in instances:
            self._wait_rotation(instance, up=True)

    def servers(self) -> dict[str, Server]:
        """Return the instances as HAProxy sees them, by its name for them. With several balancers,
        as all of them see them, which the agents know.

        :raises Stopped: if HAProxy does not answer.
        """
        if self.stack.several_balancers:
            return seen.seen(self.stack)
        return of_haproxy(self.runtime.servers)

    def wait_back(self, instance: Instance) -> None:
        """Wait until an instance that starts serves again, or drains if it did so before.

        :raises Stopped: where it does not start.
        """
        self.wait_healthy(instance)
        self.wait_seen(instance)

    def wait_seen(self, instance: Instance) -> None:
        """Wait until HAProxy sends requests to an instance that is healthy, if it ever does.

        :raises Stopped: where it does not.
        """
        if self.stack.drained(instance).exists():
            self.say(f"{instance.name}: still drained; `ready` brings it back")
        else:
            self._wait_rotation(instance, up=True)

    def beside(self, instance: Instance) -> list[Server]:
        """Return the instances of the lane of this one, with itself, as HAProxy sees them.

        :raises Stopped: if HAProxy does not answer.
        """
        servers = self.servers()
        own = servers.get(instance.server)
        return [each for each in servers.values() if own and each.lane == own.lane]

    def others_serve(self, instances: Sequence[Instance]) -> None:
        """Check that the site, and every group of more than one instance, stays up without these.

        :raises Stopped: where they are all that serves.
        """
        lanes: dict[str, list[Server]] = {}
        for server in self.servers().values():
            lanes.setdefault(server.lane, []).append(server)
        leaving = {instance.server for instance in instances}
        stays = {name: {x.name for x in lane if x.up} - leaving for name, lane in lanes.items()}
        for name, lane in lanes.items():
            last = sorted(x.name for x in lane if x.up and x.name in leaving)
            # The requests of a lane without instances go to the visitors' lane.
            alone = name != VISITORS and len(lane) == 1 and stays.get(VISITORS)
            if last and not stays[name] and not alone:
                what = "the site" if name == VISITORS else f"backend {name}"
                raise Stopped(
                    f"no instance other than {', '.join(last)} is serving, so {what} would go "
                    "down; nothing further was changed. Raise instances, or use restart."
                )
            here = {each.server for each in self.stack.lane_here(name)}
            if self.stack.hosts.several and last and len(here) > 1 and not stays[name] & here:
                raise Stopped(
                    f"no instance of this host other than {', '.join(last)} is serving; nothing "
                    "further was changed. See `stack`, or use restart."
                )

    def _signal(self, instance: Instance, signal: str) -> None:
        if ask(instance) is None:
            raise Stopped(f"{instance.name} is not running. See `status {instance.name}`.")
        self._ask(instance, lambda name: self.supervisor.rpc.signalProcess(name, signal))

    def _ask(self, instance: Instance, call: Callable[[str], object]) -> None:
        try:
            call(instance.name)
        except xmlrpc.client.Fault as fault:
            raise Stopped(f"{instance.name}: supervisord reports {fault.faultString}") from None

    def wait_stopped(self, instance: Instance) -> None:
        """Wait until the process of an instance has ended."""

        def stopped() -> bool:
            return self._state(instance) in ("STOPPED", "EXITED", "FATAL")

        self._wait(instance, "it to stop", self.stack.stop_seconds + POLL_INTERVAL * 50, stopped)

    def wait_healthy(self, instance: Instance) -> None:
        """Wait until an instance answers that it can serve, or drains as before.

        :raises Stopped: where it does not start.
        """
        began = time.monotonic()

        def healthy() -> bool:
            state = self._state(instance)
            if state in IDLE:
                raise Stopped(
                    f"{instance.name} did not start; supervisord reports {state}. The other "
                    f"instances keep serving. See `tail {instance.name}`."
                )
            report = ask(instance)
            if report and report.why.startswith("warm-up") and not report.healthy:
                raise Stopped(
                    f"{instance.name}: {report.why}. It stays out of rotation until that works; "
                    "the other instances keep serving."
                )
            # After a stop and a start, not before: a drained instance drains.
            drained = self.stack.drained(instance).exists()
            return bool(report and (report.healthy or (drained and report.status == DRAINING)))

        self._wait(instance, "it to be healthy", self.stack.timings.start, healthy)
        self.say(f"{instance.name}: healthy ({time.monotonic() - began:.1f} s)")

    def _wait_rotation(self, instance: Instance, up: bool) -> None:
        if not instance.balanced:
            return

        def there() -> bool:
            several = self.stack.several_balancers
            server = seen.server(instance) if several else self.servers().get(instance.server)
            if server is None:
                raise Stopped(f"{instance.name} is unknown to HAProxy; run `update`")
            return server.up is up

        where = "in" if up else "out of"
        self._wait(instance, f"HAProxy to see it {where} rotation", CHECK_TIMEOUT, there)
        self.say(f"{instance.name}: {where} rotation")

    def _idle(self, instance: Instance) -> bool:
        report = ask(instance)
        return report is None or report.in_flight == 0

    def _state(self, instance: Instance) -> str:
        if process := self.supervisor.processes().get(instance.name):
            return process.state
        raise Stopped(f"{instance.name} is unknown to supervisord; run `update`")

    def _wait(
        self, instance: Instance, what: str, timeout: float, done: Callable[[], bool]
    ) -> None:
        if not until(done, timeout):
            raise Stopped(f"{instance.name}: timed out after {timeout:g} s waiting for {what}")
