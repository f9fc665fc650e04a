"""A real name server on loopback: dnsmasq, with the names that a test tells it."""

from __future__ import annotations

import getpass
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Self

from tests.support.polling import until
from zopestack.features.address import Address

#: The domain of all names. Of those that are not told, dnsmasq says that there are none.
DOMAIN = "example.internal"

#: A question for the root's name servers, in class IN (RFC 1035, 4.1).
QUESTION = b"\0\1\0\0\0\1\0\0\0\0\0\0\0\0\2\0\1"


class NameServer:
    """dnsmasq; it runs in the block ``with``.

    :param home: an empty directory.
    :ivar address: where it listens; given before it starts.
    :ivar services: of each name of SRV records, the ports by their target; likewise.
    """

    address: Address

    def __init__(self, home: Path) -> None:
        self.hosts = home / "hosts"
        self.services: Mapping[str, Mapping[str, int]] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.tell({})

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        services = (
            f"--srv-host={name},{target},{port}"
            for name, targets in self.services.items()
            for target, port in targets.items()
        )
        self.process = subprocess.Popen(
            [
                *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file="),
                *("--no-resolv", "--no-hosts", "--bind-interfaces", f"--user={getpass.getuser()}"),
                f"--listen-address={self.address.host}",
                f"--port={self.address.port}",
                f"--local=/{DOMAIN}/",
                f"--addn-hosts={self.hosts}",
                *services,
            ],
            stdin=subprocess.DEVNULL,
        )
        until("the name server", self._answers)

    def stop(self) -> None:
        """End it: nobody answers then."""
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def tell(self, names: Mapping[str, Iterable[str]]) -> None:
        """Answer with these addresses from now on."""
        lines = [f"{each} {name}\n" for name, found in names.items() for each in found]
        self.hosts.write_text("".join(lines), encoding="utf-8")
        if self.process:
            # It reads the file again (dnsmasq(8), "NOTES").
            self.process.send_signal(signal.SIGHUP)

    def _answers(self) -> bool:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as asking:
            asking.settimeout(1)
            asking.connect((self.address.host, self.address.port))
            try:
                asking.send(QUESTION)
                return bool(asking.recv(512))
            except OSError:
                return False
