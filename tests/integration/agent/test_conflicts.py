"""Whose turn it is after a conflict, between instances of one machine.

tests/integration/frontend/test_conflicts.py has the whole, with Zope and ZEO.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import Zope2
from transaction.interfaces import TransientError
from ZEO.ClientStorage import ClientStorage
from ZODB import DB
from ZODB.POSException import ConflictError
from ZPublisher.HTTPRequest import HTTPRequest

from tests.integration.agent.test_storage import address as address
from tests.integration.agent.test_storage import zeo
from tests.support.polling import PATIENCE, until
from tests.support.relay import Relay
from zopestack.agent import conflicts
from zopestack.agent.conflicts import Conflicts


class Instance:
    """The filter of one instance, around pages that are functions."""

    def __init__(self, lock: Path) -> None:
        self.filter = Conflicts(self._application, str(lock))

    def _application(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        environ["page"]()
        return []

    def ask(self, method: str, page: Callable[[], object]) -> None:
        self.filter({"REQUEST_METHOD": method, "page": page}, lambda *_: None)

    def begin(self, method: str, page: Callable[[], object]) -> threading.Thread:
        """The same, in a thread."""
        thread = threading.Thread(target=self.ask, args=(method, page))
        thread.start()
        return thread


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows by one for each request that begins to wait for its turn."""
    seen: list[int] = []
    wait = conflicts._wait

    def noted(turn: int, kind: int) -> None:
        seen.append(kind)
        wait(turn, kind)

    monkeypatch.setattr(conflicts, "_wait", noted)
    monkeypatch.setattr(conflicts, "PATIENCE", PATIENCE)
    return seen


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_who_may_save_begins_when_the_retry_has_ended(
    tmp_path: Path, waiting: list[int], method: str
) -> None:
    one, other = Instance(tmp_path / "lock"), Instance(tmp_path / "lock")
    order: list[str] = []
    threads: list[threading.Thread] = []

    def retry() -> None:
        one.filter.before_retry(0)
        one.filter.before_retry(1)
        threads.append(other.begin(method, lambda: order.append("other")))
        threads.append(one.begin(method, lambda: order.append("neighbour")))
        until("both to wait or to begin", lambda: len(waiting) + len(order) >= 3)
        for safe in ("GET", "HEAD", "OPTIONS"):
            other.ask(safe, lambda: order.append("reader"))
        order.append("retry")

    one.ask("POST", retry)
    for thread in threads:
        thread.join()
    assert order[:4] == ["reader"] * 3 + ["retry"]
    assert sorted(order[4:]) == ["neighbour", "other"]


def test_retries_come_one_at_a_time(tmp_path: Path, waiting: list[int]) -> None:
    one, other = Instance(tmp_path / "lock"), Instance(tmp_path / "lock")
    order: list[str] = []

    def second() -> None:
        other.filter.before_retry(0)
        order.append("second")

    def first() -> None:
        one.filter.before_retry(0)
        until("the second to wait or to go on", lambda: len(waiting) >= 2)
        order.append("first")

    begun = threading.Event()
    # It has begun before there is any turn to wait for.
    thread = other.begin("POST", lambda: (begun.set(), until("a turn", lambda: waiting), second()))
    begun.wait()
    one.ask("POST", first)
    thread.join()
    assert order == ["first", "second"]


def test_a_turn_ends_with_its_request_whatever_comes_of_it(tmp_path: Path) -> None:
    one, other = Instance(tmp_path / "lock"), Instance(tmp_path / "lock")

    def fails() -> None:
        one.filter.before_retry(0)
        raise ValueError("of the page")

    with pytest.raises(ValueError, match="of the page"):
        one.ask("POST", fails)
    assert one.filter.turns == {}
    turn = other.filter._open()
    assert conflicts._lock(turn, fcntl.LOCK_EX)


def test_nobody_waits_for_ever_or_fails_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conflicts, "PATIENCE", 0.02)
    one, other = Instance(tmp_path / "lock"), Instance(tmp_path / "lock")
    order: list[str] = []

    def long() -> None:
        one.filter.before_retry(0)
        other.ask("POST", lambda: (other.filter.before_retry(0), order.append("other")))
        order.append("long")

    one.ask("POST", long)
    assert order == ["other", "long"]
    nowhere = Instance(tmp_path / "none" / "lock")
    nowhere.ask("POST", lambda: nowhere.filter.before_retry(0))


def test_a_retry_and_who_has_waited_know_what_was_saved_meanwhile(
    address: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: list[int]
) -> None:
    """They hear nothing from ZEO by themselves: a relay holds it back until they ask."""
    relay = Relay(address)
    one, other = Instance(tmp_path / "lock"), Instance(tmp_path / "lock")
    with zeo(address, tmp_path / "Data.fs"):
        database, client = DB(ClientStorage(address)), ClientStorage(relay.address)
        monkeypatch.setattr(Zope2, "opened", [DB(client)])

        def save() -> None:
            with database.transaction() as connection:
                connection.root()["x"] = os.urandom(4)

        def known(act: Callable[[Callable[[], None]], None]) -> bool:
            """Whether the request goes on with the last of what was saved."""
            seen: list[bytes] = []
            note = lambda: seen.append(client.lastTransaction())  # noqa: E731
            thread = threading.Thread(target=act, args=(note,))
            with relay.held():
                save()
                asked = relay.asked
                thread.start()
                until("it to ask or to go on", lambda: relay.asked > asked or seen)
            thread.join()
            return seen == [database.storage.lastTransaction()]

        def retry(note: Callable[[], None]) -> None:
            one.ask("POST", lambda: (one.filter.before_retry(0), note()))

        def wait(note: Callable[[], None]) -> None:
            waiting.clear()
            turn = one.filter._open()
            assert conflicts._lock(turn, fcntl.LOCK_EX)
            thread = other.begin("POST", note)
            until("it to wait", lambda: waiting)
            os.close(turn)
            thread.join()

        assert known(retry)
        assert known(wait)
        for each in (database, Zope2.opened[0]):
            each.close()
    relay.close()


def test_only_a_conflict_takes_a_turn_and_it_does_not_sleep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else is transient, such as a server that is away, takes the time that it takes."""
    slept: list[str] = []
    monkeypatch.setattr(HTTPRequest, "delay_retry", lambda request: slept.append("zope"))
    monkeypatch.setattr(conflicts.time, "sleep", lambda seconds: slept.append("agent"))
    one = Instance(tmp_path / "lock")
    one.filter.install()
    request = HTTPRequest.__new__(HTTPRequest)
    for kind, slow, turns in ((ConflictError, [], 1), (TransientError, ["zope"], 0)):
        try:
            raise kind
        except kind:
            request.delay_retry()
        assert slept == slow
        assert len(one.filter.turns) == turns
        one.ask("GET", lambda: None)
