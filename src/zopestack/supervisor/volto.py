"""Restart Volto's servers that supervisord runs, one at a time, without losing a request.

They have no agent that drains them: HAProxy sends a server no new requests, and is asked until
those that it has are answered.
"""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from supervisor.xmlrpc import Faults

from zopestack.features.volto import HEALTH, Server
from zopestack.haproxy import runtime
from zopestack.haproxy.runtime import Runtime
from zopestack.model import Stack
from zopestack.namespec import namespec
from zopestack.probe import probe
from zopestack.supervisor.client import IDLE, Supervisor
from zopestack.supervisor.stopped import Stopped, of_haproxy
from zopestack.wait import until

#: Seconds until HAProxy uses a server that answers; it asks every second.
SEEN = 15


class Volto:
    """Volto's servers of one stack.

    :param say: called with each line of progress.
    """

    def __init__(
        self, stack: Stack, supervisor: Supervisor, runtime: Runtime, say: Callable[[str], None]
    ) -> None:
        self.stack = stack
        self.supervisor = supervisor
        self.runtime = runtime
        self.say = say

    def named(self, programs: Collection[str]) -> list[Server]:
        """Return the servers that are one of these programs of supervisord."""
        return [each for each in self.stack.volto.own if each.program in programs]

    def roll(self, servers: Sequence[Server]) -> None:
        """Restart one server at a time, each answering again before the next.

        :raises Stopped: at the first failure, or if no other server would be left to answer.
        """
        for server in servers:
            if not self._others(server):
                raise Stopped(
                    f"no server of Volto other than {server.program} is serving, so the pages "
                    "would go down; nothing further was changed. Add a server to volto-address, "
                    "or use restart."
                )
            with self.away(server):
                self._call("stopProcess", server, Faults.NOT_RUNNING)
                self.say(f"{server.program}: stopped, starting")
                self._call("startProcess", server, Faults.ALREADY_STARTED)

    @contextmanager
    def away(self, server: Server) -> Iterator[None]:
        """Drain a server, and after the block wait until it answers again; where no other one
        serves, only wait.

        :raises Stopped: where it does not answer again, or its requests do not end.
        """
        drained = self._others(server)
        if drained:
            self._set(server, "drain")
        try:
            if drained:
                self.say(f"{server.program}: draining")
                # Past this, the stop ends them, as it ends an instance's.
                until(lambda: self._seen(server).current == 0, self.stack.lifecycle.stop_grace)
            yield
            self._wait_answering(server)
            # bin/buildout may have moved it.
            self.runtime.set_address(self._seen(server), server.address)
        finally:
            # Its health check keeps a server out that does not answer.
            if drained:
                self._set(server, "ready")
        self._wait(server, "HAProxy to send it requests", SEEN, lambda: self._seen(server).up)
        self.say(f"{server.program}: in rotation")

    def knows(self, server: Server) -> bool:
        """Return whether HAProxy has read of a server."""
        return server.name in self._all()

    def _others(self, server: Server) -> bool:
        return any(each.up for each in self._all().values() if each.name != server.name)

    def _seen(self, server: Server) -> runtime.Server:
        seen = self._all().get(server.name)
        if seen is None:
            raise Stopped(f"{server.program} is unknown to HAProxy; run `update`")
        return seen

    def _all(self) -> dict[str, runtime.Server]:
        return of_haproxy(self.runtime.volto)

    def _set(self, server: Server, state: str) -> None:
        self.runtime.set_state(self._seen(server), state)

    def _wait_answering(self, server: Server) -> None:
        name = self._name(server)

        def answers() -> bool:
            state = self.supervisor.processes()[name].state
            if state in IDLE:
                raise Stopped(
                    f"{server.program} did not start; supervisord reports {state}. The other "
                    f"servers keep serving. See `tail {name}`."
                )
            try:
                return probe(server.address, HEALTH).status == 200
            except OSError:
                return False

        self._wait(server, "it to answer", self.stack.timings.start, answers)

    def _name(self, server: Server) -> str:
        return namespec(self.stack.own.group(server.program), server.program)

    def _call(self, method: str, server: Server, ignore: int) -> None:
        # Both answer when it is done, which may take as long as the program's own options allow.
        patient = Supervisor(self.stack.supervisor_socket)
        try:
            getattr(patient.rpc, method)(self._name(server))
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != ignore:
                raise Stopped(f"{server.program}: supervisord: {fault.faultString}") from None

    def _wait(self, server: Server, what: str, timeout: float, done: Callable[[], object]) -> None:
        if not until(done, timeout):
            raise Stopped(f"{server.program}: timed out after {timeout:g} s waiting for {what}")
