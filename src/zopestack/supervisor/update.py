"""``supervisorctl update``: apply what ``bin/buildout`` has changed, and lose no request.

supervisor's own command stops and starts whatever has changed, one program after the other, and
does not wait until it serves. Here an instance serves again before the next one is touched, and
HAProxy is told at the moment when the others can do without.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Collection, Sequence
from contextlib import ExitStack

from zopestack import zeo_tls
from zopestack.features.instances import Instance
from zopestack.features.volto import Server
from zopestack.haproxy.runtime import Place
from zopestack.namespec import group_of
from zopestack.render.programs import INSTANCES, programs
from zopestack.supervisor import ports
from zopestack.supervisor.applied import RELOAD, VARNISH_RELOAD, wait_reloaded
from zopestack.supervisor.client import IDLE
from zopestack.supervisor.control import outdated
from zopestack.supervisor.rotation import Rotation
from zopestack.supervisor.standin import HAPROXY, standing_in
from zopestack.supervisor.stopped import Stopped
from zopestack.supervisor.wanted import beside
from zopestack.wait import until

#: Seconds from the start of a program until supervisord calls it started, several times over.
STARTED = 60


def update(rotation: Rotation, names: Collection[str] = ()) -> None:
    """Apply every change of supervisord.conf.

    :param names: of programs, to apply theirs only; none for all.
    :raises NoStandIn: where HAProxy would not start again.
    :raises NotReady: where it does not take up its new files.
    :raises Stopped: at the first failure; the same again, after it is mended, goes on from there.
    """
    try:
        found = rotation.supervisor.rpc.reloadConfig()[0]
    except xmlrpc.client.Fault as fault:
        raise Stopped(f"supervisord cannot read its configuration: {fault.faultString}") from None
    known = {*rotation.supervisor.processes(), *found[0]}
    if unknown := sorted(set(names) - known):
        raise Stopped(f"{', '.join(unknown)}: no such program")
    changes = ([name for name in each if not names or name in names] for each in found)
    _Update(rotation, *changes).run()
    if why := outdated(rotation.stack, rotation.supervisor.pid()):
        rotation.say(why)


class _Update:
    """One run, with the names of the programs that are new, changed and gone."""

    def __init__(
        self, rotation: Rotation, added: list[str], changed: list[str], removed: list[str]
    ) -> None:
        self.rotation = rotation
        self.stack = rotation.stack
        self.supervisor = rotation.supervisor
        self.say = rotation.say
        self.added = added
        self.changed = changed
        self.removed = removed
        self.priorities = {
            **{group_of(each.namespec): each.priority for each in programs(self.stack, {})},
            **{each.name: each.priority for each in self.stack.own.groups},
        }

    def run(self) -> None:
        """Change ZEO first, then the loader, instances and HAProxy; last of all the guard."""
        if not (self.added or self.changed or self.removed):
            self.say("nothing has changed")
        instances = {each.name: each for each in self.stack.instances}
        # Of those that only a person starts, those that run.
        changed = [
            instances[name]
            for name in self.changed
            if name in instances and (instances[name].autostart or self._running(name))
        ]
        others = [name for name in self.changed if instances.get(name) not in changed]
        # ZEO, a loader, which an instance that starts waits for, and what of the user's own starts
        # before the instances.
        first = [name for name in others if self._priority(name) < INSTANCES]
        serving = self._up() if "zeo" in first else set()
        cut_off = "zeo" in first and self._zeo_moves()
        for name in sorted(first, key=self._priority):
            self._replace(name)
        # Without its database an instance serves nobody, nor does it when the database is back
        # before HAProxy has asked again.
        for instance in self.stack.balanced_here:
            if instance.server in serving and not cut_off:
                self.rotation.wait_back(instance)
        new = [name for name in self.added if name != RELOAD]
        for name in new:
            self.supervisor.rpc.addProcessGroup(name)
            self.say(f"{name}: added")
        # New instances can serve for those that are about to be restarted.
        if changed and RELOAD in others and (grown := [n for n in new if n in instances]):
            for name in grown:
                self.rotation.wait_healthy(instances[name])
            if not self._moved(changed):
                others.remove(RELOAD)
                self._reload()
        self._instances(changed, cut_off)
        if HAPROXY in others:
            with standing_in(self.stack, self.say):
                self._replace(HAPROXY)
        if RELOAD in [*others, *self.added]:
            self._reload()
        for name in self.removed:
            self._remove(name)
        for name in others:
            if name not in (*first, HAPROXY, RELOAD):
                self._replace(name)
                if name == VARNISH_RELOAD:
                    wait_reloaded(self.stack, name)

    def _instances(self, changed: Sequence[Instance], cut_off: bool) -> None:
        """Replace instances one at a time, and first those that do not serve.

        :param cut_off: whether none of them serves, whatever HAProxy has seen last.
        """
        up = self._up() if changed else set()
        for instance in sorted(changed, key=lambda each: each.server in up):
            if not cut_off:
                self._others_serve(instance)
            self.say(f"{instance.name}: draining")
            self._replace(instance.name)
            self.rotation.wait_healthy(instance)
            if self._running(HAPROXY):
                self._move(instance)
            if self._balanced():
                self.rotation.wait_seen(instance)

    def _others_serve(self, instance: Instance) -> None:
        """Refuse to take the last one that serves, unless no other could."""
        if not self._balanced():
            return
        try:
            self.rotation.others_serve([instance])
        except Stopped:
            if len(self.rotation.beside(instance)) > 1:
                raise
            self.say(f"{instance.name} is the only one: visitors wait until it serves again")

    def _zeo_moves(self) -> bool:
        """Whether no instance finds ZEO again before it is restarted itself: it is elsewhere, or
        begins or ends to speak TLS.
        """
        storage = self.stack.storage
        held = ports.held_by(self.supervisor.processes()["zeo"].pid)
        if not set(storage.zeo_address.sockets) <= held:
            return True
        return zeo_tls.speaks_first(storage.zeo_address) == bool(storage.ssl)

    def _priority(self, name: str) -> int:
        # The user's own template may have programs that nothing else knows.
        return self.priorities.get(name, INSTANCES)

    def _replace(self, name: str) -> None:
        """Stop a program, and start it as supervisord.conf has it now; a server of Volto without
        losing a request, where another one serves.
        """
        with ExitStack() as away:
            for server in self._of_volto(name):
                away.enter_context(self.rotation.volto.away(server))
            self._stop_and_start(name)

    def _of_volto(self, name: str) -> list[Server]:
        """The servers of Volto that run and that are programs of a group."""
        if not self._running(HAPROXY) or not self._running(name):
            return []
        own, volto = self.stack.own, self.rotation.volto
        servers = volto.named([each.name for each in own.programs if own.group(each.name) == name])
        return [server for server in servers if volto.knows(server)]

    def _stop_and_start(self, name: str) -> None:
        processes = self.supervisor.processes()
        by_hand = beside(self.stack, processes)
        self._remove(name, again=True)
        self.supervisor.rpc.addProcessGroup(name)
        for each in by_hand:
            if group_of(each) == name:
                self.supervisor.start(each)
        self.say(f"{name}: updated")

    def _remove(self, name: str, again: bool = False) -> None:
        self.supervisor.rpc.stopProcessGroup(name, False)
        if not until(lambda: not self._running(name), self.stack.longest_stop + STARTED):
            raise Stopped(f"{name} does not stop")
        self.supervisor.rpc.removeProcessGroup(name)
        if not again:
            for mark in self.stack.var.glob(f"{name}/drained"):
                mark.unlink()
            self.say(f"{name}: removed")

    def _reload(self) -> None:
        """Make HAProxy read its files.

        :raises NotReady: where it refuses them.
        """
        if RELOAD in self.added:
            self.supervisor.rpc.addProcessGroup(RELOAD)
        else:
            self._replace(RELOAD)

        wait_reloaded(self.stack)

    def _move(self, instance: Instance) -> None:
        """Tell the running HAProxy where an instance is now."""
        known = self.rotation.runtime.places().get(instance.server)
        if known and known != (now := _place(instance, known.lane)):
            self.rotation.runtime.move(instance.server, now)

    def _moved(self, instances: Sequence[Instance]) -> bool:
        """Whether HAProxy expects one of these elsewhere."""
        if not self._running(HAPROXY):
            return False
        known = self.rotation.runtime.places()
        found = ((each, known[each.server]) for each in instances if each.server in known)
        return any(place != _place(each, place.lane) for each, place in found)

    def _up(self) -> set[str]:
        """HAProxy's names of the instances that serve."""
        if not self._balanced():
            return set()
        return {name for name, server in self.rotation.servers().items() if server.up}

    def _balanced(self) -> bool:
        """Whether there is a balancer to ask: that of this host runs, or others may."""
        return self._running(HAPROXY) or self.stack.hosts.balanced_elsewhere

    def _running(self, name: str) -> bool:
        """Whether a process of this group runs."""
        return any(
            process.state not in IDLE
            for namespec, process in self.supervisor.processes().items()
            if group_of(namespec) == name
        )


def _place(instance: Instance, lane: str) -> Place:
    """Where an instance is, in the lane that HAProxy knows it in."""
    return Place(lane, instance.address.host, instance.address.port, instance.agent.port)
