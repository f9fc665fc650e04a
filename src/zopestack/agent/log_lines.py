"""Make sure that every line in the log was written by the program, whatever clients send.

Paths, form values and the text of exceptions get into log messages. A line feed in one of them
would forge a log line, an escape character would control the terminal that shows the log, and a
lone surrogate cannot be encoded, so that its line would be lost. All of these are escaped when a
record becomes text, for every handler at once. Records keep ``msg`` and ``args`` unchanged, so
that tools that group log entries by message keep working.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

#: Control characters of ASCII and Latin-1, Unicode's line separators and controls of text
#: direction, and surrogates.
CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

#: The same, except the tab and the line feed that messages of several lines contain.
UNPRINTED = re.compile(CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))

#: A line feed before a line that could be taken for the first line of a record.
FLUSH_LEFT = re.compile("\n(?=[^ \t\n])")

INDENTATION = "    "

UNPRINTABLE = "<unprintable"


class Lines(str):
    """A text of several lines that no client can influence, so that its lines may stay."""


class Record(logging.LogRecord):
    """A log record whose text is one line, or one line followed by indented lines.

    Tracebacks are formatted here too: a formatter uses ``exc_text`` if it is set.
    """

    def getMessage(self) -> str:  # noqa: N802
        """Return the message, with its arguments escaped."""
        message = _text(self.msg)
        if self.args:
            message %= _escaped_arguments(self.args)
        return indented(message)

    @property
    def exc_text(self) -> str | None:
        """The traceback as text, formatted on first use."""
        if self.__dict__.get("exc_text") is None and self.exc_info:
            self.__dict__["exc_text"] = described(self.exc_info)
        text: str | None = self.__dict__.get("exc_text")
        return text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self.__dict__["exc_text"] = text


def keep_lines_whole() -> None:
    """Make every new log record escape its text."""
    make = logging.getLogRecordFactory()

    def whole(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        kind: Any = type(record)
        record.__class__ = _kind(kind)
        return record

    logging.setLogRecordFactory(whole)


def escaped(text: str) -> str:
    """Return a text with its control characters escaped as in a Python string literal."""
    return CONTROL.sub(_escape, text)


def indented(message: str) -> str:
    """Return a message in which every line but the first is indented."""
    return FLUSH_LEFT.sub("\n" + INDENTATION, UNPRINTED.sub(_escape, message))


def described(exc_info: Any) -> str:
    """Return a traceback with its usual frames, but with one line per exception text."""
    _, exception, frames = exc_info
    whole = traceback.TracebackException(type(exception), exception, frames)
    for each in _chain(whole):
        each._str = escaped(each._str)  # type: ignore[attr-defined]
        if (notes := each.__notes__) is not None:
            # Indent each note: it is printed on a line of its own and a client may control it all.
            given = notes if isinstance(notes, list) else [notes]
            each.__notes__ = [INDENTATION + escaped(_text(note)) for note in given]
        # Escape the source line of a SyntaxError: a client may control it too.
        for name in ("filename", "text", "msg"):
            if isinstance(text := getattr(each, name, None), str):
                setattr(each, name, escaped(text.rstrip("\n")))
    return UNPRINTED.sub(_escape, "".join(whole.format()).removesuffix("\n"))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


@cache
def _kind(kind: Any) -> type[logging.LogRecord]:
    """Return a subclass of :class:`Record` and of the given class of record."""
    return Record if kind is logging.LogRecord else type(kind.__name__, (Record, kind), {})


def _escaped_arguments(arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return {name: _escaped_argument(value) for name, value in arguments.items()}
    if isinstance(arguments, tuple):
        return tuple(_escaped_argument(value) for value in arguments)
    return arguments


def _escaped_argument(value: Any) -> Any:
    """Return an argument whose text is one line; unchanged if it is one, so that ``%d`` works."""
    if isinstance(value, str):
        return value if isinstance(value, Lines) else escaped(value)
    if value is None or isinstance(value, (int, float)):
        return value
    text = _text(value)
    return escaped(text) if CONTROL.search(text) or text.startswith(UNPRINTABLE) else value


def _text(value: object) -> str:
    """Return the text of a value for the log, even if its ``str`` raises."""
    try:
        return str(value)
    except Exception:
        return f"{UNPRINTABLE} {type(value).__name__}>"


def _chain(whole: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """Yield an exception, its causes and contexts, and the members of a group."""
    waiting = [whole]
    while waiting:
        each = waiting.pop()
        yield each
        more = (each.__cause__, each.__context__, *(each.exceptions or ()))
        waiting += [other for other in more if other]
