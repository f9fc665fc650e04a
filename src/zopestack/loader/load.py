"""Load Zope as an instance does, and leave nothing open, so that it may be forked."""

from __future__ import annotations

import gc
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.util import setup_testing_defaults

from zopestack.loader.imports import tasks

logger = logging.getLogger("zopestack.loader")

#: Seconds that a warm-up page may take.
PAGE = 60.0


class NotForkable(Exception):
    """The process must not be forked; the message says what is in the way."""


def load(zope_conf: str, wsgi_ini: str) -> Callable[..., Any]:
    """Load Zope, and return its WSGI application with the databases open.

    Subscribers to events of a process that begins to serve are not called: that is not this one.

    :param wsgi_ini: what its pipeline and its server are made with is imported, too.
    """
    import Zope2.App.startup
    from App.config import setConfiguration
    from Zope2.Startup import get_wsgi_starter
    from Zope2.Startup.handlers import handleWSGIConfig
    from Zope2.Startup.options import ZopeWSGIOptions
    from ZPublisher.WSGIPublisher import publish_module

    # The steps of Zope2.Startup.run.make_wsgi_app and of WSGIStarter.prepare (Zope 6.3).
    options = ZopeWSGIOptions(configfile=zope_conf)()
    # Forks read their zope.conf with it; made anew, it would be 1 MB in each.
    ZopeWSGIOptions.schema = options.schema
    handleWSGIConfig(options.configroot, options.confighandlers)
    setConfiguration(options.configroot)
    starter = get_wsgi_starter()
    starter.setConfiguration(options.configroot)
    starter.setupLocale()
    starter.setupSecurityOptions()
    starter.setupPublisher()
    notify = Zope2.App.startup.notify
    Zope2.App.startup.notify = lambda event: None
    try:
        starter.startZope()
    finally:
        Zope2.App.startup.notify = notify
    _import(wsgi_ini)
    return publish_module  # type: ignore[no-any-return]


def _import(wsgi_ini: str) -> None:
    """Import what a wsgi.ini names, and the program that reads it, without running anything."""
    import Zope2.Startup.serve  # noqa: F401
    from paste.deploy import loadwsgi

    for kind in (loadwsgi.APP, loadwsgi.SERVER):
        loadwsgi.loadcontext(kind, f"config:{wsgi_ini}")


def warm(application: Callable[..., Any], paths: tuple[str, ...], host: str) -> tuple[str, ...]:
    """Fetch pages, so that forks find code, templates and caches in place.

    One that fails or takes longer than :data:`PAGE` is logged, and is no reason not to fork.

    :param host: what clients call the site; host and port.
    :returns: those that answered, as an instance's own warm-up takes it.
    """
    answered = []
    for path in paths:
        try:
            with _limit(PAGE):
                status = _fetch(application, path, host)
        # A page is a program of anybody's.
        except Exception as why:
            logger.warning("warm-up path %s: %s: %s", path, type(why).__name__, why)
        else:
            logger.info("warm-up path %s: %s", path, status)
            if not status.startswith("5"):
                answered.append(path)
    return tuple(answered)


def _fetch(application: Callable[..., Any], path: str, host: str) -> str:
    name, _, query = path.partition("?")
    address, _, port = host.rpartition(":")
    environment: dict[str, Any] = {
        "PATH_INFO": name,
        "QUERY_STRING": query,
        "HTTP_HOST": host,
        "SERVER_NAME": address,
        "SERVER_PORT": port,
        "REMOTE_ADDR": "127.0.0.1",
    }
    setup_testing_defaults(environment)
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> Callable[..., Any]:
        statuses.append(status)
        return lambda data: None

    answer = application(environment, start_response)
    try:
        for _ in answer:
            pass
    finally:
        getattr(answer, "close", lambda: None)()
    return statuses[-1]


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError where the body takes longer."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def databases() -> list[Any]:
    """Every database that is open, those that are mounted in others included."""
    import Zope2

    return [each for root in Zope2.opened for each in root.databases.values()]


def close() -> None:
    """Close every database. A fork with one open would share its socket, and hang."""
    import transaction
    import Zope2
    from AccessControl.SecurityManagement import noSecurityManager
    from zope.component.hooks import setSite
    from zope.security.management import endInteraction, queryInteraction

    transaction.abort()
    noSecurityManager()
    setSite(None)
    if queryInteraction() is not None:
        endInteraction()
    for database in databases():
        database.close()
    Zope2.opened.clear()
    _let_go()
    gc.collect()


def _let_go() -> None:
    """Have Zope's own names for the database hold none."""
    import Zope2
    from App.config import getConfiguration

    Zope2.DB = Zope2.bobo_application._db = None
    getConfiguration().dbtab.databases.clear()


def check(own: int, started: Sequence[str] = ()) -> None:
    """Check that the process may be forked.

    :param own: the descriptor of the loader's own socket.
    :param started: the modules during whose import a thread was started.
    :raises NotForkable: for a thread, a connection to a database, or a socket.
    """
    from ZODB.Connection import Connection

    others = [each.name for each in threading.enumerate() if each is not threading.main_thread()]
    if others or tasks() > 1:
        names = ", ".join(others) or f"{tasks() - 1} that Python does not know"
        where = f" (import of {', '.join(started)})" if started else ""
        raise NotForkable(f"an add-on has started a thread at import: {names}{where}")
    # Not isinstance: it asks a proxy for what it stands for.
    if any(issubclass(type(each), Connection) for each in gc.get_objects()):
        raise NotForkable("something still holds a connection to the database")
    if sockets := _sockets(own):
        raise NotForkable(f"an add-on has opened a socket at import: {', '.join(sockets)}")


def _sockets(own: int) -> list[str]:
    """The sockets of this process but for its own and its standard streams."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        # The directory's own.
        except FileNotFoundError:
            continue
        if target.startswith("socket:") and int(descriptor.name) not in (0, 1, 2, own):
            found.append(f"descriptor {descriptor.name}")
    return found
