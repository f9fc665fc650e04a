"""Whether those databases answer that RelStorage keeps.

A client of ZEO has a connection that breaks, and it notices. RelStorage notices when a request
needs something, which then fails. So a thread asks each of them for what has changed, with a
connection of its own. Requests that wait for a database wait for its answer.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from zopestack.agent import own_thread

logger = logging.getLogger("zopestack.agent")

#: Poll interval in seconds: about as often as HAProxy asks for an instance's health.
POLL_INTERVAL = 1.0

#: Seconds after which a database that has not answered counts as gone.
PATIENCE = 5.0

#: The databases that have answered with an error, by name.
failed: set[str] = set()

#: Since when each database has been asked, by name, as of ``time.monotonic``; none that has
#: answered.
asked: dict[str, float] = {}


#: When each database was asked the last question that it has answered, by name; minus infinity for
#: one that has answered none.
answered: dict[str, float] = {}

#: Guards ``answered``, and tells of each change.
_news = threading.Condition()

#: Has each database asked at once.
_hurry: list[threading.Event] = []


def answers(name: str) -> bool:
    """Return whether a database answers; one that nobody asks does."""
    now = time.monotonic()
    return name not in failed and now - asked.get(name, now) < PATIENCE


def all_answer() -> bool:
    """Return whether every database that is asked answers."""
    return all(map(answers, list(answered)))


def await_answers(patience: float) -> bool:
    """Wait until every database has answered a question that is asked from now on.

    :param patience: seconds to wait at most.
    :return: whether they have.
    """
    now = time.monotonic()
    for each in _hurry:
        each.set()
    with _news:
        return _news.wait_for(lambda: min(answered.values(), default=now) >= now, patience)


def watch(database: Any) -> None:
    """Ask a database in a thread of its own for as long as the process lives, if it needs that."""
    name, storage = database.database_name, database.storage
    if is_relational(storage):
        answered[name] = float("-inf")
        own_thread.start(f"reach of {name}", lambda: _watch(name, storage.new_instance()))


def is_relational(storage: Any) -> bool:
    """Whether a storage is one of RelStorage."""
    # Not isinstance: it need not be installed.
    return type(storage).__module__.partition(".")[0] == "relstorage"


def _watch(name: str, own: Any) -> None:
    hurry = threading.Event()
    _hurry.append(hurry)
    while True:
        hurry.clear()
        asked[name] = began = time.monotonic()
        try:
            own.poll_invalidations()
            # Back to no transaction, for which the server would keep old rows.
            own.sync()
        # A driver has exceptions of its own.
        except Exception as why:
            if name not in failed:
                logger.error("the database %s does not answer: %s", name, why)
            failed.add(name)
        else:
            if name in failed:
                logger.warning("the database %s answers again", name)
            failed.discard(name)
            del asked[name]
            with _news:
                answered[name] = began
                _news.notify_all()
        hurry.wait(POLL_INTERVAL)
