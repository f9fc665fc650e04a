"""HAProxy's runtime API on its unix socket (Management Guide, "Unix Socket commands")."""

from __future__ import annotations

import csv
import re
import socket
from dataclasses import dataclass
from pathlib import Path

#: Seconds HAProxy gets to answer; it does so within one turn of its event loop.
PATIENCE = 5.0


@dataclass(frozen=True)
class Server:
    """One server line of ``show stat``.

    :param status: HAProxy's word: UP, DOWN, DRAIN, MAINT, ``no check`` ..., with a
        countdown such as ``UP 1/2`` while it changes.
    :param current: requests it is working on.
    :param queued: requests that wait for this server alone.
    :param total: requests it has been given.
    :param check: the last check's result, such as L4OK or L7STS.
    """

    name: str
    status: str
    current: int
    queued: int
    total: int
    check: str

    @property
    def up(self) -> bool:
        """Whether it is given new requests."""
        return self.status.startswith("UP")


class Runtime:
    """A client of one HAProxy."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, text: str) -> str:
        """Send one command; its answer.

        :raises OSError: where HAProxy does not answer.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.path))
            connection.sendall(text.encode() + b"\n")
            chunks = []
            while chunk := connection.recv(65536):
                chunks.append(chunk)
        return b"".join(chunks).decode()

    def worker(self) -> int:
        """The process that serves, a child of the master's; another one after a reload.

        :raises OSError: where HAProxy does not answer.
        """
        told = re.search(r"^Pid: (\d+)$", self.command("show info"), re.MULTILINE)
        if not told:
            raise OSError(f"HAProxy does not say on {self.path} which process it is")
        return int(told[1])

    def servers(self, *backends: str) -> dict[str, Server]:
        """The servers of backends by name; no two have the same.

        :raises OSError: where HAProxy does not answer.
        """
        answer = self.command("show stat").lstrip("# ")
        return {
            row["svname"]: Server(
                name=row["svname"],
                status=row["status"],
                current=int(row["scur"] or 0),
                queued=int(row["qcur"] or 0),
                total=int(row["stot"] or 0),
                check=row["check_status"],
            )
            for row in csv.DictReader(answer.splitlines())
            if row["pxname"] in backends and row["svname"] not in ("FRONTEND", "BACKEND")
        }
