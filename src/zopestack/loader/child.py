"""A fork of the loader becomes the instance that was asked for."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zopestack.agent.configuration import WARMED
from zopestack.loader import client, environment, prefetch
from zopestack.loader.forks import Request

logger = logging.getLogger("zopestack.loader")


@dataclass(frozen=True)
class Loaded:
    """What the loader leaves to each fork, beside its memory.

    :param generators: of random numbers, every one that it had.
    :param warmed: paths of the warm-up that it has fetched.
    :param objects: what the first of these has loaded from the databases.
    """

    generators: Sequence[random.Random]
    warmed: Sequence[str]
    objects: prefetch.Objects


def become(request: Request, loaded: Loaded) -> None:
    """Take over what a process of its own would have been started with."""
    end_with(request.watched)
    # A signal to the loader's group is not for its forks.
    os.setpgid(0, 0)
    for passed in client.PASSED:
        signal.signal(passed, signal.SIG_DFL)
    for number, descriptor in enumerate(request.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request.directory)
    os.environb.clear()
    os.environb.update(request.environment)
    time.tzset()
    _name(os.environ.get("SUPERVISOR_PROCESS_NAME", ""))
    reseed(loaded.generators)
    gc.enable()


def end_with(watched: int) -> None:
    """Have the kernel kill this process when the writing end of a pipe is closed.

    The client holds that end, and never writes. A thread that waits for it would not run while
    something else holds the interpreter's lock (fcntl(2), ``F_SETSIG`` and ``O_ASYNC``).
    """
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, F_SETSIG, signal.SIGKILL)
    flags = fcntl.fcntl(watched, fcntl.F_GETFL)
    fcntl.fcntl(watched, fcntl.F_SETFL, flags | os.O_ASYNC)
    # It may have been closed before.
    ended = select.poll()
    ended.register(watched, 0)
    if ended.poll(0):
        os.kill(os.getpid(), signal.SIGKILL)


#: ``fcntl`` of Python has no name for it (``asm-generic/fcntl.h``).
F_SETSIG = 10


def _name(program: str) -> None:
    """What ps and top call this process: 15 bytes (proc(5), ``comm``)."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(program[:15], encoding="utf-8")


def reseed(generators: Iterable[random.Random]) -> None:
    """Have no random number in common with another fork.

    Python does so for its own generator, and ``tempfile`` for its names.
    """
    for generator in generators:
        generator.seed()
    if numpy := sys.modules.get("numpy.random"):
        numpy.seed()


def serve(request: Request, loaded: Loaded) -> int:
    """Serve as ``bin/instanceN console`` does; the exit status."""
    import Zope2.App.startup
    from Zope2.Startup import serve as program
    from ZPublisher import WSGIPublisher

    environment.add(Path(request.wsgi_ini))
    os.environ[WARMED] = " ".join(loaded.warmed)
    # Zope starts once a process. Everything else of its start reads the instance's own zope.conf.
    Zope2._began_startup = 0
    Zope2.App.startup.startup = partial(reopen, loaded.objects)
    # What the loader's zope.conf has said of errors and their realm.
    WSGIPublisher._MODULES.clear()
    sys.argv = [program.__file__, request.wsgi_ini]
    return program.main(sys.argv) or 0


def reopen(objects: prefetch.Objects) -> None:
    """Open the databases of zope.conf: what is left of Zope's start (Zope 6.3, App.startup).

    :param objects: what to ask them for at once.
    """
    import Zope2
    from App.config import getConfiguration
    from zope.event import notify
    from zope.processlifetime import DatabaseOpened, DatabaseOpenedWithRoot

    dbtab = getConfiguration().dbtab
    database = dbtab.getDatabase("/", is_root=1)
    for mount, _ in dbtab.listMountPaths():
        dbtab.getDatabase(mount).open().close()
    notify(DatabaseOpened(database))
    Zope2.DB = Zope2.bobo_application._db = database
    Zope2.opened.append(database)
    prefetch.fetch(objects)
    notify(DatabaseOpenedWithRoot(database))
