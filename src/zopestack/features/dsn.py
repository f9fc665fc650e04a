"""PostgreSQL's connection strings, in both of their forms (its manual, "Connection Strings")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

#: How the form begins that is a URL.
SCHEMES = ("postgresql://", "postgres://")

#: A keyword with its value, which is quoted or has no space.
PAIR = re.compile(r"(\w+)\s*=\s*(?:'((?:\\.|[^'\\])*)'|((?:\\.|[^\s\\])*))")

#: Keywords that say which database it is. ``options`` may choose a schema in it.
PLACE = ("service", "host", "hostaddr", "port", "dbname", "options")


def written(parts: Mapping[str, str]) -> str:
    """The string that has these keywords."""
    return " ".join(f"{name}={_quoted(text)}" for name, text in parts.items())


def extended(text: str, parts: Mapping[str, str]) -> str:
    """The same string with other values: of two for one keyword, the last one counts.

    :raises ValueError: for a URL.
    """
    if text.startswith(SCHEMES):
        raise ValueError("a dsn that is no URL")
    return f"{text} {written(parts)}"


def place(text: str) -> dict[str, str]:
    """Which database a string leads to; it has no secret."""
    given = _url(text) if text.startswith(SCHEMES) else _keywords(text)
    # A database is called as the user, unless it has a name.
    told = {"port": "5432", "dbname": given.get("user", ""), **given}
    return {name: told[name] for name in PLACE if told.get(name)}


def _keywords(text: str) -> dict[str, str]:
    return {
        name: re.sub(r"\\(.)", r"\1", quoted or plain) for name, quoted, plain in PAIR.findall(text)
    }


def _url(text: str) -> dict[str, str]:
    parts = urlsplit(text)
    login, _, server = parts.netloc.rpartition("@")
    port = re.search(r":(\d*)$", server)
    told = {
        "host": server[: port.start()] if port else server,
        "port": port[1] if port else "",
        "dbname": parts.path[1:],
        "user": login.partition(":")[0],
    }
    found = {name: unquote(value) for name, value in told.items() if value}
    return found | dict(parse_qsl(parts.query))


def _quoted(text: str) -> str:
    r"""A value in a string of keywords.

    >>> print(_quoted("it's"))
    'it\'s'
    """
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
