"""A line in the log is a line that the program has written, whatever visitors send.

Paths, form values and the text of exceptions find their way into log messages. A line feed in
one of them would begin a line that looks like any other, and an escape character is an order to
the terminal that shows it; a lone surrogate cannot be written at all, so that the line it is in
would be missing. They are escaped where a record becomes text, for every handler at once.
Records keep ``msg`` and ``args`` as they were given: tools that group by message go on doing so.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

#: Control characters of ASCII and Latin-1, Unicode's line separators, what turns the direction
#: of text, and surrogates.
CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

#: The same without what a message of several lines is made of.
UNPRINTED = re.compile(CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))

#: Where a line begins that could be taken for a record's first one.
FLUSH_LEFT = re.compile("\n(?=[^ \t\n])")

INDENTATION = "    "

UNPRINTABLE = "<unprintable"


class Lines(str):
    """An argument of several lines that no visitor has a say in: it may keep them."""


class Record(logging.LogRecord):
    """A log record whose text is one line, or one line and indented ones.

    What is logged as an exception is formatted here: a formatter takes ``exc_text`` where
    there is one.
    """

    def getMessage(self) -> str:  # noqa: N802
        """The message, with what came from outside escaped."""
        message = _text(self.msg)
        if self.args:
            message %= _escaped_arguments(self.args)
        return indented(message)

    @property
    def exc_text(self) -> str | None:
        """The traceback, as soon as somebody wants it."""
        if self.__dict__.get("exc_text") is None and self.exc_info:
            self.__dict__["exc_text"] = described(self.exc_info)
        text: str | None = self.__dict__.get("exc_text")
        return text

    @exc_text.setter
    def exc_text(self, text: str | None) -> None:
        self.__dict__["exc_text"] = text


def keep_lines_whole() -> None:
    """Have all log records from now on be such ones."""
    make = logging.getLogRecordFactory()

    def whole(*args: Any, **options: Any) -> logging.LogRecord:
        record = make(*args, **options)
        kind: Any = type(record)
        record.__class__ = _kind(kind)
        return record

    logging.setLogRecordFactory(whole)


def escaped(text: str) -> str:
    """A text with its control characters written as Python writes them; itself without any."""
    return CONTROL.sub(_escape, text)


def indented(message: str) -> str:
    """A message with its lines, none of which but the first begins at the margin."""
    return FLUSH_LEFT.sub("\n" + INDENTATION, UNPRINTED.sub(_escape, message))


def described(exc_info: Any) -> str:
    """A traceback: its frames as always, the text of its exceptions in one line each."""
    _, exception, frames = exc_info
    whole = traceback.TracebackException(type(exception), exception, frames)
    for each in _chain(whole):
        each._str = escaped(each._str)  # type: ignore[attr-defined]
        if (notes := each.__notes__) is not None:
            # Each is a line of its own, and the whole of it may be a visitor's.
            given = notes if isinstance(notes, list) else [notes]
            each.__notes__ = [INDENTATION + escaped(_text(note)) for note in given]
        # The line of source in a SyntaxError may be a visitor's too.
        for name in ("filename", "text", "msg"):
            if isinstance(text := getattr(each, name, None), str):
                setattr(each, name, escaped(text.rstrip("\n")))
    return UNPRINTED.sub(_escape, "".join(whole.format()).removesuffix("\n"))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


@cache
def _kind(kind: Any) -> type[logging.LogRecord]:
    """A kind of record with :class:`Record` in front of it, whoever else has made one."""
    return Record if kind is logging.LogRecord else type(kind.__name__, (Record, kind), {})


def _escaped_arguments(arguments: Any) -> Any:
    if isinstance(arguments, dict):
        return {name: _escaped_argument(value) for name, value in arguments.items()}
    if isinstance(arguments, tuple):
        return tuple(_escaped_argument(value) for value in arguments)
    return arguments


def _escaped_argument(value: Any) -> Any:
    """An argument whose text is one line; itself where it is, so that ``%d`` is still one."""
    if isinstance(value, str):
        return value if isinstance(value, Lines) else escaped(value)
    if value is None or isinstance(value, (int, float)):
        return value
    text = _text(value)
    return escaped(text) if CONTROL.search(text) or text.startswith(UNPRINTABLE) else value


def _text(value: object) -> str:
    """What stands for a value in a log, also where it cannot be said."""
    try:
        return str(value)
    except Exception:
        return f"{UNPRINTABLE} {type(value).__name__}>"


def _chain(whole: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """An exception, those it came from, and those of a group."""
    waiting = [whole]
    while waiting:
        each = waiting.pop()
        yield each
        more = (each.__cause__, each.__context__, *(each.exceptions or ()))
        waiting += [other for other in more if other]
