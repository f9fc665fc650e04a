"""HAProxy's runtime API on its unix socket (Management Guide, "Unix Socket commands")."""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from ssl import cert_time_to_seconds

from zopestack.features import volto
from zopestack.features.address import Address
from zopestack.features.lanes import is_lane

#: Timeout in seconds; HAProxy answers within one iteration of its event loop.
TIMEOUT = 5.0

#: What stands in the place of a server's name in the row of a whole section.
FRONTEND, BACKEND = "FRONTEND", "BACKEND"


@dataclass(frozen=True)
class Server:
    """One server line of ``show stat``.

    :param lane: the backend that it belongs to.
    :param status: HAProxy's own word: UP, DOWN, DRAIN, MAINT, ``no check`` and others, with a
        counter such as ``UP 1/2`` during a transition.
    :param current: requests in flight on this server.
    :param queued: requests that wait for this server only.
    :param total: requests that it has been given.
    :param limit: requests that it is given at once now, lent slots included.
    :param check: result of the last health check, such as L4OK or L7STS.
    """

    name: str
    lane: str
    status: str
    current: int
    queued: int
    total: int
    limit: int
    check: str

    @property
    def up(self) -> bool:
        """Whether HAProxy gives it new requests."""
        return self.status.startswith("UP")


@dataclass(frozen=True)
class Place:
    """Where HAProxy expects an instance.

    :param lane: the backend that it belongs to.
    :param check: the port of its health check.
    """

    lane: str
    host: str
    port: int
    check: int


class Runtime:
    """A client of one HAProxy's runtime API."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, text: str) -> str:
        """Send one command and return its answer.

        :raises OSError: if HAProxy does not answer.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(self.path))
            connection.sendall(text.encode() + b"\n")
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
        return b"".join(chunks).decode()

    def worker(self) -> int:
        """Return the pid of the worker, the process that serves; a reload starts a new one.

        :raises OSError: if HAProxy does not answer.
        """
        told = re.search(r"^Pid: (\d+)$", self.command("show info"), re.MULTILINE)
        if not told:
            raise OSError(f"HAProxy's answer to `show info` on {self.path} has no Pid")
        return int(told[1])

    def places(self) -> dict[str, Place]:
        """Return where HAProxy expects each instance (Management Guide, ``show servers state``).

        :raises OSError: if HAProxy does not answer.
        """
        lines = [line for line in self.command("show servers state").splitlines() if line]
        columns = lines[1].lstrip("# ").split()
        rows = (dict(zip(columns, line.split(), strict=False)) for line in lines[2:])
        return {
            row["srv_name"]: Place(
                row["be_name"], row["srv_addr"], int(row["srv_port"]), int(row["srv_check_port"])
            )
            for row in rows
            if is_lane(row["be_name"])
        }

    def move(self, name: str, place: Place) -> None:
        """Tell HAProxy where an instance is now; its file must say the same before it is reloaded
        (Management Guide, ``set server addr`` and ``check-port``).

        :raises OSError: if HAProxy does not answer.
        """
        server = f"{place.lane}/{name}"
        self.command(f"set server {server} check-port {place.check}")
        self.command(f"set server {server} addr {place.host} port {place.port}")

    def statistics(self) -> list[dict[str, str]]:
        """Return a row for each frontend, backend and server (Management Guide, "Statistics and
        monitoring").

        :raises OSError: if HAProxy does not answer.
        """
        answer = self.command("show stat").lstrip("# ")
        return list(csv.DictReader(answer.splitlines()))

    def certificates(self) -> dict[str, float]:
        """Return when each certificate ends that it serves with, in seconds since the epoch
        (Management Guide, ``show ssl cert``); those it has loaded, which may not be those on disk.

        :raises OSError: if HAProxy does not answer.
        """
        names = [line for line in self.command("show ssl cert").splitlines() if line[:1] == "/"]
        told = {name: self.command(f"show ssl cert {name}") for name in names}
        ends = {
            name: re.search(r"^notAfter: (.*)$", text, re.MULTILINE) for name, text in told.items()
        }
        return {name: cert_time_to_seconds(end[1]) for name, end in ends.items() if end}

    def servers(self) -> dict[str, Server]:
        """Return the instances of every lane by name; a name is unique in a stack.

        :raises OSError: if HAProxy does not answer.
        """
        return servers(self.statistics())

    def volto(self) -> dict[str, Server]:
        """Return Volto's servers by name.

        :raises OSError: if HAProxy does not answer.
        """
        found = _servers(self.statistics())
        return {each.name: each for each in found if each.lane == volto.BACKEND}

    def set_state(self, server: Server, state: str) -> None:
        """Have a server get no new requests, or get them again once its health check succeeds
        (Management Guide, ``set server state``).

        :param state: ``drain`` or ``ready``.
        :raises OSError: if HAProxy does not answer, or refuses.
        """
        answer = self.command(f"set server {server.lane}/{server.name} state {state}").strip()
        if answer:
            raise OSError(f"HAProxy refuses to {state} {server.name}: {answer}")

    def set_address(self, server: Server, address: Address) -> None:
        """Tell HAProxy where a server is now (Management Guide, ``set server addr``).

        :raises OSError: if HAProxy does not answer.
        """
        where = f"{address.host} port {address.port}"
        self.command(f"set server {server.lane}/{server.name} addr {where}")


def servers(statistics: Iterable[Mapping[str, str]]) -> dict[str, Server]:
    """Return the instances of every lane by name, from the rows of ``show stat``."""
    return {each.name: each for each in _servers(statistics) if is_lane(each.lane)}


def backends(
    statistics: Iterable[Mapping[str, str]], others: Collection[str] = ()
) -> dict[str, Mapping[str, str]]:
    """Return the row of each lane itself by its name, from the rows of ``show stat``.

    :param others: names of backends that are no lanes, to return as well.
    """
    return {
        row["pxname"]: row
        for row in statistics
        if row["svname"] == BACKEND and (is_lane(row["pxname"]) or row["pxname"] in others)
    }


def _servers(statistics: Iterable[Mapping[str, str]]) -> list[Server]:
    return [
        Server(
            name=row["svname"],
            lane=row["pxname"],
            status=row["status"],
            current=int(row["scur"] or 0),
            queued=int(row["qcur"] or 0),
            total=int(row["stot"] or 0),
            limit=int(row["slim"] or 0),
            # "* " says that another check is running (Management Guide, check_status).
            check=row["check_status"].removeprefix("* "),
        )
        for row in statistics
        if row["svname"] not in (FRONTEND, BACKEND)
    ]
