"""Let requests wait while a database of RelStorage is away, instead of failing.

ZEO's client waits for its server, and Zope runs a request again whose connection was lost
(``ZODB.POSException``, ``transaction.interfaces.TransientError``). RelStorage passes on what its
driver raises, which Zope takes for a fault of the page: 500. So what a driver raises for a lost
connection is made a TransientError here, until a database is told to commit: before that, it keeps
nothing of the request. What is lost then stays an error, because it may have been done. Before a
request is run again, and while it is known that a database is away, it waits until all of them
answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any

from transaction.interfaces import TransientError
from ZODB.Connection import Connection
from ZODB.POSException import StorageError
from ZPublisher import WSGIPublisher
from ZPublisher.HTTPRequest import HTTPRequest

from zopestack.agent import reach
from zopestack.agent.meter import Application, Environ
from zopestack.agent.own_writes import unreachable
from zopestack.agent.storage import relational

#: Seconds to wait for a database; as long as a client of ZEO waits for its server
#: (``ZEO.ClientStorage``, ``wait_timeout``).
PATIENCE = 30.0


class Disconnected(StorageError, TransientError):  # type: ignore[misc]
    """The connection to a database was lost before anything was committed."""


class Away(Exception):
    """A database has not come back in time."""


def attach(application: Application) -> Application:
    """Return what has requests wait; the application itself where no database is of RelStorage."""
    if next(relational(), None) is None:
        return application
    install()
    return WhileAway(application)


class WhileAway:
    """A WSGI filter in front of Zope."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass a request on once the databases answer; 503 if that takes too long."""
        try:
            if not reach.all_answer():
                wait()
            return self.application(environ, start_response)
        except Away:
            return unreachable(start_response)


def wait() -> None:
    """Wait until every database answers.

    :raises Away: where that takes too long.
    """
    if not reach.await_answers(PATIENCE):
        raise Away


#: The threads in which a database was told to commit since their page began.
_finishing: set[int] = set()


def install() -> None:
    """Have Zope's publisher run a request again whose connection to a database was lost."""
    _note_commits()
    _complete_in_any_case()
    _begin_transient()
    _run_transient()
    _wait_before_retry()


def _note_commits() -> None:
    # Of the two phases, only the second one commits (``transaction.interfaces.IDataManager``).
    usual = Connection.tpc_finish

    def tpc_finish(own: Any, done: Any) -> Any:
        _finishing.add(get_ident())
        return usual(own, done)

    Connection.tpc_finish = tpc_finish


def _complete_in_any_case() -> None:
    # When a transaction has ended, ZODB asks the database for what is new already. The next one
    # asks again, so a page that is made, and maybe saved, need not fail over that.
    usual = Connection.afterCompletion

    def after_completion(own: Any, done: Any) -> None:
        # Not suppress(): what lost() takes is spent where something has been raised only.
        try:
            usual(own, done)
        except lost():
            pass

    Connection.afterCompletion = after_completion


def _begin_transient() -> None:
    usual = WSGIPublisher.load_app

    def load_app(module_info: Any) -> Any:
        opens, *other = module_info

        def opened() -> Any:
            _finishing.discard(get_ident())
            try:
                return opens()
            except lost() as why:
                raise Disconnected(str(why)) from why

        return usual((opened, *other))

    WSGIPublisher.load_app = load_app


def _run_transient() -> None:
    # The publisher asks this of what a page has raised, before it decides what to do.
    usual = WSGIPublisher.upgradeException

    def upgrade_exception(kind: type[Exception], value: Any) -> Any:
        if issubclass(kind, lost()) and get_ident() not in _finishing:
            return Disconnected, value
        return usual(kind, value)

    WSGIPublisher.upgradeException = upgrade_exception


def _wait_before_retry() -> None:
    usual = HTTPRequest.delay_retry

    def delay_retry(request: HTTPRequest) -> None:
        if isinstance(sys.exc_info()[1], Disconnected):
            wait()
        else:
            usual(request)

    HTTPRequest.delay_retry = delay_retry


def lost() -> tuple[type[Exception], ...]:
    """What the drivers of all databases raise for a lost connection."""
    return tuple(
        {
            kind
            for storage in relational()
            for kind in storage._adapter.driver.disconnected_exceptions
        }
    )
