"""What every deployment of a test has: a directory, ports, and processes that all end."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import psutil

from tests.support import freeports

#: Every process of a deployment inherits it, by which :meth:`Deployment.processes` knows
#: them all, orphans included.
MARK = "ZOPESTACK_TEST_SITE"

#: Seconds between two looks at what still runs.
LOOK = 0.01


class Deployment:
    """A directory, a block of ports, and every process that was started with both.

    However its user ends, nothing of it is left running.
    """

    #: Those not stopped yet, for the report of a test that fails.
    live: list[Deployment] = []  # noqa: RUF012

    #: The directories of all.
    made: list[Path] = []  # noqa: RUF012

    def __init__(self) -> None:
        self.ports = freeports.reserve()
        # A short path: a unix socket's is limited.
        self.directory = Path(tempfile.mkdtemp(prefix="zs-", dir="/tmp"))
        self.made.append(self.directory)
        self.environment = {**os.environ, MARK: str(self.directory)}
        self.options: dict[str, object] = {
            "instances": 2,
            "http-address": f"127.0.0.1:{self.ports.http}",
            "stats-address": f"127.0.0.1:{self.ports.stats}",
            "zeo-address": f"127.0.0.1:{self.ports.zeo}",
            "base-port": self.ports.base,
            "agent-base-port": self.ports.base + 20,
        }
        self.live.append(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        if why:
            print(self.tails())
        self.stop()

    def set(self, **options: object) -> None:
        """Options of [stack], with ``_`` for ``-``, over those so far."""
        self.options |= {name.replace("_", "-"): value for name, value in options.items()}
        if "varnish" in options:
            self.options.setdefault("varnish-address", f"127.0.0.1:{self.ports.varnish}")

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this deployment, supervised or not."""
        return [process for process in psutil.process_iter() if self._marked(process)]

    def _marked(self, process: psutil.Process) -> bool:
        try:
            marked = process.environ().get(MARK) == str(self.directory)
            # redis writes over its environment.
            return marked or process.cwd() == str(self.directory)
        except psutil.Error:
            return False

    def tails(self, lines: int = 25) -> str:
        """The last lines of every log."""
        logs = sorted(self.directory.glob("var/log/*.log"))
        return "\n".join(
            f"--- {log}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
            for log in logs
        )

    def stop(self, patience: float = 0) -> None:
        """End every process and remove the directory; twice does no harm.

        :param patience: seconds that processes which are stopping already get.
        """
        if self not in self.live:
            return
        deadline = time.monotonic() + patience
        # Not psutil.wait_procs: it waits for what init has yet to bury, too.
        while left := self.processes():
            if late := time.monotonic() > deadline:
                # All of them, and again: a supervisor may start another meanwhile.
                for process in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
            # To look at every process of the machine again and again takes a core.
            while any(map(self._marked, left)) and (late or time.monotonic() <= deadline):
                time.sleep(LOOK)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.ports.release()
        self.live.remove(self)


@atexit.register
def _stop_all() -> None:
    for deployment in list(Deployment.live):
        deployment.stop()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


# Who ends a run of tests from outside ends what it has started, too.
signal.signal(signal.SIGTERM, _interrupt)
