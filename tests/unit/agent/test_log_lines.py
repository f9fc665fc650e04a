from __future__ import annotations

import io
import logging
import logging.handlers
import pickle
import queue
import re
import warnings
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zopestack.agent.log_lines import INDENTATION, Lines, keep_lines_whole

FORGED = "2026-11-26 12:00:00,000 ERROR [Zope] forged"

#: Whatever ends a line for somebody, and what a terminal obeys.
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
ORDERS = ["\x1b[2K\x1b[1A", "\x9b2J", "\x08", "\x7f", "\x00", "\u202e", "\u2066", "\udc80"]

#: What may stand at the margin: a record's first line, and what Python writes in a traceback.
KNOWN = re.compile(
    r"HEAD |Traceback \(most recent|[\w.]+(Error|Bad)(: |$)|NoneType: |During handling|The above"
)

logger = logging.getLogger("test of lines")


@pytest.fixture
def log() -> Iterator[Callable[[], str]]:
    """What the logger has written, as Zope's formatter writes it."""
    before = logging.getLogRecordFactory()
    keep_lines_whole()
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("HEAD %(levelname)s [%(name)s] %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    # Whatever level Zope has set for all loggers of this process.
    logger.setLevel(logging.WARNING)

    def written() -> str:
        stream.flush()
        text = stream.buffer.getvalue().decode()
        stream.seek(0)
        stream.truncate()
        return text

    yield written
    logger.removeHandler(handler)
    logger.propagate = True
    logging.setLogRecordFactory(before)


def check(text: str, heads: int = 1) -> None:
    """Lines begin where the program began them, for every idea of what ends one."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert lines == text.splitlines()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e]", text)
    margin = [line for line in lines if line[:1] not in ("", " ", "\t")]
    assert sum(line.startswith("HEAD ") for line in margin) == heads
    assert [line for line in margin if not KNOWN.match(line)] == []


@pytest.mark.parametrize("evil", [*BREAKS, *ORDERS], ids=ascii)
def test_what_a_visitor_sends_stays_in_its_line(log: Callable[[], str], evil: str) -> None:
    text = f"a{evil}{FORGED}"
    shown = text.encode("unicode_escape").decode()
    for logged in (
        lambda: logger.error("in %s", text),
        lambda: logger.error("in %(path)s", {"path": text}),
        lambda: logger.error("in %s", ValueError(text)),
    ):
        logged()
        assert log() == f"HEAD ERROR [test of lines] in {shown}\n"
    for logged in (
        lambda: logger.error("in %r", text),
        lambda: logger.error("in %s", [text]),
        lambda: logger.error("in " + text),
        lambda: logger.error(f"in {text} %s", "b"),
        lambda: logger.error(ValueError(text)),
    ):
        logged()
        check(log())


def test_what_cannot_be_said_is_named(log: Callable[[], str]) -> None:
    logger.error("in %s", Bad())
    assert log() == "HEAD ERROR [test of lines] in <unprintable Bad>\n"
    logger.error(Bad())
    assert log() == "HEAD ERROR [test of lines] <unprintable Bad>\n"


def test_nothing_else_changes(log: Callable[[], str]) -> None:
    logger.info("below the level")
    logger.warning("%s of %d, %.1f %% and %r; %s", "ünïcode 日本", 3, 0.25, "x", None)
    assert log() == "HEAD WARNING [test of lines] ünïcode 日本 of 3, 0.2 % and 'x'; None\n"
    logger.warning("100% sure\tof it")
    assert log() == "HEAD WARNING [test of lines] 100% sure\tof it\n"


def test_tools_that_group_by_message_see_what_was_logged(log: Callable[[], str]) -> None:
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = seen.append  # type: ignore[method-assign]
    logger.addHandler(handler)
    logger.error("in %s", "a\nb")
    logger.removeHandler(handler)
    assert (seen[0].msg, seen[0].args) == ("in %s", ("a\nb",))
    again = pickle.loads(pickle.dumps(seen[0]))
    assert again.getMessage() == r"in a\nb"


def test_a_message_of_several_lines_is_indented_once(log: Callable[[], str]) -> None:
    logger.error("one\ntwo\n  three\n\nfour")
    expected = f"HEAD ERROR [test of lines] one\n{INDENTATION}two\n  three\n\n{INDENTATION}four\n"
    assert log() == expected
    # As a handler that hands records on formats them twice.
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(waiting)
    handlers, logger.handlers = logger.handlers, [handler]
    logger.error("one\ntwo\n  three\n\nfour")
    logger.handlers = handlers
    logger.handle(waiting.get())
    assert log() == expected


def test_the_agents_own_lines_stay_lines(log: Callable[[], str]) -> None:
    logger.error("hung: %s\n%s", "GET /a\nb", Lines("    Thread one:\n      File x"))
    assert log() == ("HEAD ERROR [test of lines] hung: GET /a\\nb\n    Thread one:\n      File x\n")


class Bad(Exception):
    def __str__(self) -> str:
        raise RuntimeError(FORGED)


def test_the_text_of_exceptions_stays_in_its_line(log: Callable[[], str]) -> None:
    evil = f"x\n{FORGED}\x1b[2K\u2028{FORGED}"
    try:
        try:
            try:
                raise KeyError(evil)
            except KeyError:
                raise ValueError(evil)  # noqa: B904
        except ValueError as why:
            error = RuntimeError(evil)
            error.add_note(evil)
            raise error from why
    except RuntimeError:
        logger.exception("failed %s", evil)
    text = log()
    check(text)
    shown = evil.encode("unicode_escape").decode()
    assert f"\nValueError: {shown}\n" in text
    assert text.endswith(f"\nRuntimeError: {shown}\n    {shown}\n")
    assert "\n    raise error from why\n" in text


def source(text: str) -> Exception:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "script\n" + FORGED, "exec")
        except (SyntaxError, ValueError) as why:
            return why
    raise AssertionError


@pytest.mark.parametrize(
    "error",
    [
        ExceptionGroup(f"g\n{FORGED}", [ValueError(f"x\n{FORGED}"), KeyError("\x1b")]),
        source(f"a = (\x1b\n{FORGED}"),
        SyntaxError(f"m\n{FORGED}", ("f\n", 1, 1, f"t\n{FORGED}\n")),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, f"x\n{FORGED}"),
        OSError(2, f"x\n{FORGED}", f"f\n{FORGED}"),
        Bad(),
        ValueError("\udc80"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exceptions_of_every_kind(log: Callable[[], str], error: Exception) -> None:
    error.__notes__ = [f"n\n{FORGED}", Bad()]
    try:
        raise error
    except Exception:
        logger.exception("failed")
        logger.error("%s", error)
    check(log(), heads=2)


@pytest.mark.parametrize("notes", [3, f"n\n{FORGED}", None], ids=str)
def test_notes_that_are_none(log: Callable[[], str], notes: object) -> None:
    error = ValueError("x")
    error.__notes__ = notes  # type: ignore[assignment]
    logger.error("failed", exc_info=error)
    check(log())


def test_a_traceback_is_otherwise_as_python_writes_it(log: Callable[[], str]) -> None:
    try:
        int("x")
    except ValueError as why:
        error = why
    logger.error("failed", exc_info=error)
    expected = logging.Formatter().formatException((ValueError, error, error.__traceback__))
    assert log() == f"HEAD ERROR [test of lines] failed\n{expected}\n"
    logger.error("failed", exc_info=True)
    assert log() == "HEAD ERROR [test of lines] failed\nNoneType: None\n"


def test_records_of_somebody_elses_kind(log: Callable[[], str]) -> None:
    class Own(logging.LogRecord):
        pass

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Own)
    keep_lines_whole()
    logger.error("in %s", "a\nb")
    logging.setLogRecordFactory(before)
    assert log() == "HEAD ERROR [test of lines] in a\\nb\n"


TEXTS = st.lists(
    st.sampled_from([*BREAKS, *ORDERS, "HEAD ", FORGED, " ", "x", "\\"]) | st.characters(),
    max_size=9,
).map("".join)


@given(text=TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text(log: Callable[[], str], text: str) -> None:
    logger.error("in %s", text)
    check(log())
    logger.error("in " + text)
    check(log())
    error = ValueError(text)
    error.add_note("note: " + text)
    logger.error("failed", exc_info=error)
    check(log())
