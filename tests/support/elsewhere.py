"""A ZEO server that no stack runs, as on another machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.polling import until
from zopestack.features.address import Address
from zopestack.supervisor import zeo
from zopestack.supervisor.readiness import listens

CONF = """
<zeo>
  address {address}
  {tls}
</zeo>
<filestorage 1>
  path {home}/Data.fs
  blob-dir {home}/blobs
</filestorage>
<filestorage other>
  path {home}/other.fs
  blob-dir {home}/blobs-other
</filestorage>
"""

TLS = """<ssl>
    certificate {certificate}
    authenticate {authenticate}
  </ssl>"""


class Elsewhere:
    """The server, with two storages; :meth:`start` starts it.

    :ivar blobs: the directory of the main one's.
    """

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.address = Address("127.0.0.1", port)
        self.conf = home / "zeo.conf"
        self.blobs = home / "blobs"
        self.configure()

    def configure(self, certificate: Path | None = None, authenticate: Path | None = None) -> None:
        """Have it use TLS from its next start on, or none."""
        tls = TLS.format(certificate=certificate, authenticate=authenticate) if certificate else ""
        self.conf.write_text(
            CONF.format(address=self.address, home=self.home, tls=tls), encoding="utf-8"
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", zeo.__name__, "-C", self.conf]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until("ZEO", lambda: listens(self.address))

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """End it as an operator does."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
